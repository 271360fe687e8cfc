"""The profiles name existing rules, give GPU jobs a GPU, and are the only place that sets retries."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROFILES = {path.parent.name: yaml.safe_load(path.read_text()) for path in ROOT.glob("profiles/*/config.yaml")}
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
BODIES = dict(re.findall(r"^rule (\w+):\n((?:(?: .*)?\n)+)", RULES, re.M))
CLUSTERS = sorted(set(PROFILES) - {"default"})
GPU_SETTING = {"slurm": ("slurm_partition", "'gpu'"), "cluster-generic": ("queue", "'gpu'"),
             "kubernetes": ("gpu_manufacturer", "'nvidia'")}  # fmt: skip


def test_there_is_a_profile_for_a_workstation_and_three_for_clusters():
    assert set(PROFILES) == {"default", "slurm", "kubernetes", "cluster-generic"}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_profile_names_existing_rules(name):
    assert set(PROFILES[name]["set-resources"]) <= set(BODIES)


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_gpu_rule_is_sent_to_gpu_nodes(name):
    gpu_rules = {rule for rule, body in BODIES.items() if re.search(r"^ +gpu=", body, re.M)}
    key, value = GPU_SETTING[name]
    settings = PROFILES[name]["set-resources"]
    assert gpu_rules
    assert {rule: settings.get(rule, {}).get(key) for rule in gpu_rules} == dict.fromkeys(gpu_rules, value)


@pytest.mark.parametrize("name", CLUSTERS)
def test_only_profiles_set_retries_and_each_retry_has_more_memory(name):
    resources = [PROFILES[name]["default-resources"], *PROFILES[name]["set-resources"].values()]
    assert PROFILES[name]["retries"] > 0
    assert all("* attempt" in str(values["mem_mb"]) for values in resources if "mem_mb" in values)
    assert not re.search(r"^ +retries:", RULES, re.M)


def test_every_gpu_rule_reserves_its_gpus_with_gpuslots():
    for rule, body in BODIES.items():
        assert ("pipeline.gpuslots run --gpus {resources.gpu}" in body) == bool(re.search(r"^ +gpu=", body, re.M)), rule
