"""Compare ways to begin the slabs of an evolution, on the steep waves of Korteweg and de Vries.

    python bench/slabs.py               about ten minutes of processor time
    python bench/slabs.py --slabs 6     up to t = 1, as in `python -m kanml solve`: twenty minutes

The error is that at the points of `solve` from t = 0 up to the end of each slab.

- "as in solve": the solution u0 at the start of a slab fades, and the network is a new one, trained
  coarse to fine.
- "begun with the last": the network begins as that of the slab before, with its interval of time
  moved, and takes all its steps on the finest grid.
- "u0 kept": u0 fades within a time of 1 instead of 0.05, so it is there all through the slab.
- "one network": no slabs, early times weighted more, up to t = 1 in any case.

Seconds are those of the processor since the start, with one thread.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

import kanml
from kanml._validation import Float64Array, FloatArray
from kanml.experiments.settings import OPTIMIZER, Setting, difference, korteweg_de_vries
from kanml.experiments.slabs import EVOLUTIONS, Evolution
from kanml.experiments.tables import heading

STEEP = EVOLUTIONS["korteweg-de-vries-steep"]
LINE = "{:22s}{:>9.2f}{:>12.1e}{:>9.0f}"
Solution = Callable[[Float64Array], FloatArray]


def slabs(
    evolution: Evolution, seed: int, keep_network: bool = False
) -> Iterator[tuple[float, float]]:
    """Solve slab after slab, and return the end of each and the error up to there."""
    squares = norm = 0.0
    solution, last = None, None
    for number, (start, end) in enumerate(itertools.pairwise(evolution.times)):
        setting = evolution.slab(number, solution)
        net, schedule = setting.network(seed), setting.schedule
        if keep_network and last is not None:
            net = net.refine(2 ** (len(schedule) - 1)).with_parameters(last.parameters)
            schedule = (sum(schedule),)
        solution, last = trained(setting, net, schedule)
        error, exact = difference(evolution.equation, solution, (start, end))
        squares, norm = squares + np.sum(error**2), norm + np.sum(exact**2)
        yield end, math.sqrt(squares / norm)


def one_network(times: Sequence[float], seed: int) -> Iterator[tuple[float, float]]:
    """Solve all times at once, and return the errors up to the ends of slabs."""
    setting = korteweg_de_vries(STEEP.equation)
    solution, _ = trained(setting, setting.network(seed), setting.schedule)
    for end in times[1:]:
        error, exact = difference(STEEP.equation, solution, (0.0, end))
        yield end, float(np.linalg.norm(error) / np.linalg.norm(exact))


def trained(
    setting: Setting, net: kanml.Network, schedule: Sequence[int]
) -> tuple[Solution, kanml.Network]:
    """Return the solution of a setting, and its network."""
    problem = setting.problem()
    result = kanml.train(
        net,
        problem,
        schedule,
        OPTIMIZER,
        restarts=setting.restarts if net.fresh else 0,
        progress=False,
        num_threads=1,
    )
    return partial(setting.solution, problem, result.network), result.network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slabs", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    given = parser.parse_args()
    if not 1 <= given.slabs < len(STEEP.times):
        parser.error(f"--slabs must be from 1 to {len(STEEP.times) - 1}, got {given.slabs}")
    evolution = replace(STEEP, times=STEEP.times[: given.slabs + 1])
    ways = {
        "as in solve": lambda: slabs(evolution, given.seed),
        "begun with the last": lambda: slabs(evolution, given.seed, keep_network=True),
        "u0 kept": lambda: slabs(replace(evolution, handover=1.0), given.seed),
        "one network": lambda: one_network(evolution.times, given.seed),
    }
    print(heading(LINE, ["", "up to t", "error", "seconds"]))
    for name, way in ways.items():
        start = time.process_time()
        for end, error in way():
            print(LINE.format(name, end, error, time.process_time() - start), flush=True)


if __name__ == "__main__":
    main()
