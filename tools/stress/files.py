"""Alter networks and checkpoints, and load them.

    python tools/stress/files.py 10000                      networks
    python tools/stress/files.py 10000 --checkpoints 1000   checkpoints too

Most files have a value of the description or an array altered, and a digest that is right again.
Each of them has to be refused with a ValueError that names the file, or to be a file that could
have been written: a network then computes, and a run continues from a checkpoint for a step and
returns a whole result. The other files have a few bytes altered, removed or added, and the old
digest: all of them have to be refused.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import kanml
import search
from kanml.layers import KINDS
from kanml.network import files
from search import Case

STATUSES = ("completed", "stopped", "diverged")
VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 7, 10**9, 2**63, 10**30, -1e9, 0.5, 1e308),
    *(float("nan"), float("inf"), "", "x", "float64", [], [1], [[1.0]], {}, {"a": 1}),
)
NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-300, 1e300, 3.7e18, 1e9, 2.0)


def regression(**options: Any) -> kanml.Result:
    """Minibatches, Adam, and rows held out."""
    x = np.linspace(-1, 1, 24)[:, None]
    y = np.sin(4 * x)
    return kanml.train(
        kanml.KAN([1, 2, 1], degree=2, intervals=2, data=x),
        kanml.Regression(x[::2], y[::2], batch_size=4),
        [3, 4],
        kanml.Adam(0.03),
        validation=kanml.Regression(x[1::2], y[1::2]),
        progress=False,
        **options,
    )


def pinn(**options: Any) -> kanml.Result:
    """An unknown, attention, points drawn anew, and L-BFGS."""
    points = kanml.Sampler([0.0], [1.0], 12, every=2)
    data = np.linspace(0, 1, 6)[:, None]
    problem = kanml.PINN(
        "x",
        [
            kanml.Term("ode", points, lambda u, a: u.x + a * u),
            kanml.Term("data", data, lambda u, x: u - np.exp(-x), attention=kanml.RBA(0.1)),
        ],
        unknowns={"a": 0.5},
    )
    net = kanml.KAN([1, 1], degree=2, intervals=2, domain=(0, 1))
    return kanml.train(net, problem, [3, 4], kanml.LBFGS(memory=3), progress=False, **options)


RUNS: dict[str, Callable[..., kanml.Result]] = {"regression": regression, "pinn": pinn}


def checkpoints(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write a checkpoint of each run, on either level."""
    for name, run in RUNS.items():
        for step in (2, 5):
            path = folder / f"{name} at step {step}"
            callbacks = [kanml.Checkpoint(path), lambda state, step=step: state.step == step]
            run(callbacks=callbacks)
            yield name, path


def network_file(folder: Path) -> Path:
    """Write a network with a layer of every kind."""
    path = folder / "network"
    space = kanml.SplineSpace([-1.0, 0.2, 1.0], 2)
    layers = [
        kanml.PeriodicEmbedding(2, {1: 2.0}),
        kanml.Affine(0.5, [0.0, 1.0, -1.0]),
        kanml.Linear(3, 2),
        kanml.Activation("tanh"),
        kanml.SplineLayer(2, 1, [space, space.refine()]),
    ]
    missing = set(KINDS.values()) - {type(layer) for layer in layers}
    assert not missing, f"no layer of the kinds {missing}"
    kanml.Network(layers).save(path)
    return path


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths to all values inside of a value that JSON can hold."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from places(inner, (*path, i))


def altered_values(description: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a description with another value at one place, or without it."""
    description = copy.deepcopy(description)
    every = [path for path in places(description) if path not in [("fingerprint",), ("kind",)]]
    # First the field, then the place in it: long lists would have all alterations otherwise.
    fields = sorted({path[0] for path in every})
    field = fields[rng.integers(len(fields))]
    within = [path for path in every if path[0] == field]
    path = within[rng.integers(len(within))]
    place: Any = description
    for key in path[:-1]:
        place = place[key]
    old = place[path[-1]]
    action = rng.integers(5)
    if action == 0:
        del place[path[-1]]
    elif action == 1 and type(old) in (int, float):
        place[path[-1]] = old + (1 if rng.integers(2) else -1)
    elif action == 2 and isinstance(old, list) and old:
        place[path[-1]] = old[:-1] if rng.integers(2) else [*old, old[0]]
    elif action == 3 and isinstance(place, dict):
        place["another"] = VALUES[rng.integers(len(VALUES))]
    else:
        place[path[-1]] = VALUES[rng.integers(len(VALUES))]
    return description


def altered_arrays(arrays: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return the arrays with one of another content, shape, dtype or name."""
    arrays = dict(arrays)
    names = list(arrays)
    name = names[rng.integers(len(names))]
    array = arrays[name].copy()
    action = rng.integers(7)
    if action == 0:
        del arrays[name]
    elif action == 1:
        arrays[f"{name}.another"] = arrays.pop(name)
    elif action == 2:
        arrays[name] = arrays[names[rng.integers(len(names))]]
    elif action == 3:
        dtypes = (np.float32, np.float64, np.int64)
        with np.errstate(all="ignore"):
            arrays[name] = array.astype(dtypes[rng.integers(3)])
    elif action == 4:
        shapes = (array[:-1], array[None], array.ravel(), array[:0], np.concatenate([array, array]))
        arrays[name] = shapes[rng.integers(len(shapes))]
    elif array.size and action == 5:
        content = bytearray(array.tobytes())
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        arrays[name] = np.frombuffer(bytes(content), array.dtype).reshape(array.shape)
    elif array.size:
        number = NUMBERS[rng.integers(len(NUMBERS))]
        if array.dtype == np.int64:
            number = int(np.nan_to_num(number, posinf=2**62, neginf=-(2**62)) % 2**62)
        array.flat[rng.integers(array.size)] = number
        arrays[name] = array
    return arrays


def require_whole(result: kanml.Result) -> None:
    """Raise AssertionError unless a result is one that a run could have had."""
    columns = result.history.arrays()
    assert len({len(column) for column in columns.values()}) == 1
    assert len(result.history) >= 1
    assert np.isfinite(result.history.loss).all()
    assert np.isfinite(result.network.parameters).all()
    assert np.isfinite(list(result.unknowns.values())).all()
    assert result.status in STATUSES
    assert result.history.last["level"] in (0, 1)
    assert result.history.last["step"] <= 7
    assert result.levels[-1] is result.network
    assert result.network.layers[0].spaces[0].intervals in (2, 4)


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return the content of a file with a few bytes altered, removed or added."""
    at, n = int(rng.integers(len(content))), int(rng.integers(1, 9))
    action = rng.integers(4)
    if action == 0:
        return content[:at]
    if action == 1:
        return content[:at] + content[at + n :]
    if action == 2:
        return content[:at] + rng.bytes(n) + content[at:]
    altered = bytearray(content)
    altered[at] ^= 1 << rng.integers(8)
    return bytes(altered)


def altering(source: Path, kind: str, load: Callable[[Path], Any]) -> Case:
    """Return the case that alters a file and loads it."""
    content = source.read_bytes()
    description, arrays = files.read(source, kind)
    path = source.with_name("altered")

    def case(rng: np.random.Generator) -> str:
        how = rng.integers(5)
        if how == 0:
            path.write_bytes(damaged(content, rng))
        elif how < 3:
            files.write(path, altered_values(description, rng), arrays)
        else:
            files.write(path, description, altered_arrays(arrays, rng))
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # numbers may overflow
                load(path)
        except ValueError as error:
            assert repr(str(path)) in str(error), f"the file is not named in {error}"
            return "refused"
        assert how > 0 or path.read_bytes() == content, "damaged, but taken"
        return "taken"

    return case


def load_network(path: Path) -> None:
    """Load a network, and compute with it."""
    net = kanml.load(path)
    assert net(np.zeros((2, net.n_in))).shape == (2, net.n_out)


def main() -> int:
    """Run the command line."""
    parser = search.parser(__doc__)
    parser.add_argument("networks", type=search.count, nargs="?", default=1000)
    parser.add_argument("--checkpoints", type=search.count, default=0, metavar="NUMBER")
    options = parser.parse_args()
    if options.case is not None:
        options.networks = options.checkpoints = 1
    found = search.Search(options)
    with search.folder() as name, mock.patch("os.fsync"):
        folder = Path(name)
        source = network_file(folder)
        load_network(source)
        found.run("network", altering(source, "network", load_network), options.networks)
        per_file = -(-options.checkpoints // 4)
        for run, source in checkpoints(folder) if per_file else ():

            def load(path: Path, run: str = run) -> None:
                require_whole(RUNS[run](resume=path, callbacks=[lambda state: True]))

            load(source)
            found.run(source.name, altering(source, "checkpoint", load), per_file)
    return found.end()


if __name__ == "__main__":
    sys.exit(main())
