"""Time a step of training by several processes of one thread against one by a single such process.

    mpiexec -n 2 python bench/mpi.py                  some minutes, on a quiet machine
    mpiexec -n 2 python bench/mpi.py --points 10000   fewer points

A step is one of Adam: an evaluation of the loss with its gradient, and what processes exchange.
The first process alone and all of them together take steps in turn, with the same points; those
that wait sleep. "ratio" is the time of the first alone over that of all, of the medians, and
"spread" the distance of the quartiles relative to the median. Losses of both are compared: a
difference makes the exit status 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from timing import spread

import kanml
from kanml.parallel import ALONE, Communicator

STEPS = 3  # in a turn


def regression(share: Callable[..., np.ndarray], points: int) -> kanml.Regression:
    x = np.random.default_rng(0).uniform(-1, 1, (points, 2))
    return kanml.Regression(*share(x, np.exp(np.sin(np.pi * x[:, :1]) + x[:, 1:] ** 2)))


def burgers(share: Callable[..., np.ndarray], points: int) -> kanml.PINN:
    inside = np.random.default_rng(0).uniform([0, -1], [1, 1], (points, 2))
    return kanml.PINN(
        "tx",
        [kanml.Term("pde", share(inside), lambda u: u.t + u * u.x - 0.01 * u.xx)],
        transform=lambda u, t, x: -np.sin(np.pi * x) + t * (1 - x**2) * u,
    )


CASES = {"regression": regression, "Burgers' equation": burgers}


def seconds(
    net: kanml.Network, problem: kanml.Problem, communicator: Communicator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds of each step of a short training, and its losses."""
    result = kanml.train(
        net,
        problem,
        [STEPS],
        kanml.Adam(1e-3),
        restarts=0,
        progress=False,
        communicator=communicator,
        num_threads=1,
    )
    return np.diff(result.history.seconds), result.history.loss


def measure(name: str, processes: kanml.MPI, points: int, rounds: int) -> bool:
    """Print a row, and return whether losses agree."""
    net = kanml.KAN([2, 5, 1], degree=3, intervals=10, seed=0)
    together = CASES[name](processes.share, points)
    first = processes.rank == 0
    alone = CASES[name](ALONE.share, points) if first else None
    times: dict[str, list[np.ndarray]] = {"alone": [], "together": []}
    agree = True
    for _ in range(rounds):
        if first:
            own, expected = seconds(net, alone, None)
            times["alone"].append(own)
        processes.total([0.0])  # the others wait here
        shared, losses = seconds(net, together, processes)
        times["together"].append(shared)
        agree = agree and (not first or np.allclose(losses, expected, rtol=1e-10, atol=0))
    if first:
        one, several = (np.concatenate(times[kind]) for kind in ("alone", "together"))
        ratio = np.median(one) / np.median(several)
        print(
            f"{name:18} {1e3 * np.median(one):9.1f} {spread(one):7.2f} "
            f"{1e3 * np.median(several):9.1f} {spread(several):7.2f} {ratio:6.2f}"
            + ("" if agree else "  WRONG"),
            flush=True,
        )
    return bool(agree)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    processes = kanml.MPI()
    if processes.rank == 0:
        print(f"{options.points} points, {processes.size} processes of one thread")
        heads = f"{'alone':>9} {'spread':>7} {'together':>9} {'spread':>7} {'ratio':>6}"
        print(f"{'a step, ms':18} {heads}")
    agree = [measure(name, processes, options.points, options.rounds) for name in CASES]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
