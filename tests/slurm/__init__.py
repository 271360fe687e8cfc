"""A cluster of one node for tests."""
