"""What the rules ask for: targets, runs, tables, figures, and the checks of config.yaml."""
