"""Actionbench: raw action-recognition downloads in, the papers' results tables out."""
