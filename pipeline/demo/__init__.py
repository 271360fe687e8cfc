"""The demo data set: generated clips, in UCF-101's own archive form, that show what each kind of net can see.

`python -m pipeline.demo --out DIR` writes it; this module holds the facts that the rest of the pipeline needs about it.
"""

GROUPS: dict[str, tuple[str, ...]] = {
    "appearance": ("WaveRedFlag", "WaveGreenFlag", "WaveBlueFlag"),  # one movement, three colours of equal luma
    "motion": ("Bounce", "Sway", "Circle", "SitDown", "StandUp"),  # one distribution of frames, five movements
    "order": ("OpenClose", "CloseOpen"),  # the same frames and the same short movements, in two orders
}
"""What tells the classes of a group from each other: one frame, ten frames of motion, or the whole clip."""

CLASSES: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)
"""Class names in the order of their labels; the first has label 1 in the split lists."""
