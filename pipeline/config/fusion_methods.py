"""The fusion methods by name: what each takes and what it gives.

The schema of experiments/*.yaml takes its list of methods from here, and pipeline/fuse/methods.py registers a function
under each name.
"""

from typing import NamedTuple


class FusionMethod(NamedTuple):
    """What a fusion method takes and gives."""

    output: str = ""  # the kind of the fused scores, decisions or probabilities; empty for the kind of its input
    fitted: bool = False  # a classifier that is fitted to the scores of the training videos
    weighted: bool = False  # takes one weight for each score file
    of_views: bool = False  # reads the probabilities of every view, and so also fuses a single run
    nonnegative: bool = False  # is defined for scores that are never negative


FUSION_INPUTS = ("logits", "probabilities", "l2")  # l2: scores divided by their Euclidean length; see pipeline.fuse
FUSION_METHODS = {
    "average": FusionMethod(),
    "weighted": FusionMethod(weighted=True),
    "max": FusionMethod(),
    "product": FusionMethod(nonnegative=True),
    "svm": FusionMethod(output="decisions", fitted=True),
    "logistic": FusionMethod(output="decisions", fitted=True),
    "sci": FusionMethod(output="probabilities", of_views=True),
    "single": FusionMethod(output="probabilities", of_views=True),
}
