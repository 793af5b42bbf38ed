"""Measure what points and weights are worth in the settings of `python -m kanml solve`.

    python bench/pde_choices.py                      some 15 minutes for each start
    python bench/pde_choices.py --only poisson-interface

burgers-shock, whose one term has 6000 points, half of them where the layer forms:

- "spread evenly": no point knows of the layer.
- "where the residual is": drawn anew every 1000 steps, with a density that grows with the residual.
- "with attention": the points of `solve`, where the residual stays large with larger weights.

poisson-interface, which has two terms, the equation and the interface:

- "equal": both weigh what the equation does in `solve`.
- "gradients alike, at the start" and "... after a level": the interface weighs as much as makes
  the gradients of both terms equally large, at the network that training starts from, or at that
  which the first level of `solve` ends with. Training then starts again.

Errors are those of `solve`, seconds those of the processor with one thread. Results are kept in a
folder, in a file of this revision of the code.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from store import Store

import kanml
from kanml.experiments.settings import OPTIMIZER, SETTINGS, Setting, lattice
from kanml.experiments.tables import heading

SHOCK, INTERFACE = SETTINGS["burgers-shock"], SETTINGS["poisson-interface"]
POINTS = len(SHOCK.problem().terms[0].points)
LINE = "{:20s}{:34s}{:>6d}{:>12.1e}{:>9.0f}"


class Job(NamedTuple):
    """A run."""

    problem: str
    way: str
    seed: int


# Points


def with_points(**changes: object) -> kanml.PINN:
    """Return the loss of `solve` with a changed term."""
    problem = SHOCK.problem()
    (term,) = problem.terms
    return with_terms(problem, replace(term, **changes))


def spread_evenly(seed: int) -> kanml.PINN:
    return with_points(points=lattice(SHOCK.equation.domain, POINTS))


def where_the_residual_is(seed: int) -> kanml.PINN:
    lower, upper = np.array(SHOCK.equation.domain).T
    return with_points(
        points=kanml.Sampler(lower, upper, POINTS, "residual", every=1000, seed=seed)
    )


# Weights


def with_weight(ratio: float) -> kanml.PINN:
    """Return the loss of `solve` in which the interface has this multiple of the other weight."""
    problem = INTERFACE.problem()
    volume, interface = problem.terms
    return with_terms(problem, volume, replace(interface, weight=ratio * volume.weight))


def gradients_alike(net: kanml.Network) -> kanml.PINN:
    """Return the loss whose terms have gradients of the same size at a network."""
    equal = with_weight(1.0)
    volume, interface = (
        np.linalg.norm(with_terms(equal, term).evaluation(net).gradient) for term in equal.terms
    )
    return with_weight(float(volume / interface))


def after_a_level(seed: int) -> kanml.PINN:
    first = kanml.train(
        INTERFACE.network(seed),
        INTERFACE.problem(),
        INTERFACE.schedule[:1],
        OPTIMIZER,
        restarts=INTERFACE.restarts,
        progress=False,
    )
    return gradients_alike(first.network)


WAYS: Mapping[str, Mapping[str, Callable[[int], kanml.PINN]]] = {
    "burgers-shock": {
        "as in solve": lambda seed: SHOCK.problem(),
        "spread evenly": spread_evenly,
        "where the residual is": where_the_residual_is,
        "with attention": lambda seed: with_points(attention=kanml.RBA(mu=1e-3)),
    },
    "poisson-interface": {
        "as in solve": lambda seed: INTERFACE.problem(),
        "equal": lambda seed: with_weight(1.0),
        "gradients alike, at the start": lambda seed: gradients_alike(INTERFACE.network(seed)),
        "gradients alike, after a level": after_a_level,
    },
}


def with_terms(problem: kanml.PINN, *terms: kanml.Term) -> kanml.PINN:
    """Return a loss with other terms."""
    return kanml.PINN(problem.inputs, terms, transform=problem.transform)


def measured(job: Job) -> tuple[Job, list[float]]:
    """Return the job with its error and seconds."""
    setting: Setting = SETTINGS[job.problem]
    kanml.set_num_threads(1)
    begin = time.process_time()
    problem = WAYS[job.problem][job.way](job.seed)
    result = kanml.train(
        setting.network(job.seed),
        problem,
        setting.schedule,
        OPTIMIZER,
        restarts=setting.restarts,
        progress=False,
    )
    seconds = time.process_time() - begin
    return job, [setting.error(setting.problem(), result.network), seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=WAYS, default=[*WAYS], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--folder", type=Path, default=Path("pde-study"), metavar="DIR")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="default: 1")
    given = parser.parse_args()
    wanted = [
        Job(name, way, seed)
        for seed in range(given.seeds)
        for name in given.only
        for way in WAYS[name]
    ]
    store = Store(given.folder, Job, "bench/pde_choices.py")
    store.complete(wanted, measured, given.processes)
    print(heading(LINE, ("problem", "", "starts", "error", "seconds")))
    for name in given.only:
        for way in WAYS[name]:
            found = [store.results[Job(name, way, seed)] for seed in range(given.seeds)]
            errors, seconds = zip(*found, strict=True)
            error = math.exp(np.mean(np.log(errors)))
            print(LINE.format(name, way, given.seeds, error, np.mean(seconds)))


if __name__ == "__main__":
    main()
