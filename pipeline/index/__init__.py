"""Which videos a data set has, their classes, splits and slices."""
