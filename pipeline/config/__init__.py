"""config.yaml and the recipes of experiments/: read, checked, completed by defaults."""
