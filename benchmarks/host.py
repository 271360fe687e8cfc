"""The machine that a benchmark runs on, as its results tell it."""

import os
import time
from typing import Any

import torch

from benchmarks import tvl1


def facts() -> dict[str, Any]:
    """Processor, cores, how busy others kept it, torch, the day."""
    return {
        "processor": tvl1.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
