"""The papers' own figures of a trained network."""
