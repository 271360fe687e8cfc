"""The two demo data sets of generated clips. Their classes differ in what a network must see to tell them apart.

`python -m pipeline.demo --out DIR` writes the archives of one data set. `demo` has the archives, file names and split
lists of UCF-101. `demo_pretrain` has those of HMDB51, with other classes, actors and backgrounds; networks are
pre-trained on it, or trained on both data sets.
"""

CLASS_GROUPS: dict[str, tuple[str, ...]] = {
    "appearance": ("WaveRedFlag", "WaveGreenFlag", "WaveBlueFlag"),  # the same movement, three colours of equal luma
    "motion": ("Bounce", "Sway", "Circle", "SitDown", "StandUp"),  # the same distribution of frames, five movements
    "order": ("OpenClose", "CloseOpen"),  # the same frames and the same short movements, in two orders
}
"""Classes by what distinguishes them: a single frame, ten frames of motion, or the whole clip."""

CLASSES: tuple[str, ...] = tuple(name for names in CLASS_GROUPS.values() for name in names)
"""Class names in the order of their labels; the first has label 1 in the split lists."""

PRETRAIN_CLASSES: tuple[str, ...] = (
    *("wave_yellow_flag", "wave_purple_flag", "wave_teal_flag"),  # distinguished by a single frame
    *("figure_eight", "jump", "lie_down", "get_up"),  # by motion: the same distribution of frames, four movements
    *("open_door", "close_door"),  # by motion: each is half of a door clip of `demo`, but slower
)
"""The classes of `demo_pretrain`. HMDB51's lists have no labels, so labels follow the alphabet."""
