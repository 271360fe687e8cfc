"""Training shards: packed, verified, exported, imported."""
