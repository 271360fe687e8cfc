"""What `python -m pipeline.shard` does: pack, verify, export, import."""
