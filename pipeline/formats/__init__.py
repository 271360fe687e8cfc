"""The files between stages: each module reads and writes one form."""
