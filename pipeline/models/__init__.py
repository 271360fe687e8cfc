"""The papers' networks: a module each, nets.tsv with their names, and functions that build and convert them."""
