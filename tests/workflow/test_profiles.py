"""The profiles: of rules that there are, with GPUs for those that want one, and retries in one place."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROFILES = {path.parent.name: yaml.safe_load(path.read_text()) for path in ROOT.glob("profiles/*/config.yaml")}
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
BODIES = dict(re.findall(r"^rule (\w+):\n((?:(?: .*)?\n)+)", RULES, re.M))
CLUSTERS = sorted(set(PROFILES) - {"default"})
GPU_PLACE = {"slurm": ("slurm_partition", "'gpu'"), "cluster-generic": ("queue", "'gpu'"),
             "kubernetes": ("gpu_manufacturer", "'nvidia'")}  # fmt: skip


def test_there_is_a_profile_for_a_workstation_and_three_for_clusters():
    assert set(PROFILES) == {"default", "slurm", "kubernetes", "cluster-generic"}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_profile_names_rules_that_there_are(name):
    assert set(PROFILES[name]["set-resources"]) <= set(BODIES)


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_rule_that_wants_a_gpu_is_sent_where_there_are_some(name):
    wants = {rule for rule, body in BODIES.items() if re.search(r"^ +gpu=", body, re.M)}
    key, value = GPU_PLACE[name]
    settings = PROFILES[name]["set-resources"]
    assert wants
    assert {rule: settings.get(rule, {}).get(key) for rule in wants} == dict.fromkeys(wants, value)


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_job_is_retried_with_more_memory_and_by_the_profile_alone(name):
    asked = [PROFILES[name]["default-resources"], *PROFILES[name]["set-resources"].values()]
    assert PROFILES[name]["retries"] > 0
    assert all("* attempt" in str(each["mem_mb"]) for each in asked if "mem_mb" in each)
    assert not re.search(r"^ +retries:", RULES, re.M)


def test_every_gpu_rule_goes_through_the_slot_picker():
    for rule, body in BODIES.items():
        assert ("pipeline.gpuslots run --gpus {resources.gpu}" in body) == bool(re.search(r"^ +gpu=", body, re.M)), rule
