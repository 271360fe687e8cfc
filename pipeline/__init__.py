"""Actionbench: raw action-recognition downloads in, the papers' results tables out."""

__version__ = "0.1.0"
