"""The tables beside the shards: index.parquet (video -> shard, pictures) and shards.tsv (bytes, sha256)."""

INDEX = ("video_id", "class", "label", "shard", "first", "pictures", "bytes", "fps")
SHARDS = ("shard", "videos", "pictures", "bytes", "sha256")
