"""Decode each video once, into slices of resized JPEG frames."""
