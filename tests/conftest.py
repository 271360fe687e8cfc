"""What tests ask for by name."""

import pytest


@pytest.fixture
def one_thread():
    """Torch on one thread, since the small networks' threads would only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
