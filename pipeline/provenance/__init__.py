"""The files and jobs that a result was made from."""
