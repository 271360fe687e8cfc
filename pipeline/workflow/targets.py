"""The files of every stage and the options of its commands: path logic as plain functions that the rules call.

`config` is config.yaml as a dict. Nothing here depends on Snakemake.
"""

import itertools
import shlex
from collections.abc import Mapping

from pipeline.config.settings import Config, of_dataset
from pipeline.fetch.sources import sources
from pipeline.formats.modalities import FRAMES, MODALITIES
from pipeline.index import slices, split_numbers
from pipeline.workflow import runs, table_targets
from pipeline.workflow.stage_settings import TRACK_KEYS, idt_settings, lists_folder


def video_folder(config: Config, dataset: str) -> str:
    """The folder that contains a data set's class folders."""
    return of_dataset(config, dataset).folder or f"data/raw/{dataset}/videos"


def fetched_marker(config: Config, dataset: str) -> list[str]:
    """The file that says that archives were fetched; nothing if the user's own folder is used."""
    return [] if of_dataset(config, dataset).folder else [f"data/raw/{dataset}/fetched.tsv"]


def archive_files(config: Config, dataset: str) -> list[str]:
    """The paths of archives in the user's own folder; Snakemake does not track those that are downloaded."""
    folder = of_dataset(config, dataset).archives
    return [f"{folder}/{source.file}" for source in sources(dataset)] if folder else []


def archives_option(config: Config, dataset: str) -> str:
    """`--archives FOLDER` if config.yaml names a folder of archives."""
    folder = of_dataset(config, dataset).archives
    return f"--archives {shlex.quote(folder)}" if folder else ""


def index_options(config: Config, dataset: str) -> str:
    """The options of pipeline.index that decide the videos, their classes and their slices."""
    return _join_options(_membership_options(config, dataset) | {"--label-map": of_dataset(config, dataset).label_map})


def split_options(config: Config, dataset: str) -> str:
    """The options of pipeline.index that decide the splits."""
    settings = of_dataset(config, dataset)
    options = {"--split-file": settings.split_file, "--draw": split_numbers.count_drawn(settings)}
    return _join_options(options | {"--test-share": settings.test_share})


def slice_options(config: Config, dataset: str) -> str:
    """The options of pipeline.frames that decide which videos are in a slice."""
    return _join_options(_membership_options(config, dataset))


def bad_share_option(config: Config, dataset: str) -> str:
    """The option of pipeline.frames that stops a job with many bad videos; it does not change the frames."""
    return f"--max-bad-share={of_dataset(config, dataset).frames.max_bad_share}"


def repair_option(config: Config, dataset: str) -> str:
    """The option of pipeline.frames that keeps what ffmpeg can recover of bad videos."""
    return "--repair" if of_dataset(config, dataset).frames.repair else ""


def direction(config: Config, modality: str) -> str:
    """The direction of a modality's flow: forward or backward."""
    return MODALITIES[modality].made_by.get("direction", "forward")


def flow_gpus(config: Config, dataset: str) -> int:
    """The number of GPUs that a flow job reserves: none if config.yaml selects a backend without GPU."""
    return int(of_dataset(config, dataset).flow.backend in ("auto", "cuda"))


def slice_files(config: Config, dataset: str, modality: str, suffix: str = ".h5") -> list[str]:
    """The files of a modality, one per slice."""
    names = slices.names(of_dataset(config, dataset).slices)
    return [f"data/{dataset}/{MODALITIES[modality].folder}/{name}{suffix}" for name in names]


def quarantine_files(config: Config, dataset: str) -> list[str]:
    """The quarantine files that the frames stage writes, one per slice."""
    return slice_files(config, dataset, FRAMES, ".quarantine.tsv")


def modality_names(stage: str = "") -> str:
    """A regular expression of the modalities, or of those that a stage makes."""
    return "|".join(name for name, row in MODALITIES.items() if stage in ("", row.made_by["stage"]))


def idt_files(config: Config, dataset: str, folder: str) -> list[str]:
    """The files of improved trajectories, one per slice; `folder` is samples or encodings."""
    return [f"data/{dataset}/idt/{folder}/{name}.h5" for name in slices.names(of_dataset(config, dataset).slices)]


def vocabularies(config: Config, dataset: str) -> list[str]:
    """The vocabularies of every split and seed; a slice's tracks are computed once for all of them."""
    settings = of_dataset(config, dataset)
    pairs = itertools.product(settings.splits, settings.tables.seeds)
    return [f"data/{dataset}/idt/vocabularies/split{split}.seed{seed}.h5" for split, seed in pairs]


def track_options(config: Config, dataset: str) -> str:
    """The options of pipeline.idt that decide the tracks."""
    return shlex.join(f"--{name}={value}" for name, value in idt_settings(config, dataset, TRACK_KEYS).items())


def table_inputs(config: Config, dataset: str) -> list[str]:
    """The score files that a data set's table shows."""
    keys = table_targets.dataset_scores(config, dataset)
    return [runs.score_file(dataset, split, seed, run) for run, split, seed in keys]


def paper_table_inputs(config: Config, table: str) -> list[str]:
    """The score files that a paper's table shows."""
    keys = table_targets.paper_scores(config, table)
    return [runs.score_file(dataset, split, seed, run) for dataset, run, split, seed in keys]


def _membership_options(config: Config, dataset: str) -> dict[str, object]:
    """The options that decide the videos of a data set and the slice of each."""
    settings = of_dataset(config, dataset)
    options = {"--layout": settings.layout, "--slices": settings.slices, "--seed": config["seed"]}
    return options | {"--lists": lists_folder(config, dataset)}


def _join_options(options: Mapping[str, object]) -> str:
    """Options that have a value, as a string for the shell."""
    return shlex.join(f"{key}={value}" for key, value in options.items() if value not in ("", None))
