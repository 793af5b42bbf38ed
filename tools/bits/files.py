"""Files that one revision writes and the other one reads: networks, and runs to be continued.

Both yield the same cases: `written` what the files stand for, `read` what is made of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import kanml
from bits.inputs import BASES, DTYPES, RULES, network, spaces, stacks, uniform
from bits.record import Cases, Record
from bits.training import outcome, runs

__all__ = ["read", "written"]

STEP = 6  # after which a run is interrupted: the first one of the second level, or the one before


def written(folder: str) -> Cases:
    """Write files into a folder; return networks as they are, and runs without interruption."""
    record = Record()
    for name, make in networks():
        with record.within(name):
            net = make()
            net.save(_file(folder, name))
            record("loaded", _described, net)
    for name, run in interrupted_runs():
        with record.within(name):
            checkpoint = kanml.Checkpoint(_file(folder, name), STEP)
            run(callbacks=[checkpoint, lambda state: state.step == STEP])
            record("continued", lambda run=run: outcome(run()))
    return record.cases


def read(folder: str) -> Cases:
    """Read the files in a folder; return networks as they were loaded, and runs as continued."""
    record = Record()
    for name, _ in networks():
        with record.within(name):
            record("loaded", lambda name=name: _described(kanml.load(_file(folder, name))))
    for name, run in interrupted_runs():
        with record.within(name):
            path = _file(folder, name)
            record("continued", lambda run=run, path=path: outcome(run(resume=path)))
    return record.cases


def networks() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield names and makers of networks of all layers."""
    for (name, make), dtype in product(stacks(), DTYPES):
        yield f"{name}, {dtype}", partial(make, dtype)
    for rule, basis in product(RULES, BASES):
        layer = kanml.SplineLayer(3, 2, spaces("different", 3), basis=basis, extrapolation=rule)
        yield f"{rule}, {basis}", partial(network, [layer], "float64")


def interrupted_runs() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield those runs that are resumed."""
    for name, run in runs().items():
        if name.startswith("resumed: "):
            yield name.removeprefix("resumed: "), run


def _file(folder: str, name: str) -> Path:
    return Path(folder) / re.sub(r"\W+", "-", name)


def _described(net: Any) -> dict[str, Any]:
    return {
        "parameters": net.parameters,
        "layers": repr(net.layers),
        "knots": [[s.knots for s in getattr(layer, "spaces", ())] for layer in net.layers],
        "values": net(uniform("loaded", 50, net.n_in)),
    }
