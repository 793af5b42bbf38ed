"""How calls are timed in turn, and how far times are spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

Key = TypeVar("Key")

PAUSE = 0.05  # seconds
WARM_UP = 0.01
SLOW = 0.5


def in_turn(calls: Mapping[Key, Callable[[], object]], rounds: int) -> dict[Key, np.ndarray]:
    """Seconds of each call, all called once in each round.

    The threads of a library wait actively after a call, OpenMP's for about a millisecond and those
    of XLA for tens after a long one, and would take a processor from the next library. So every
    call is preceded by a pause in which they fall asleep, and by untimed calls that wake the
    library's own threads and fill its caches. That is the state of a training loop: torch's Linear
    takes the same time so as when it runs alone, and twice as long without. OMP_WAIT_POLICY is left
    as it is: with passive waiting the Linear would take 1.4 times as long.
    """
    seconds = {key: timed(call) for key, call in calls.items()}
    times: dict[Key, list[float]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            time.sleep(PAUSE)
            if seconds[key] < SLOW:
                warm_up(call)
            seconds[key] = timed(call)
            times[key].append(seconds[key])
    return {key: np.array(values) for key, values in times.items()}


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def warm_up(call: Callable[[], object]) -> None:
    start = time.perf_counter()
    while time.perf_counter() < start + WARM_UP:
        call()


def spread(times: np.ndarray) -> float:
    """The distance of the quartiles, relative to the median."""
    lower, upper = np.percentile(times, [25, 75])
    return float((upper - lower) / np.median(times))
