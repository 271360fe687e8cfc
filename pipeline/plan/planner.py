"""The time of a job: as long as equal jobs took here, or else as long as its rule's estimate says."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pipeline.config.recipe import Recipe
from pipeline.config.settings import DatasetSettings, of_dataset
from pipeline.jobs.dry_run import Job
from pipeline.plan import network_costs, rates
from pipeline.plan.dataset_size import DatasetSize, dataset_size
from pipeline.plan.history import History
from pipeline.plan.intervals import ZERO, Interval
from pipeline.plan.machines import Machine
from pipeline.plan.network_costs import NetworkCost
from pipeline.workflow import runs

# The basis of a time, which the table shows in its last column.
MEASURED = "measured here"
ESTIMATED = "estimated"
GPU_ESTIMATED = "estimated, not measured"
UNKNOWN = "not measured"
IMPORT_TORCH = ("train", "kmeans", "score", "architectures")  # rules whose commands import torch


class JobTime(NamedTuple):
    """Seconds of a job: wall time, core time, GPU time.

    `unknown` names a part that none of them contains, with {} in place of its `amount`.
    """

    wall: Interval
    core: Interval
    gpu: Interval
    basis: str
    unknown: str = ""
    amount: Interval = ZERO


class Planner:
    """The data that every estimate needs; settings, sizes of data sets and costs of networks are computed once."""

    def __init__(
        self, config: Mapping[str, Any], machine: Machine, history: History, estimates: Mapping[str, "Estimate"]
    ) -> None:
        self.config, self.machine, self.history, self.estimates = config, machine, history, estimates
        self._settings = functools.cache(lambda name: of_dataset(config, name))
        self.dataset_size: Callable[[str], DatasetSize] = functools.cache(lambda name: dataset_size(config, name))
        self._cost_table = functools.cache(network_costs.table)
        self._counted: dict[str, NetworkCost] = {}

    def time(self, job: Job) -> JobTime:
        """The time of one job."""
        family = self.estimates.get(job.rule.partition("_")[0], unknown_rule)  # one estimate for all figure_... rules
        return self._measured(job) or self.estimates.get(job.rule, family)(self, job)

    def dataset(self, job: Job) -> DatasetSize:
        """The size of the job's data set."""
        return self.dataset_size(job.wildcards["dataset"])

    def demo_dataset(self, job: Job) -> DatasetSize:
        """The size of the data set whose archives the job draws; its rule has the data set's name."""
        return self.dataset_size(job.rule.removesuffix("_archives"))

    def settings(self, job: Job) -> DatasetSettings:
        """The settings of the job's data set."""
        return self._settings(job.wildcards["dataset"])

    def num_scored(self, job: Job) -> float:
        """The number of videos that a scoring job scores, by its split and its part."""
        dataset = self.dataset(job)
        if job.wildcards["part"] == "train":
            return dataset.train
        if self.settings(job).layout == "kinetics" and job.wildcards["split"] == "2":
            return dataset.videos - dataset.train - dataset.test  # the second split tests on what the first leaves out
        return dataset.test

    def on_gpu(self, job: Job) -> bool:
        """Whether the job requests a GPU and the machine has one."""
        return bool(job.gpus and self.machine.gpus)

    def recipe(self, job: Job) -> Recipe:
        """The recipe of a training or scoring job."""
        return runs.recipe(self.config, job.wildcards["dataset"], job.wildcards["run"])

    def network(self, recipe: Recipe) -> NetworkCost:
        """The cost of a recipe's network, from the table or counted now."""
        key = network_costs.cost_key(recipe)
        if key not in self._cost_table() and key not in self._counted:
            self._counted[key] = network_costs.count(recipe)
        return self._cost_table().get(key) or self._counted[key]

    def cpu_time(self, job: Job, core: Interval, basis: str, unknown: str = "", amount: Interval = ZERO) -> JobTime:
        """The time of a job without GPU: the start of its command, and `core` seconds divided among its threads."""
        start = rates.rate("start_torch" if job.rule in IMPORT_TORCH else "start").value
        return JobTime(start.plus(core.over(self.threads(job))), start.plus(core), ZERO, basis, unknown, amount)

    def threads(self, job: Job) -> int:
        """The threads of a job, at most the machine's cores."""
        return min(job.threads, self.machine.cores)

    def _measured(self, job: Job) -> JobTime | None:
        """The time that equal jobs took here; None if there are none, or if the plan is for another machine's GPUs."""
        measured = self.history.time(job)
        if measured is None or (job.gpus and not self.machine.is_local):
            return None
        core = measured.core if self.machine.is_local else measured.core.times(rates.MACHINE_FACTOR)
        wall = measured.wall if self.machine.is_local else core.over(self.threads(job))
        gpu = wall.times(job.gpus) if self.on_gpu(job) else ZERO
        return JobTime(wall, core, gpu, f"{MEASURED} ({measured.jobs} job{'s' * (measured.jobs > 1)})")


Estimate = Callable[[Planner, Job], JobTime]


def unknown_rule(planner: Planner, job: Job) -> JobTime:
    """The time of a rule without an estimate: its start, and the rest unknown."""
    return planner.cpu_time(job, ZERO, UNKNOWN, f"the cost of {job.rule} after its start")
