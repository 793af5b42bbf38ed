"""Use one network and one problem in eight Python threads, and compare with what each gives alone.

    python tools/stress/threads.py 20

Each round makes a network, a problem, and a list of calls: values, gradients, losses, rows of least
squares, trainings, refinement, saving and loading, copies, sampling, estimators. Each call is made
alone first. Then eight threads make the calls at the same time, each in a random order of its own,
with random numbers of threads in the core, on objects that no call has warmed up. All results must
have the bits that they had alone.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import pickle
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import kanml
import search

THREADS = 8
CALLS = 6  # of each thread in a round
Call = Callable[[int], Any]
"""Returns arrays and numbers; the argument is the number of threads in the core."""


def network(rng: np.random.Generator, n_out: int) -> kanml.Network:
    """Return a network with two inputs."""
    return kanml.KAN(
        [2, int(rng.choice([2, 7, 20])), n_out],
        degree=int(rng.integers(3, 6)),
        intervals=int(rng.integers(2, 5)),
        activation="tanh",
        seed=int(rng.integers(100)),
        dtype=str(rng.choice(["float64", "float64", "float32"])),
    )


def regression(rng: np.random.Generator) -> kanml.Regression:
    """Return a regression, perhaps with minibatches."""
    x = rng.uniform(-1, 1, (int(rng.integers(100, 2000)), 2))
    batch = rng.choice([None, 64])
    return kanml.Regression(x, np.sin(3 * x[:, :1]) * x[:, 1:], batch_size=batch)


def equation(rng: np.random.Generator) -> kanml.PINN:
    """Return a problem with several terms and an unknown."""
    points = kanml.Sampler([-1, -1], [1, 1], int(rng.integers(50, 300)), every=2)
    data, there = rng.uniform(-1, 1, (2, 100, 2))
    terms = [
        kanml.Term("pde", points, lambda u, a: u.xx + a * u.yy, attention=kanml.RBA(0.1)),
        kanml.Term("pair", data, lambda u, u_partner: (u - u_partner, u.x), partner=there),
        kanml.Term("data", data, lambda u, x, y: u - np.sin(3 * x) * y, batch_size=40),
    ]
    return kanml.PINN("xy", terms, unknowns={"a": 0.7})


def trained(result: kanml.Result) -> list[Any]:
    """Return what two equal runs have in common."""
    history = result.history
    return [result.network.parameters, history.loss, history.evaluations, *result.unknowns.values()]


def calls(net: kanml.Network, problem: Any, folder: Path, seed: int) -> dict[str, Call]:
    """Return calls that use a network and a problem, by name."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.2, 1.2, (int(rng.integers(10, 3000)), 2)).astype(net.dtype)
    cotangents = np.cos(x[:, :1])
    at = problem.unknowns
    optimizer = [kanml.LBFGS(memory=3), kanml.Adam(1e-3), kanml.SSBroyden()][rng.integers(3)]

    def loss(n: int) -> list[Any]:
        found = problem.evaluation(net, at, num_threads=n)
        return [found.value, found.gradient]

    def saved(n: int) -> list[Any]:
        path = folder / f"{threading.get_ident()}"
        net.save(path)
        again = kanml.load(path)
        return [again.parameters, again(x, num_threads=n)]

    def train(n: int) -> list[Any]:
        options = {"num_threads": n, "progress": False}
        return trained(kanml.train(net, problem, [3, 2], optimizer, **options))

    result: dict[str, Call] = {
        "values": lambda n: [net(x, num_threads=n)],
        "vjp": lambda n: [*net.vjp(x, cotangents, num_threads=n)],
        "jvp": lambda n: [net.jvp(x, net.parameters, num_threads=n)],
        "loss": loss,
        "residuals": lambda n: [problem.residuals(net, at, num_threads=n)],
        "triangles": lambda n: [t.matrix for t in problem.triangles(net, at, num_threads=n)],
        "training": train,
        "refinement": lambda n: [net.refine().parameters, net.refine()(x, num_threads=n)],
        "file": saved,
        "copies": lambda n: [
            pickle.loads(pickle.dumps(net))(x, num_threads=n),
            copy.deepcopy(problem).evaluation(net, at, num_threads=n).value,
        ],
        "sampling": lambda n: [
            kanml.Sampler([-1, 0], [1, 2], 64, "uniform", seed=seed).points,
            kanml.KAN([2, 3, 1], seed=seed).parameters,
        ],
        "summary": lambda n: [np.frombuffer(repr(net.layers).encode(), np.uint8)],
    }
    if isinstance(problem, kanml.PINN):
        result["solution"] = lambda n: [problem.solution(net, x, at, num_threads=n)]
        result["expression"] = lambda n: [
            problem.evaluate(net, x, lambda u, x: (u.xy, x * u), at, num_threads=n)
        ]
    if importlib.util.find_spec("sklearn") is not None:
        result["estimator"] = partial(estimated, x)
    return result


def estimated(x: np.ndarray, n: int) -> list[Any]:
    """Fit an estimator, and predict."""
    from kanml.sklearn import KANRegressor

    rows = np.float64(x[:150])
    model = KANRegressor(hidden=3, penalty=1e-3, max_iter=5, random_state=0)
    return [model.fit(rows, np.sin(rows[:, 0])).predict(rows)]


def digest(arrays: list[Any]) -> str:
    """Return a digest of arrays and numbers, with their types and shapes."""
    result = hashlib.sha256()
    for array in map(np.asarray, arrays):
        result.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return result.hexdigest()


def case(folder: Path, rng: np.random.Generator) -> str:
    """Make the calls of a round alone, and then in threads."""
    make, kind = [(regression, "a regression"), (equation, "an equation")][rng.integers(2)]
    net, problem, seed = network(rng, 1), make(rng), int(rng.integers(1000))
    alone_net, alone_problem = pickle.loads(pickle.dumps((net, problem)))
    alone = {
        name: digest(call(1))
        for name, call in calls(alone_net, alone_problem, folder, seed).items()
    }
    shared = calls(net, problem, folder, seed)
    together = threading.Barrier(THREADS)
    order = [[(rng.choice(list(shared)), int(rng.integers(1, 4))) for _ in range(CALLS)]
             for _ in range(THREADS)]  # fmt: skip

    def work(i: int) -> list[str]:
        together.wait(timeout=60)
        return [name for name, n in order[i] if digest(shared[name](n)) != alone[name]]

    with ThreadPoolExecutor(THREADS) as pool:
        wrong = [name for names in pool.map(work, range(THREADS)) for name in names]
    assert not wrong, f"these differ from what they give alone: {', '.join(wrong)}"
    return kind


def main() -> int:
    """Run the command line."""
    parser = search.parser(__doc__)
    parser.add_argument("number", type=search.count, nargs="?", default=10, help="rounds")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of few iterations; filters are shared by all threads
    found = search.Search(options, limit=300.0)
    with search.folder() as name:
        found.run("round", partial(case, Path(name)), options.number)
    return found.end()


if __name__ == "__main__":
    sys.exit(main())
