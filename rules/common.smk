"""The checked config, and pipeline.workflow.targets' functions in the form that rules ask for."""

import shlex
import sys
from inspect import signature

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(workflow.basedir))

# Jobs run `python -m pipeline.<stage>` in the working directory, which --directory may put on another disk; their logs
# begin with the commit, versions and GPU that they run with.
ROOT = shlex.quote(str(workflow.basedir))
shell.prefix(f"set -euo pipefail; export PYTHONPATH={ROOT} ACTIONBENCH_RECORDED=1; ")

from pipeline.workflow.checks import check
from pipeline.common.errors import UserError
from pipeline.workflow import figure_targets, runs, score_origins, table_targets, targets

try:
    check(config)
    RUNS, FUSIONS = runs.names(config, "runs"), runs.names(config, "fusions")
    RELEASES = runs.releases(config)
except UserError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    slice=r"\d{4}",
    split=r"\d+",
    seed=r"\d+",
    modality=targets.modality_names(),
    run=r"\w+\.\w+",
    subset="test|train",


def ask(function, **fixed):
    """A function of pipeline.workflow.targets or runs as an input, params or threads function: it takes the wildcards by their names."""
    takes = set(signature(function).parameters) - {"config", *fixed}
    return lambda wildcards: function(
        config, **{name: wildcards[name] for name in takes & set(wildcards.keys())}, **fixed
    )


def untracked(function, **fixed):
    """The same for params that change no byte of a result, such as where clips lie: a job does not run again for them.

    Snakemake keeps no record of params that ask for `threads`.
    """
    value = ask(function, **fixed)
    return lambda wildcards, threads: value(wildcards)


def stage_params(stage, **fixed):
    """One dict: the settings that decide a job's result and the hash of its code."""
    return ask(targets.stage_settings, stage=stage, **fixed)


def slice_output(path):
    """A slice's file, deleted after packing unless config.yaml keeps slices."""
    return path if config["keep_slices"] else temp(path)


PAPERS = "4 The papers' own figures"  # a category of the report


def figure(path, caption, category, label, subcategory="{dataset}"):
    """A figure or page of a data set as part of Snakemake's report; those of a run are grouped under the run."""
    if "{run}" in path:
        subcategory = ask(figure_targets.heading)
    path = f"results/figures/{{dataset}}/{path}"
    return report(path, f"report/{caption}", category=category, subcategory=subcategory, labels={"figure": label})
