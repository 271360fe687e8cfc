"""Accuracy of scores, computed independently of the class counts of the pipeline."""


def top1(averaged):
    """The share of videos whose class has the highest score; `averaged` are VideoScores."""
    return float((averaged.values.argmax(1) == averaged.labels).mean())
