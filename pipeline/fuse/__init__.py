"""Scores of several runs on the same videos, fused into one score file."""
