"""Results tables: published beside reproduced."""
