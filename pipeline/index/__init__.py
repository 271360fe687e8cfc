"""The index of a data set: its videos, classes, splits and slices."""
