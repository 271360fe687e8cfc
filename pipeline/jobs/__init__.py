"""Snakemake's records, dry runs and the metadata of result files."""
