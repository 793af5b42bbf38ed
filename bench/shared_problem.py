"""Use one problem in two Python threads at once, and compare every bit with what each finds alone.

    python bench/shared_problem.py               some minutes
    python bench/shared_problem.py --rounds 100  fewer evaluations

Each thread evaluates a network of its own, of another width than the other's, on the same `PINN`,
and trains it. What is counted are results that differ; the script exits with 1 if there are any.
The problem keeps no state from one step to the next, and another one does: minibatches, attention
and points drawn anew, of which every training takes a copy.
"""

from __future__ import annotations

import argparse
import copy
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import kanml

TRAININGS = 20
SCHEDULE = [8, 4]
WIDTHS = (8, 3)


def stateless() -> kanml.PINN:
    rng = np.random.default_rng(0)
    inside, wall = rng.uniform(-1, 1, (4000, 2)), rng.uniform(-1, 1, (500, 2))
    there = np.stack([wall[:, 0], -wall[:, 1]], axis=1)
    return kanml.PINN(
        "tx",
        [
            kanml.Term("pde", inside, lambda u, nu: u.t + u * u.x - nu * u.xx),
            kanml.Term("ends", wall, lambda u, u_partner: u - u_partner, partner=there),
        ],
        unknowns={"nu": 0.1},
    )


def stateful() -> kanml.PINN:
    rng = np.random.default_rng(0)
    sampler = kanml.Sampler([-1, -1], [1, 1], 500, "residual", every=3)
    options = {"attention": kanml.RBA(0.1), "batch_size": 700}
    return kanml.PINN(
        "tx",
        [
            kanml.Term("pde", rng.uniform(-1, 1, (2000, 2)), lambda u: u.t - u.xx, **options),
            kanml.Term("drawn", sampler, lambda u, nu: u.x + nu * u),
        ],
        unknowns={"nu": 0.1},
    )


def network(width: int) -> kanml.Network:
    return kanml.KAN([2, width, 1], degree=4, intervals=4, activation="tanh", seed=width)


def evaluation(problem: kanml.PINN, width: int) -> bytes:
    """Return all that an evaluation finds."""
    net, unknowns = network(width), problem.unknowns
    found = problem.evaluation(net, unknowns)
    losses = [term.loss for term in found.terms.values()]
    parts = [[found.value], found.gradient, losses, problem.residuals(net, unknowns)]
    return b"".join(np.asarray(part).tobytes() for part in parts)


def training(problem: kanml.PINN, width: int) -> bytes:
    """Return what a training comes to."""
    optimizer = kanml.Adam(1e-3) if problem.state()["pde"]["attention"] else kanml.LBFGS()
    result = kanml.train(network(width), problem, SCHEDULE, optimizer, progress=False)
    found = [result.network.parameters, result.history.loss, list(result.unknowns.values())]
    return b"".join(np.asarray(part).tobytes() for part in found)


def different(
    problem: kanml.PINN, what: Callable[[kanml.PINN, int], bytes], rounds: int
) -> list[int]:
    """Return for each thread how many results are not what it finds alone."""
    alone = [what(copy.copy(problem), width) for width in WIDTHS]
    together = threading.Barrier(len(WIDTHS))

    def work(thread: int) -> int:
        together.wait()
        return sum(what(problem, WIDTHS[thread]) != alone[thread] for _ in range(rounds))

    with ThreadPoolExecutor(len(WIDTHS)) as pool:
        return list(pool.map(work, range(len(WIDTHS))))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1000, help="evaluations in each thread")
    rounds = parser.parse_args().rounds
    wrong = 0
    for name, make in (("stateless", stateless), ("stateful", stateful)):
        for what, count in ((evaluation, rounds), (training, TRAININGS)):
            found = different(make(), what, count)
            wrong += sum(found)
            print(f"{name} problem, {count} of {what.__name__} in each thread: {found} differ")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
