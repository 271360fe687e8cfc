"""The papers' networks, by name in `registry`."""
