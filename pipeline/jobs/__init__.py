"""Snakemake's dry runs, its records of finished jobs, and the metadata of result files."""
