"""Training shards: pack, verify, export and import them."""
