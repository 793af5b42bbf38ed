"""Trainings that several processes share: `mpiexec -n 3 python mpi_cases.py FOLDER` runs them all.

Each process writes what it found to a file. The same functions run in threads, and alone.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import kanml
from kanml.parallel import ALONE, ProcessError

RNG = np.random.default_rng(3)
X = RNG.uniform(-1, 1, (240, 2))
Y = np.sin(3 * X[:, :1]) * X[:, 1:] + RNG.normal(0, 0.01, (240, 1))
POINTS = RNG.uniform([0, -1], [1, 1], (24, 2))
START = np.stack([np.zeros(8), np.linspace(-1, 1, 8)], axis=1)
HELD_OUT = RNG.uniform(-1, 1, (16, 2))
NET = kanml.KAN([2, 3, 1], degree=3, intervals=3, seed=0)
FULL = ("lbfgs", "tries", "triangle", "matrix-free", "projection", "broyden", "auto", "early")


def fit(communicator, net=NET, **options):
    problem = kanml.Regression(*shared(communicator, X, Y), **options.pop("data", {}))
    given = {"schedule": [6, 2], "restarts": 0, "progress": False, **options}
    return found(kanml.train(net, problem, communicator=communicator, **given))


def solve(communicator, steps=9, **options):
    """Burgers' equation with attention, points that are drawn anew, and minibatches."""
    points, start = shared(communicator, POINTS, np.repeat(START, 3, axis=0))
    sampler = kanml.Sampler([0, -1], [1, 1], 20, "residual", every=4)
    terms = [
        kanml.Term("drawn", sampler, lambda u: u.t - u.xx, attention=kanml.RBA(0.3)),
        kanml.Term("given", points, lambda u: u.t + u * u.x - u.xx, attention=kanml.RBA(0.3)),
        kanml.Term("start", start, lambda u, x: u + np.sin(np.pi * x), batch_size=4),
    ]
    given = {"restarts": 0, "progress": False, "optimizer": kanml.Adam(1e-2), **options}
    problem = kanml.PINN("tx", terms)
    return found(kanml.train(NET, problem, [steps], communicator=communicator, **given))


def shared(communicator, *arrays):
    """The rows of this process; those of all together are in the order of the arrays."""
    ours = communicator or ALONE
    return [np.array_split(array, ours.size)[ours.rank] for array in arrays]


def found(result):
    history = result.history
    return {
        "parameters": result.network.parameters,
        "loss": history.loss,
        "validation": history.validation,
        "fresh": history.fresh,
        "tries": len(history.tries),
        "status": result.status,
        "message": result.message,
    }


def validation(communicator):
    (held_out,) = shared(communicator, HELD_OUT)
    return kanml.Regression(held_out, np.sin(3 * held_out[:, :1]) * held_out[:, 1:])


def early(communicator, folder):
    stopping = kanml.EarlyStopping(2)
    return fit(
        communicator, schedule=[40, 40], validation=validation(communicator), callbacks=[stopping]
    )


def stopped_by_the_last(communicator, folder):
    last = (communicator or ALONE).size - 1

    def stop(state):
        return state.step == 3 and state.communicator.rank == last

    return fit(communicator, callbacks=[stop])


def minibatches(communicator, folder):
    return fit(communicator, data={"batch_size": 20}, optimizer=kanml.Adam(1e-2))


def logged(communicator, folder):
    """A run with a log, which the first process writes."""
    calls = []

    def metric(net):
        calls.append(1)
        return float(net(HELD_OUT).sum())

    logger = kanml.Logger(folder / "run.csv", every=2, metrics={"sum": metric})
    lines = logging.getLogger("log of a run")
    result = fit(communicator, schedule=[6], callbacks=[logger, kanml.Logger(lines)])
    rows = [line.split(",") for line in (folder / "run.csv").read_text().splitlines()]
    seconds = rows[0].index("seconds")
    return {**result, "own": [len(calls), *(row[:seconds] + row[seconds + 1 :] for row in rows)]}


def resumed(solver, communicator, folder):
    """A run in one go, and a run that is stopped and continued from its checkpoint."""
    path = folder / f"{solver.__name__}.checkpoint"
    whole = solver(communicator)
    solver(communicator, callbacks=[kanml.Checkpoint(path, 2), lambda state: state.step == 5])
    again = solver(communicator, resume=path)
    for name in ("parameters", "loss"):
        np.testing.assert_array_equal(again[name], whole[name])
    return whole


def refusals(communicator, folder):
    """What is refused or fails in one process ends the run in all; then all train again."""
    rank, said = communicator.rank, []
    if communicator.size == 1:
        return {}

    def fail(state):
        if state.step == 2 and rank == 1:
            raise MemoryError("the disk is full")

    for options in (
        {"schedule": [3 + rank]},
        {"callbacks": [kanml.Checkpoint(folder / "one", 2)] if rank == 0 else []},
        {"callbacks": [fail]},
        {"validation": 5},
        {"resume": folder / "missing"},
    ):
        try:
            fit(communicator, **options)
        except (ValueError, TypeError, MemoryError, OSError, ProcessError) as error:
            text = f"{type(error).__name__}: {error}"
            said.append(text.replace(str(folder), "FOLDER"))
    return {**fit(communicator, schedule=[2]), "own": said}


def interrupted(communicator, folder):
    """Ctrl-C in the last process alone."""
    last = (communicator or ALONE).size - 1

    def interrupt(state):
        if state.step == 3 and state.communicator.rank == last:
            os.kill(os.getpid(), signal.SIGINT)

    return fit(communicator, callbacks=[interrupt])


def exchanges(communicator, folder):
    """Sums, maxima and lists of arrays of any size."""
    ours = communicator or ALONE
    result = {}
    for n in (0, 1, 62, 63, 1001):
        array = np.random.default_rng(ours.rank).normal(size=(n, 1)) * 10.0**ours.rank
        result[f"total {n}"] = ours.total(array)
        result[f"largest {n}"] = ours.largest(np.where(array < -1, np.nan, array))
        result[f"gathered {n}"] = np.array(ours.gathered(array))
        result[f"one by one {n}"] = np.array([part.copy() for part in ours.one_by_one(array)])
    result["texts"] = ours.texts("é" * ours.rank)
    result["own"] = ours.collected("é" * 100 * ours.rank)
    return result


def error_bars(communicator, folder):
    """Those of a rate that the rows of all processes determine."""
    t = np.linspace(0, 2, 40)[:, None]
    measured = np.exp(-1.5 * t[:, 0]) + np.random.default_rng(0).normal(0, 0.01, 40)
    t, measured = shared(communicator, t, measured)
    terms = [
        kanml.Term("ode", t, lambda u, rate: u.t + rate * u),
        kanml.Term("data", t, lambda u: u - measured),
    ]
    result = kanml.train(
        kanml.KAN([1, 1], degree=4, intervals=4, domain=(0, 2)),
        kanml.PINN("t", terms, unknowns={"rate": 1.0}),
        [8],
        kanml.LevenbergMarquardt(),
        communicator=communicator,
        progress=False,
    )
    of_all = replace(result, problem=result.problem.distributed(communicator or ALONE))
    return {"loss": result.history.loss, "bars": np.array(list(of_all.standard_errors.values()))}


CASES = {
    "exchanges": exchanges,
    "lbfgs": lambda communicator, folder: resumed(fit, communicator, folder),
    "tries": lambda communicator, folder: fit(communicator, schedule=[50], restarts=1),
    "triangle": lambda communicator, folder: fit(
        communicator, schedule=[3, 1], optimizer="levenberg-marquardt"
    ),
    "matrix-free": lambda communicator, folder: fit(
        communicator, schedule=[3, 1], optimizer=kanml.LevenbergMarquardt(largest_triangle=0)
    ),
    "projection": lambda communicator, folder: fit(
        communicator, schedule=[3, 1], optimizer="variable-projection"
    ),
    "broyden": lambda communicator, folder: fit(communicator, optimizer="ssbroyden"),
    "auto": lambda communicator, folder: fit(
        communicator, net=kanml.KAN([2, 1]), schedule="auto", optimizer="levenberg-marquardt"
    ),
    "early": early,
    "stopped": stopped_by_the_last,
    "minibatches": minibatches,
    "equation": lambda communicator, folder: resumed(solve, communicator, folder),
    "logged": logged,
}
# Threads end when one of them fails, signals reach the main thread alone, and the error bars of a
# result are found under a lock.
PROGRAM = {
    **CASES,
    "refusals": refusals,
    "interrupted": interrupted,
    "error bars": error_bars,
}


def main(folder):
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stdout)
    processes = kanml.MPI()
    results = {name: case(processes, folder) for name, case in PROGRAM.items()}
    fit(processes, schedule=[3], progress=True)
    few = kanml.Regression(*processes.share(X[:40], Y[:40]))
    optimizer = kanml.LevenbergMarquardt()
    kanml.train(NET, few, [1], optimizer, communicator=processes, progress=False)  # warns
    results["threads"] = kanml.get_num_threads()
    (folder / f"{processes.rank}.results").write_bytes(pickle.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
