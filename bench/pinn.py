"""Measure what physics-informed losses cost: time against the level, with tanh between the layers,
at few points, by Taylor order, and memory.

    python bench/pinn.py                     three minutes
    python bench/pinn.py --rounds 25         fewer repetitions of what is timed

Burgers' equation with nu = 1e-2, its residual in the volume and nothing else; KAN [2, 8, 8, 1] of
degree 3, float64, unless a table says otherwise. What is compared runs in turn in one process;
"spread" is the distance of the quartiles, relative to the median. Loss and gradient are verified
against the oracle of the tests and against each other: the fine network is the coarse one, refined.
Memory is measured in a fresh process for each row, at the first evaluation.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import platform
import resource
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from timing import in_turn, spread

import kanml
from kanml.equations import Burgers
from kanml.experiments.tables import heading
from kanml.problems import RBA

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers import reference_layers
from reference import series

WIDTHS = [2, 8, 8, 1]
PROBLEM = Burgers(nu=1e-2)
COARSE, FINE = 8, 64
RATIO_GOAL = 1.15
TANH_GOAL = 1.15
FEW = 16
POINTS = 1_000_000
MEMORY_GOAL = 64.0  # megabytes
MB = 2**20


def network(intervals: int, degree: int = 3) -> kanml.Network:
    """As training starts, but for the ends of domains, where u_xx jumps and points would lie."""
    net = kanml.KAN(WIDTHS, degree=degree, intervals=intervals, seed=0)
    return net.with_parameters(0.99 * net.parameters)


def problem(points: np.ndarray, attention: RBA | None = None) -> kanml.PINN:
    """The residual in the volume; the array of points is the term's, not a copy."""
    residual = PROBLEM.terms({"volume": points[:1]})[0].residual
    return kanml.PINN("tx", [kanml.Term("volume", points, residual, attention=attention)])


# Time


def verify(pinn: kanml.PINN, points: np.ndarray, nets: Mapping[int, kanml.Network]) -> None:
    """Compare the losses with the oracle, and a derivative along one change of the function."""
    coarse, fine = nets[COARSE], nets[FINE]
    d = series.derivatives(reference_layers(coarse), points, ["", "t", "x", "xx"], "tx")
    expected = float(np.mean((d["t"] + d[""] * d["x"] - PROBLEM.nu * d["xx"]) ** 2))
    change = np.random.default_rng(1).normal(size=coarse.n_parameters)
    refined = coarse.with_parameters(change).refine(FINE // COARSE).parameters
    slopes = []
    for net, direction in ((coarse, change), (fine, refined)):
        value, gradient = pinn.value_and_gradient(net)
        assert abs(value / expected - 1) <= 1e-12, (value, expected)
        slopes.append(float(gradient @ direction))
    # The last layer alone is linear in its parameters, but all are prolongated linearly.
    assert abs(slopes[1] / slopes[0] - 1) <= 1e-10, slopes


def levels(rounds: int) -> bool:
    """Does a fine level cost more? Return whether the goal is met."""
    points = PROBLEM.grid(64)
    coarse = network(COARSE)
    nets = {COARSE: coarse, FINE: coarse.refine(FINE // COARSE)}
    pinn = problem(points)
    verify(pinn, points, nets)
    print(f"Loss and gradient at {len(points)} points, milliseconds, {rounds} rounds")
    line = "{:7d}" + "{:10.2f}{:8.0%}" * 2
    print(heading(line, ("threads", f"n = {COARSE}", "spread", f"n = {FINE}", "spread")))
    met = True
    for threads in (1, 2):
        calls = {
            str(n): partial(pinn.value_and_gradient, net, num_threads=threads)
            for n, net in nets.items()
        }
        times = in_turn(calls, rounds)
        cells = [cell for t in times.values() for cell in (1e3 * np.median(t), spread(t))]
        ratio = float(np.median(times[str(FINE)]) / np.median(times[str(COARSE)]))
        met &= ratio <= RATIO_GOAL
        wanted = f"   ratio {ratio:.3f}, at most {RATIO_GOAL} wanted"
        print(line.format(threads, *cells) + wanted, flush=True)
    return met


def recommended(rounds: int) -> bool:
    """What does tanh between the layers cost? Return whether the goal is met."""
    points = PROBLEM.grid(64)
    pinn = problem(points)
    layers = kanml.KAN([2, 12, 1], degree=5, intervals=COARSE, seed=0).layers
    nets = {
        "without": kanml.Network(layers, seed=0),
        "with tanh": kanml.Network([layers[0], kanml.Activation("tanh"), layers[1]], seed=0),
    }
    print(
        f"\nThe recommended network [2, 12, 1], degree 5, with tanh between its layers, at "
        f"{len(points)} points;\nloss and gradient, milliseconds"
    )
    line = "{:7d}" + "{:>12.3f}{:8.0%}" * 2
    names = [part for name in nets for part in (name, "spread")]
    print(heading("{:7d}" + "{:>12s}{:8s}" * 2, ("threads", *names)))
    met = True
    for threads in (1, 2):
        calls = {
            name: partial(pinn.value_and_gradient, net, num_threads=threads)
            for name, net in nets.items()
        }
        times = in_turn(calls, rounds)
        cells = [cell for t in times.values() for cell in (1e3 * np.median(t), spread(t))]
        ratio = float(np.median(times["with tanh"]) / np.median(times["without"]))
        met &= ratio <= TANH_GOAL
        print(line.format(threads, *cells) + f"   ratio {ratio:.3f}, at most {TANH_GOAL} wanted")
    return met


def few(rounds: int) -> bool:
    """What does an evaluation at few points cost? Return whether the goals are met."""
    pinn = problem(PROBLEM.grid(64)[:FEW].copy())
    tanh = kanml.Activation("tanh")
    layers = kanml.KAN([2, 4, 1], degree=4, intervals=5, seed=0).layers
    nets = {
        "[2, 4, 1], degree 4, tanh": (kanml.Network([layers[0], tanh, layers[1]], seed=0), 15),
        "[2, 8, 8, 1]": (network(COARSE), 20),
    }
    print(f"\nLoss and gradient at {FEW} points, microseconds a call, in {rounds} rounds of 100")
    met = True
    for name, (net, goal) in nets.items():
        pinn.value_and_gradient(net)
        many = partial(repeated, partial(pinn.value_and_gradient, net), 100)
        (times,) = in_turn({name: many}, rounds).values()
        median = 1e4 * float(np.median(times))
        met &= median <= goal
        print(f"{name:27s}{median:8.1f}{spread(times):8.0%}   at most {goal} wanted", flush=True)
    return met


def repeated(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def orders(rounds: int) -> None:
    """What does each Taylor order cost, along one direction and along both?"""
    points = PROBLEM.grid(64)
    for degree in (3, 5):
        net = network(COARSE, degree)
        highest = min(degree, 4)
        calls: dict[tuple[str, int, int], Callable[[], object]] = {}
        for m, d in itertools.product(range(highest + 1), (1, 2)):
            v, c = np.eye(2)[:d], np.ones((d, m + 1, len(points), 1))
            calls["taylor", d, m] = partial(net.taylor, points, v, m, num_threads=1)
            calls["taylor_vjp", d, m] = partial(net.taylor_vjp, points, v, c, num_threads=1)
        times = in_turn(calls, rounds)
        print(
            f"\nOrders 0 to m at {len(points)} points, degree {degree}, n = {COARSE}, one thread, "
            f"milliseconds (times those of m = 0);\nspread at most "
            f"{max(spread(t) for t in times.values()):.0%}"
        )
        columns = [(name, d) for name in ("taylor", "taylor_vjp") for d in (1, 2)]
        line = "{:3d}" + "{:>26s}" * len(columns)
        names = [f"{name}, {d} direction{'s'[: d - 1]}" for name, d in columns]
        print(heading(line, ["m", *names]))
        for m in range(highest + 1):
            cells = []
            for column in columns:
                median, least = (np.median(times[(*column, order)]) for order in (m, 0))
                cells.append(f"{1e3 * median:.2f} ({median / least:.2f})")
            print(line.format(m, *cells), flush=True)


# Memory


def resident(field: str) -> float:
    """VmRSS, what is resident now, or VmHWM, the most that was, in megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


def forget_peak() -> bool:
    """Let VmHWM start again from VmRSS; return whether the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def measure(n: int, attention: RBA | None, threads: int) -> dict[str, float]:
    """Megabytes of one problem and its first evaluation, in a process that did nothing else."""
    points = np.random.default_rng(0).uniform([0, -1], [1, 1], (n, 2))
    net = network(COARSE)
    reset = forget_peak()
    start = resident("VmRSS")
    pinn = problem(points, attention)
    held = resident("VmRSS")
    reset = forget_peak() and reset
    value, gradient = pinn.value_and_gradient(net, num_threads=threads)
    # Without a reset, the peak is that since the process began: it can only be too large.
    peak = resident("VmHWM") if reset else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    return {
        "given": points.nbytes / MB,
        "held": held - start,
        "evaluation": peak - held,
        "kept": resident("VmRSS") - held,
        "total": peak - start,
        "reset": reset,
    }


def memory() -> bool:
    """What do a problem and its evaluation need beyond the array of points?"""
    print(
        "\nMemory in MB (2^20 bytes). given: the caller's array of points. held: what PINN() adds, "
        "its\ncopy of the points and, with attention, a weight a point. evaluation: the peak of "
        f"the first\nevaluation beyond those, at most {MEMORY_GOAL:.0f} wanted. kept: what of it "
        "stays resident.\ntotal: held and evaluation."
    )
    names = ("given", "held", "evaluation", "kept", "total")
    line = "{:10d}  {:7d}  {:9s}" + "{:12.1f}" * len(names)
    print(heading(line, ("points", "threads", "attention", *names)))
    context = multiprocessing.get_context("spawn")
    met = True
    for n, attention, threads in (
        (POINTS // 10, None, 1),
        (POINTS, None, 1),
        (POINTS, None, 2),
        (POINTS, RBA(), 1),
    ):
        with context.Pool(1) as pool:
            row = pool.apply(measure, (n, attention, threads))
        cells = (row[name] for name in names)
        print(line.format(n, threads, "RBA" if attention else "none", *cells), flush=True)
        if not row["reset"]:
            print("            (VmHWM could not be reset here: the peak is that of the process)")
        met &= row["evaluation"] <= MEMORY_GOAL
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=101, metavar="N", help="default: 101")
    options = parser.parse_args()
    print(
        f"kanml {kanml.__version__}, NumPy {np.__version__}, Python {platform.python_version()}, "
        f"{len(os.sched_getaffinity(0))} processors\n"
    )
    met = levels(options.rounds)
    met &= recommended(options.rounds)
    met &= few(options.rounds)
    orders(max(options.rounds // 4, 1))
    met &= memory()
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
