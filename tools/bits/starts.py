"""Initial parameters: what a network starts from, and starts from again."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import kanml
from bits.inputs import ACTIVATIONS, BASES, DTYPES, RULES, generator, spaces, stacks, uniform
from bits.record import Cases, Record

__all__ = ["cases"]

STARTS = ("mixed", "linear", "random")
ROWS = 1500  # more than other starts look at


def cases() -> Cases:
    """Return all cases of this module."""
    record = Record()
    for (name, make), dtype, start in product(networks(), DTYPES, STARTS):
        data = uniform(name, ROWS, make().n_in, within=(-1.2, 3.0))
        for what, given in {"without data": None, "with data": data}.items():
            with record.within(f"{name}, {dtype}, {start}, {what}"):
                net = make(dtype=dtype, start=start, data=given, seed=1)
                record("parameters", lambda net=net: (net.parameters, net.fresh))
                for number in (1, 2):
                    record(f"restart({number})", _again, net, number)
    record_options(record)
    return record.cases


def _again(net: Any, number: int) -> Any:
    return net.restart(number).parameters


def networks() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield names and makers of networks, which take the options of `Network`."""
    for name, make in stacks():
        if not name.startswith("MLP"):
            yield name, partial(kanml.Network, make("float64").layers)
    linear, space = kanml.Linear, kanml.SplineSpace.uniform(-1, 1, 4, 3)
    for rule, basis in product(RULES, BASES):
        layer = partial(kanml.SplineLayer, space=space, extrapolation=rule, basis=basis)
        yield f"two layers, {rule}, {basis}", partial(kanml.Network, [layer(2, 4), layer(4, 1)])
    fronts: dict[str, list[Any]] = {
        "Linear": [linear(3, 3)],
        "Linear without bias": [linear(3, 3, bias=False)],
        "Affine": [kanml.Affine([2.0, -1.0, 0.0], 0.5)],
        "PeriodicEmbedding": [kanml.PeriodicEmbedding(2, {0: 2.0})],
        "two of them": [kanml.Affine(0.5, [1.0, 0.0, 2.0]), linear(3, 3)],
    }
    for activation in ACTIVATIONS:
        fronts[activation] = [linear(3, 3), kanml.Activation(activation)]
        fronts[f"{activation} alone"] = [kanml.Activation(activation)]
        fronts[f"one input, {activation}"] = [linear(1, 3), kanml.Activation(activation)]
    for name, front in fronts.items():
        behind = kanml.SplineLayer(3, 2, spaces("different", 3))
        yield f"{name} in front", partial(kanml.Network, [*front, behind])
    behind = kanml.SplineLayer(2, 300, space)
    yield "Linear behind", partial(kanml.Network, [behind, linear(300, 1)])


def record_options(record: Record) -> None:
    """Record what depends on other options than those of all networks."""
    kan, mlp = partial(kanml.KAN, [3, 5, 2]), partial(kanml.MLP, [3, 8, 8, 1])
    constant = uniform("constant", 60, 3)
    constant[:, 1] = 0.5
    standardising = kanml.Affine.standardising(constant)
    makers: dict[str, Callable[[], Any]] = {
        "no option": kan,
        "a generator for seed": lambda: kan(seed=generator("seed")),
        "a constant column": lambda: kan(data=constant),
        "one sample": lambda: kan(data=constant[:1]),
        "another domain": lambda: kan(domain=(0, 10), intervals=7, degree=2),
        "a MLP": mlp,
        "a MLP with data": lambda: mlp(data=constant, output_bias=True, activation="sin"),
        "a MLP in float32": lambda: mlp(dtype="float32", seed=2),
        "standardising": lambda: kanml.Network([standardising, *kan().layers]),
        "layers of a network with options": lambda: kanml.Network(
            kan(seed=3, data=constant).layers
        ),
        "another dtype": lambda: kan().astype("float32").restart(3),
        "pickled": lambda: pickle.loads(pickle.dumps(kan(seed=4))).restart(2),
        "another basis": lambda: kan(intervals=3).to_basis("relu").restart(3),
    }
    for name, make in makers.items():
        record(name, lambda make=make: make().parameters)
    record.refusal("restart of a refined network", lambda: kan().refine().restart(1))
    record.refusal("an unknown start", kan, start="other")
