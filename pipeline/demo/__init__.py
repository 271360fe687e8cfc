"""The demo data sets: generated clips that show what each kind of net can see, in the archive forms of real data sets.

`python -m pipeline.demo --out DIR` writes one; this module holds the facts that the rest of the pipeline needs about
them. `demo` comes as UCF-101 comes. `demo_pretrain` comes as HMDB51 comes, with other classes, actors and backgrounds:
it is what nets are pre-trained on, or trained on beside `demo`.
"""

GROUPS: dict[str, tuple[str, ...]] = {
    "appearance": ("WaveRedFlag", "WaveGreenFlag", "WaveBlueFlag"),  # one movement, three colours of equal luma
    "motion": ("Bounce", "Sway", "Circle", "SitDown", "StandUp"),  # one distribution of frames, five movements
    "order": ("OpenClose", "CloseOpen"),  # the same frames and the same short movements, in two orders
}
"""What tells the classes of a group from each other: one frame, ten frames of motion, or the whole clip."""

CLASSES: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)
"""Class names in the order of their labels; the first has label 1 in the split lists."""

PRETRAINING: tuple[str, ...] = (
    *("wave_yellow_flag", "wave_purple_flag", "wave_teal_flag"),  # told apart by one frame
    *("figure_eight", "jump", "lie_down", "get_up"),  # by motion: one distribution of frames, four movements
    *("open_door", "close_door"),  # by motion: each what the demo's doors do in one half of their clips, but slowly
)
"""The classes of `demo_pretrain`; HMDB51's lists number none, so that labels follow the alphabet."""
