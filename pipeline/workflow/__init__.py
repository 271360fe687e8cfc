"""Functions that the rules call: targets, runs, settings, tables, figures, and the checks of config.yaml."""
