"""How long a job takes: as its kind took here, else as its rule's estimate says."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pipeline.config.recipes import Recipe
from pipeline.config.settings import of_dataset
from pipeline.jobs.dry_run import Job
from pipeline.plan import facts, network_costs, rates
from pipeline.plan.evidence import Evidence
from pipeline.plan.facts import Facts
from pipeline.plan.machines import Machine
from pipeline.plan.spans import NOTHING, Span
from pipeline.workflow import runs

RECKONED = "reckoned"
HERE = "measured here"
ON_GPU = "reckoned, not measured"
OPEN = "not measured"  # the basis of what has no figure
WITH_TORCH = ("train", "kmeans", "score", "architectures")  # rules whose commands import it


class Time(NamedTuple):
    """Seconds of a job: on the wall, of cores, of GPUs. `unknown` is what is in none of them, with {} for `amount`."""

    wall: Span
    core: Span
    gpu: Span
    basis: str
    unknown: str = ""
    amount: Span = NOTHING


class Planner:
    """What every estimate needs. `settings`, `facts` and `network` are looked up once."""

    def __init__(
        self, config: Mapping[str, Any], machine: Machine, evidence: Evidence, estimates: Mapping[str, "Estimate"]
    ) -> None:
        self.config, self.machine, self.evidence, self.estimates = config, machine, evidence, estimates
        self.settings = functools.cache(lambda dataset: of_dataset(config, dataset))
        self.facts: Callable[[str], Facts] = functools.cache(lambda dataset: facts.facts(config, dataset))
        self.known = functools.cache(network_costs.table)
        self.counted: dict[str, network_costs.Network] = {}

    def time(self, job: Job) -> Time:
        """One job's."""
        alike = self.estimates.get(job.rule.partition("_")[0], unknown)  # figure_... are many
        return self._as_before(job) or self.estimates.get(job.rule, alike)(self, job)

    def scored(self, job: Job) -> float:
        """Videos of a scoring job's split and subset. Kinetics' second split tests on what the first leaves out."""
        dataset = self.facts(job.wildcards["dataset"])
        if job.wildcards["subset"] == "train":
            return dataset.train
        other = self.settings(job.wildcards["dataset"])["layout"] == "kinetics" and job.wildcards["split"] == "2"
        return dataset.videos - dataset.train - dataset.test if other else dataset.test

    def on_gpu(self, job: Job) -> bool:
        """Whether a job takes a GPU: it asks for one and there is one."""
        return bool(job.gpus and self.machine.gpus)

    def recipe(self, job: Job) -> Recipe:
        return runs.recipe(self.config, job.wildcards["dataset"], job.wildcards["run"])

    def network(self, recipe: Recipe) -> network_costs.Network:
        """A recipe's counts, from the table or counted now."""
        key = network_costs.key(recipe)
        if key not in self.known() and key not in self.counted:
            self.counted[key] = network_costs.counted(recipe)
        return self.known().get(key) or self.counted[key]

    def work(self, job: Job, core: Span, basis: str, more: str = "", amount: Span = NOTHING) -> Time:
        """A job on cores alone: its start, and `core` seconds spread over its threads."""
        start = rates.rate("start_torch" if job.rule in WITH_TORCH else "start").value
        return Time(start.plus(core.over(self.threads(job))), start.plus(core), NOTHING, basis, more, amount)

    def threads(self, job: Job) -> int:
        return min(job.threads, self.machine.cores)

    def _as_before(self, job: Job) -> Time | None:
        """What jobs of the kind took here, unless they would take another machine's GPUs."""
        taken = self.evidence.taken(job)
        if taken is None or (job.gpus and not self.machine.own):
            return None
        core = taken.core if self.machine.own else taken.core.times(rates.DRIFT)
        wall = taken.wall if self.machine.own else core.over(self.threads(job))
        gpu = wall.times(job.gpus) if self.on_gpu(job) else NOTHING
        return Time(wall, core, gpu, f"{HERE} ({taken.jobs} job{'s' * (taken.jobs > 1)})")


Estimate = Callable[[Planner, Job], Time]


def unknown(p: Planner, job: Job) -> Time:
    """A rule that nothing is known of."""
    return p.work(job, NOTHING, OPEN, f"what {job.rule} costs beside its start")
