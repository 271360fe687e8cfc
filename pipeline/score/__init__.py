"""Score files: made by a trained network, imported, selected from, evaluated."""
