"""What tests ask for by name."""

import pytest

from tests.helpers.workflow import snakemake


@pytest.fixture
def one_thread():
    """Torch on one thread, since the small networks' threads would only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The demo, from nothing to its table, as `make demo` makes it."""
    folder = tmp_path_factory.mktemp("demo")
    run = snakemake(folder, "results/tables/demo.csv")
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture
def there(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
