"""The checked config, and functions that adapt those of pipeline.workflow to the rules."""

import shlex
import sys
from inspect import signature

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(workflow.basedir))

# Jobs run `python -m pipeline.<stage>` in the working directory, which --directory may put on another disk; their logs
# begin with the commit, the versions and the GPU of the job.
ROOT = shlex.quote(str(workflow.basedir))
shell.prefix(f"set -euo pipefail; export PYTHONPATH={ROOT} ACTIONBENCH_RECORDED=1; ")

from pipeline.workflow.checks import check
from pipeline.common.errors import UserError
from pipeline.workflow import (
    figure_targets,
    runs,
    score_origins,
    stage_settings,
    table_targets,
    targets,
    train_inputs,
)

try:
    check(config)
    RUNS, FUSIONS = runs.run_names(config), runs.fusion_names(config)
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
    part="test|train",


def from_config(function, **fixed):
    """A function of pipeline.workflow as an input, params or threads function; wildcards are passed by their names."""
    parameters = set(signature(function).parameters) - {"config", *fixed}
    return lambda wildcards: function(
        config, **{name: wildcards[name] for name in parameters & set(wildcards.keys())}, **fixed
    )


def untracked(function, **fixed):
    """`from_config` for params that do not change a result, such as the folder of the clips: they never re-run a job.

    Snakemake does not record params functions that have the parameter `threads`.
    """
    params = from_config(function, **fixed)
    return lambda wildcards, threads: params(wildcards)


def stage_params(stage, **fixed):
    """The settings that decide a job's result and the hash of its code, in one dict."""
    return from_config(stage_settings.stage_settings, stage=stage, **fixed)


def slice_output(path):
    """A slice's file, which is deleted after packing unless keep_slices is set."""
    return path if config["keep_slices"] else temp(path)


PAPERS = "4 The papers' own figures"  # a category of the report


def figure(path, caption, category, label, subcategory="{dataset}"):
    """A figure or page of a data set as part of Snakemake's report; those of a run are grouped under the run."""
    if "{run}" in path:
        subcategory = from_config(figure_targets.heading)
    path = f"results/figures/{{dataset}}/{path}"
    return report(path, f"report/{caption}", category=category, subcategory=subcategory, labels={"figure": label})
