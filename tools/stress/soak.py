"""Train, refine, checkpoint and resume with random settings for a while, and look for leaks.

    python tools/stress/soak.py 10      minutes

Each round draws a network, a problem, an optimizer, a schedule and numbers of threads. It trains
once without interruption, and once in pieces: a callback stops the run at random steps, and a
checkpoint continues it. Both must have the same bits. The memory of the process is looked at after
each round, when everything that can be given back was given back. The core keeps its buffers, so
the largest sizes of all come first. After forty more rounds, which load code, the last quarter of
the rounds must not need more than the second by one percent, in the median.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import kanml
import search

GROWTH = 0.01
WARM = 40  # rounds that do not count
FEWEST = 40  # of those that count


def network(rng: np.random.Generator) -> kanml.Network:
    """Return a network with two inputs and one output."""
    degree, dtype = int(rng.integers(2, 6)), str(rng.choice(["float32", "float64"]))
    return kanml.KAN(
        [2, int(rng.choice([2, 5, 16, 30])), 1],
        degree=degree,
        intervals=int(rng.integers(2, 6)),
        basis=str(rng.choice(["spline", "relu"])) if holds_relu(degree, dtype) else "spline",
        extrapolation=str(rng.choice(["linear", "polynomial", "clamp"])),
        activation=rng.choice([None, "tanh", "sigmoid"]),
        seed=int(rng.integers(100)),
        dtype=dtype,
    )


def holds_relu(degree: int, dtype: str) -> bool:
    """Say whether ReLU weights keep enough digits on the finest grids that are drawn."""
    return degree <= 3 and dtype == "float64"


def largest() -> None:
    """Train with the largest of all sizes, so that the core has its buffers."""
    x = np.random.default_rng(0).uniform(-1, 1, (3000, 2))
    points = kanml.Term("pde", x[:500], lambda u, a: u.xx + a * u.yy + u)
    problems = [
        kanml.Regression(x, target(x)),
        kanml.PINN("xy", [points], unknowns={"a": 1.0}),
    ]
    for dtype in ("float32", "float64"):
        for degree in (2, 3, 4, 5):
            net = kanml.KAN([2, 30, 1], degree=degree, intervals=5, activation="tanh", dtype=dtype)
            for problem in problems:
                kanml.train(net, problem, [2, 2, 2], num_threads=3, restarts=1, progress=False)


def target(x: np.ndarray) -> np.ndarray:
    return np.sin(3 * x[:, :1]) * x[:, 1:]


def regression(rng: np.random.Generator, batch: int | None) -> kanml.Regression:
    x = rng.uniform(-1, 1, (int(rng.integers(100, 3000)), 2))
    return kanml.Regression(x, target(x), batch_size=batch, seed=int(rng.integers(100)))


def equation(rng: np.random.Generator, batch: int | None) -> kanml.PINN:
    n = int(rng.integers(50, 500))
    points = kanml.Sampler([-1, -1], [1, 1], n, every=int(rng.integers(1, 8)))
    attention = rng.choice([None, kanml.RBA(0.1)])
    data = rng.uniform(-1, 1, (100, 2))
    terms = [
        kanml.Term("pde", points, lambda u, a: u.xx + a * u.yy + u, attention=attention),
        kanml.Term(
            "data", data, lambda u, x, y: u - np.sin(3 * x) * y, weight=10.0, batch_size=batch
        ),
    ]
    return kanml.PINN("xy", terms, unknowns={"a": 1.0})


def optimizer(rng: np.random.Generator, net: kanml.Network, batch: int | None) -> Any:
    relu = holds_relu(net.layers[0].degree, str(net.dtype))
    geometry = rng.choice([None, "spline", "relu"]) if relu else None
    if batch is not None or rng.integers(2):
        return kanml.Adam(1e-3, weight_decay=float(rng.choice([0.0, 0.01])), geometry=geometry)
    return kanml.LBFGS(memory=int(rng.integers(1, 20)), geometry=geometry)


def training(seed: int) -> tuple[Callable[..., kanml.Result], int]:
    """Return a call that trains with the settings of a seed, made anew each time, and its steps."""
    schedule = [int(n) for n in np.random.default_rng([seed, 1]).integers(2, 9, 3)]

    def train(**options: Any) -> kanml.Result:
        rng = np.random.default_rng([seed, 0])
        net = network(rng)
        batch = rng.choice([None, 32])
        problem = (regression, equation)[rng.integers(2)](rng, batch)
        validation = None
        if isinstance(problem, kanml.Regression) and rng.integers(2):
            validation = regression(rng, None)
        return kanml.train(
            net,
            problem,
            schedule,
            optimizer(rng, net, batch),
            validation=validation,
            restarts=int(rng.integers(1, 5)),
            progress=False,
            **options,
        )

    return train, sum(schedule)


def bits(result: kanml.Result) -> dict[str, bytes]:
    """Return all that two equal runs have in common, by name."""
    columns = {
        name: np.asarray(column).tobytes()
        for name, column in result.history.arrays().items()
        if name != "seconds"
    }
    levels = {
        f"level {i}": repr(net.layers).encode() + net.parameters.tobytes()
        for i, net in enumerate(result.levels)
    }
    unknowns = np.array(list(result.unknowns.values())).tobytes()
    return {"status": result.status.encode(), "unknowns": unknowns, **columns, **levels}


def soak(seed: int, path: Path) -> None:
    """Train without interruption and in pieces; raise AssertionError where the bits differ."""
    rng = np.random.default_rng([seed, 2])
    train, steps = training(seed)
    whole = bits(train(num_threads=int(rng.integers(1, 4))))
    resume = None
    stops = sorted({int(n) for n in rng.integers(1, steps + 1, 2)})
    for stop in (*stops, None):
        result = train(
            num_threads=int(rng.integers(1, 4)),
            resume=resume,
            callbacks=[
                kanml.Checkpoint(path, every=int(rng.integers(1, 4))),
                lambda state, stop=stop: state.step == stop,
            ],
        )
        resume = path
    pieces = bits(result)
    different = [name for name in whole if pieces.get(name) != whole[name]]
    assert not different, f"resumed at steps {stops}, these differ: {', '.join(different)}"


def memory() -> int:
    """Return the bytes of this process that are in memory, without what can be given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def growth(used: list[int]) -> float:
    """Return how much more the last quarter needs than the second, relative to that."""
    quarter = len(used) // 4
    before = statistics.median(used[quarter : 2 * quarter])
    return (statistics.median(used[-quarter:]) - before) / before


def main() -> int:
    """Run the command line."""
    parser = search.parser(__doc__)
    parser.add_argument(
        "minutes", type=float, nargs="?", default=1.0, help="how long to begin rounds"
    )
    options = parser.parse_args()
    found, used = search.Search(options, limit=600.0), list[int]()

    def case(rng: np.random.Generator) -> str:
        soak(int(rng.integers(2**31)), Path(folder) / "checkpoint")
        used.append(memory())
        return "resumed bit for bit"

    largest()
    with tempfile.TemporaryDirectory() as folder:
        found.run("round", case, minutes=options.minutes)
    if len(used) < WARM + FEWEST:
        print("too few rounds to say anything about memory")
        return found.end()
    grown = growth(used[WARM:])
    print(f"{used[-1] / 2**20:.0f} MiB of memory, grown by {100 * grown:.2f} %")
    return found.end() or int(grown > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
