"""The table of networks: what a run depends on, and what a mistyped row says."""

import pytest

from pipeline.common.code_hash import reachable
from pipeline.common.errors import UserError
from pipeline.config.settings import load_yaml
from pipeline.models import builders, registry
from pipeline.workflow import stage_settings
from tests.helpers.workflow import ROOT

CONFIG = load_yaml(ROOT / "config.yaml")


@pytest.fixture
def table(monkeypatch, tmp_path):
    """nets.tsv of a test's own: write it with `table(text)`."""
    monkeypatch.setattr(registry, "TABLE", tmp_path / "nets.tsv")
    registry.entries.cache_clear()
    yield lambda text: (tmp_path / "nets.tsv").write_text("net\tmodule\tfunction\n" + text)
    registry.entries.cache_clear()


def code(run):
    return stage_settings.stage_settings(CONFIG, "train", "demo", run)["code"]


def test_a_run_depends_on_its_own_networks_module_and_on_no_other():
    own = reachable("pipeline.train.fit", registry.module_of("cnn_m_2048"))
    assert "pipeline.models.cnn_m" in own
    others = {net.module for net in registry.entries().values()} - {"pipeline.models.cnn_m"}
    assert own & others == set()
    assert code("two_stream.spatial") != code("i3d.c3d")
    assert code("two_stream.spatial") == code("two_stream.temporal")


def test_a_new_network_does_not_rerun_the_training_of_others(table):
    rows = "cnn_m_2048\tpipeline.models.cnn_m\tbuild\n"
    table(rows)
    before = code("two_stream.spatial")
    registry.entries.cache_clear()
    table(rows + "mine\tpipeline.models.mine\tbuild\n")
    assert "mine" in registry.entries()
    assert code("two_stream.spatial") == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tpipeline.models.vgg\n", "line 2: 'a' lacks its module or function"),
        ("a\tpipeline.models.vgg\tbuild\n" * 2, "line 3: 'a' is listed before"),
        ("b\tpipeline.models.vgg\tbuild\n", "there is no network 'a': choose one of b, or add it to"),
        ("a\tpipeline.models.vgg\tbild\n", "nets.tsv says that pipeline.models.vgg.bild builds a, but"),
        ("a\tpipeline.models.vgf\tbuild\n", "No module named 'pipeline.models.vgf': correct its row"),
    ],
)
def test_a_wrong_row_is_refused_in_one_sentence(table, text, words):
    table(text)
    with pytest.raises(UserError, match=words) as raised:
        builders.build("a", num_classes=2)
    assert "\n" not in str(raised.value)
