"""The figures and pages of each data set, with their inputs and options: those of the table entries in config.yaml.

`config` is config.yaml as a dict. Nothing here depends on Snakemake.
"""

import functools
import itertools
import json
import shlex

from pipeline.config.recipe import Recipe
from pipeline.config.settings import Config, of_dataset
from pipeline.inputs import clip_sampling
from pipeline.tables import entries
from pipeline.workflow import runs, score_origins, table_targets, targets, train_inputs

FIGURES = "results/figures"
PAPER_FIGURES = {
    "saliency": "saliency.png", "embedding": "embedding.svg", "filters": "filters.png", "words": "words.png",
}  # fmt: skip
TRACKS = "idt.idt"  # the system whose tracks are drawn
CLASSES = 6  # of a paper's figure


def summaries(config: Config) -> list[str]:
    """The summary page of every data set that has a table."""
    return [f"{FIGURES}/{dataset}/summary.html" for dataset in table_targets.datasets_with_table(config)]


def figures(config: Config, dataset: str) -> list[str]:
    """The figures and pages of a data set's table, data and runs; the summary is made after them."""
    of_table = paths(dataset, "compared.html", "compared.svg", "origins.html", "stages.svg")
    of_runs = (run_figures(config, dataset, run) for run in shown_runs(config, dataset))
    return [*of_table, *data_figures(config, dataset), *itertools.chain.from_iterable(of_runs)]


def paths(dataset: str, *files: str) -> list[str]:
    """The paths of a data set's figures with these file names."""
    return [f"{FIGURES}/{dataset}/{file}" for file in files]


def data_figures(config: Config, dataset: str) -> list[str]:
    """The figures of the data set itself; none where all scores are imported, which need no videos here."""
    if not made_here(config, dataset):
        return []
    pictures = ["samples.png"] if "rgb" in modalities(config, dataset) else []
    return paths(dataset, "coverage.svg", "quarantine.html", *pictures)


def all_figures(config: Config, dataset: str) -> list[str]:
    """Every figure and page of a data set, those of the papers included, except for the summary."""
    return [*figures(config, dataset), *paper_figures(config, dataset)]


def run_figures(config: Config, dataset: str, run: str) -> list[str]:
    """The figures of a run; it has training curves only if it was trained here."""
    files = ["confusion.svg", "classes.svg", "pairs.svg", *(["curves.svg"] if metrics(config, dataset, run) else [])]
    return paths(dataset, *(f"runs/{run}/{file}" for file in files))


def shown_runs(config: Config, dataset: str) -> list[str]:
    """The runs, fusions and systems of the data set's table entries, each once."""
    return list(dict.fromkeys(run for run, _, _ in planned_scores(config, dataset)))


def splits_and_seeds(config: Config, dataset: str, run: str) -> list[tuple[int, int]]:
    """(split, seed) of every score file of a run that the data set's table shows."""
    return [(split, seed) for name, split, seed in planned_scores(config, dataset) if name == run]


def planned_scores(config: Config, dataset: str) -> tuple[tuple[str, int, int], ...]:
    """(run, split, seed) of every score file that the data set's table shows."""
    return _planned(json.dumps(config), dataset)


def run_scores(config: Config, dataset: str, run: str) -> list[str]:
    """The score files of a run that the data set's table shows."""
    return [runs.score_file(dataset, *pair, run) for pair in splits_and_seeds(config, dataset, run)]


def method(config: Config, dataset: str, run: str) -> str:
    """The name of a run in the data set's table: the method of the first entry of it."""
    shown = (entry for entry in table_targets.table_entries() if entry.run == run and entries.applies(entry, dataset))
    return next((entry.method for entry in shown), run)


def heading(config: Config, dataset: str, run: str) -> str:
    """The subcategory of a run's figures in the report; the name of the method would be too long for its menu."""
    return f"{dataset}: {run}"


def table_scores(config: Config, dataset: str) -> list[str]:
    """Every score file that the data set's table shows."""
    return [runs.score_file(dataset, split, seed, run) for run, split, seed in planned_scores(config, dataset)]


def metrics(config: Config, dataset: str, run: str) -> list[str]:
    """metrics.parquet of a run's trainings; a fusion and imported scores have none."""
    if not score_origins.recipe_or_none(config, dataset, run):
        return []
    pairs = splits_and_seeds(config, dataset, run)
    ours = [pair for pair in pairs if not score_origins.is_imported(dataset, *pair, run)]
    return [str(runs.run_folder(dataset, *pair, run) / "metrics.parquet") for pair in ours]


def made_here(config: Config, dataset: str) -> list[str]:
    """The runs and systems of the data set's table, parts of fusions too, that read its videos here."""
    return score_origins.runs_scored_here(config, dataset, planned_scores(config, dataset))


def modalities(config: Config, dataset: str) -> set[str]:
    """The modalities that the data set's runs read: rgb, flow, backward."""
    recipes_here = (score_origins.recipe_or_none(config, dataset, run) for run in made_here(config, dataset))
    return set(itertools.chain.from_iterable(clip_sampling.modalities(recipe) for recipe in recipes_here if recipe))


def sample_shards(config: Config, dataset: str) -> list[str]:
    """The shards of frames, and of flow where runs need it."""
    return [f"data/{dataset}/shards/{name}" for name in ("rgb", "flow") if name in modalities(config, dataset)]


def sample_options(config: Config, dataset: str) -> str:
    """The options of pipeline.report.samples: the shards, and the figure's title."""
    shards = sample_shards(config, dataset)
    flow = ["--flow", shards[1]] if len(shards) > 1 else []
    title = f"{dataset}: frames{', and the flow after each' if flow else ''}"
    return shlex.join([shards[0], *flow, "--title", title])


def data_files(config: Config, dataset: str) -> list[str]:
    """splits.parquet and quarantine.tsv, where runs read the data set here."""
    files = ("splits.parquet", "quarantine.tsv") if made_here(config, dataset) else ()
    return [f"data/{dataset}/{file}" for file in files]


def summary_options(config: Config, dataset: str) -> str:
    """The options of pipeline.report.summary for those files."""
    names = ("--splits", "--quarantine")
    pairs = zip(names, data_files(config, dataset), strict=False)
    return shlex.join(itertools.chain.from_iterable(pairs))


@functools.cache
def _planned(config: str, dataset: str) -> tuple[tuple[str, int, int], ...]:
    """Cached, as every figure of every run calls it, and it checks the obstacles of every table entry."""
    return tuple(table_targets.dataset_scores(json.loads(config), dataset))


def paper_figures(config: Config, dataset: str) -> list[str]:
    """The figures of a data set that papers have of their networks, and the tracks of improved trajectories."""
    trained = first_trainings(config, dataset)
    pairs = ((run, name) for run in trained for name in network_figures(runs.recipe(config, dataset, run)))
    files = [f"{run}/{PAPER_FIGURES[name]}" for run, name in pairs]
    files += ["tracks.png"] if TRACKS in made_here(config, dataset) else []
    return paths(dataset, *(f"papers/{file}" for file in files))


def network_figures(recipe: Recipe) -> list[str]:
    """The figures that a paper has of a network: of FstCN with both paths, of a trained I3D, of a learnt ActionVLAD."""
    net, options = recipe.net, recipe.options
    if net == "fstcn" and len(options.get("paths", ("spatial", "temporal"))) == 2:
        return ["saliency", "embedding"]
    if net == "i3d" and recipe.trainable == "all":
        return ["filters"]
    learns = options.get("pooling", "vlad") == "vlad" and options.get("stage") != 1
    return (
        ["words"] if net == "action_vlad" and learns and options.get("layer") != "fc7" else []
    )  # fc7 has no positions


def first_trainings(config: Config, dataset: str) -> dict[str, tuple[int, int]]:
    """Run -> (split, seed) of its first training that the table shows, also in a fusion; imported runs have none."""
    first: dict[str, tuple[int, int]] = {}
    for shown, split, seed in table_targets.dataset_scores(config, dataset):
        for run in score_origins.fused_parts(config, dataset, shown):
            is_run = score_origins.recipe_or_none(config, dataset, run) is not None
            if is_run and not score_origins.is_imported(dataset, split, seed, run):
                first.setdefault(run, (split, seed))
    return first


def weights(config: Config, dataset: str, run: str) -> str:
    """The weights of the training that a run's figure shows."""
    return (runs.run_folder(dataset, *_split_and_seed(config, dataset, run), run) / "weights.safetensors").as_posix()


def network_inputs(config: Config, dataset: str, run: str) -> dict[str, str | list[str]]:
    """What a figure of a trained network reads: its weights, its shards and the splits of the data set."""
    splits = f"data/{dataset}/splits.parquet"
    return {"weights": weights(config, dataset, run), "shards": runs.shards(config, dataset, run), "splits": splits}


def first_weights(config: Config, dataset: str, run: str) -> list[str]:
    """The weights that this training was initialised with."""
    return [*train_inputs.initial_weights(config, dataset, *_split_and_seed(config, dataset, run), run).values()]


def init_options(config: Config, dataset: str, run: str) -> str:
    """The options of pipeline.report.papers.filters for those weights."""
    sources = train_inputs.initial_weights(config, dataset, *_split_and_seed(config, dataset, run), run)
    return shlex.join(itertools.chain.from_iterable(("--init", f"{part}={path}") for part, path in sources.items()))


def video_options(config: Config, dataset: str) -> str:
    """The options that choose the videos: equally many classes of each group of the data set, or drawn by the seed."""
    groups = list(of_dataset(config, dataset).groups.values())
    per_group = max(1, CLASSES // max(1, len(groups)))
    classes = list(dict.fromkeys(itertools.chain.from_iterable(group[:per_group] for group in groups)))[:CLASSES]
    return shlex.join(["--seed", str(config["seed"]), *(["--classes", *classes] if classes else [])])


def seed_option(config: Config) -> str:
    """The option for the seed that draws classes and videos."""
    return f"--seed {config['seed']}"


def track_options(config: Config, dataset: str) -> str:
    """The options of pipeline.report.papers.tracks: classes, split, and the parameters of the tracks."""
    triples = table_targets.dataset_scores(config, dataset)
    split = next((split for run, split, _ in triples if TRACKS in score_origins.fused_parts(config, dataset, run)), 1)
    return f"{video_options(config, dataset)} --split {split} {targets.track_options(config, dataset)}"


def _split_and_seed(config: Config, dataset: str, run: str) -> tuple[int, int]:
    settings = of_dataset(config, dataset)
    first = (settings.splits[0], settings.tables.seeds[0])
    return first_trainings(config, dataset).get(run, first)
