"""Videos decoded once to slices of resized JPEG frames."""
