"""Why Snakemake would run a target's jobs again."""
