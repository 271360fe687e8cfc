"""Score files: made by a trained network or imported, selected from and evaluated."""
