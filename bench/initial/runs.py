"""One run of the study."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import kanml
from initial.candidates import CANDIDATES
from initial.functions import CASES, FUNCTIONS, Case
from kanml.experiments.settings import OPTIMIZER, SETTINGS

Array = npt.NDArray[np.float64]

POINTS = 3000
INTERVALS = 4
SCHEDULE = (200, 200, 200)
EQUATION_CANDIDATES = ("linear", "mixed", "default")  # what `Network` can start as
EQUATION_SEEDS = 3
NAMES = {str(case): case for case in CASES}


class Job(NamedTuple):
    """A case or an equation by name, a candidate, a seed."""

    what: str
    candidate: str
    seed: int


def jobs(seeds: int) -> list[Job]:
    """Return all runs of the study, seed by seed."""
    functions = [
        Job(case, candidate, seed)
        for seed in range(seeds)
        for case in NAMES
        for candidate in CANDIDATES
    ]
    equations = [
        Job(equation, candidate, seed)
        for seed in range(min(seeds, EQUATION_SEEDS))
        for equation in SETTINGS
        for candidate in EQUATION_CANDIDATES
    ]
    return functions + equations


def error(job: Job) -> float:
    """Train, and return the relative error on fresh points, in the root of the mean square."""
    kanml.set_num_threads(1)  # of this process, one of several
    if job.what in SETTINGS:
        return equation_error(job)
    return function_error(NAMES[job.what], job)


def function_error(case: Case, job: Job) -> float:
    x, y, x_test, y_test = data(case.name, job.seed)
    candidate = CANDIDATES[job.candidate]
    result = kanml.train(
        candidate.network(case.widths, case.degree, INTERVALS, x, job.seed),
        kanml.Regression(x, y),
        [candidate.work * steps for steps in SCHEDULE],
        restarts=candidate.restarts,
        progress=False,
    )
    residual = result.network(x_test) - y_test
    return float(np.sqrt(np.mean(residual**2) / np.mean(y_test**2)))


def data(name: str, seed: int) -> tuple[Array, Array, Array, Array]:
    """Return training and test points, with values of mean 0 and variance 1."""
    function = FUNCTIONS[name]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    x, x_test = rng.uniform(-1, 1, (2, POINTS, function.d))
    y, y_test = (function.value(*points.T)[:, None] for points in (x, x_test))
    mean, scale = y.mean(), y.std()
    return x, (y - mean) / scale, x_test, (y_test - mean) / scale


def equation_error(job: Job) -> float:
    setting, candidate = SETTINGS[job.what], CANDIDATES[job.candidate]
    start = "linear" if job.candidate == "linear" else "mixed"
    problem = setting.problem()
    result = kanml.train(
        kanml.Network(setting.network(0).layers, seed=job.seed, start=start),
        problem,
        setting.schedule,
        OPTIMIZER,
        restarts=candidate.restarts,
        progress=False,
    )
    return setting.error(problem, result.network)
