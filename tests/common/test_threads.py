"""The ordered parallel map."""

import time

from pipeline.common.threads import ordered_map


def test_results_keep_the_order_of_the_items():
    def double(n):
        time.sleep(0.01 if n % 2 else 0)  # even items finish first
        return n * 2

    assert list(ordered_map(double, iter(range(20)), threads=4)) == [(n, n * 2) for n in range(20)]


def test_the_number_of_pending_results_is_bounded():
    started = []
    results = ordered_map(started.append, range(100), threads=2)
    next(results)
    assert len(started) <= 2 * 2 + 1
