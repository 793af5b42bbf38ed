"""Numbers and networks that the cases start from.

Numbers depend on their names alone, and not on kanml: so a change of one case, or of how networks
are initialised, leaves all other cases as they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import kanml

__all__ = [
    "ACTIVATIONS",
    "BASES",
    "DEGREES",
    "DTYPES",
    "KNOTS",
    "RULES",
    "by_threads",
    "generator",
    "network",
    "normal",
    "spaces",
    "stacks",
    "uniform",
    "with_numbers",
]

DEGREES = (1, 2, 3, 4, 5)
BASES = ("spline", "relu")
RULES = ("linear", "polynomial", "clamp", "error")
KNOTS = ("uniform", "uneven", "different")
ACTIVATIONS = tuple(kanml._core.ActivationKind.__members__)  # of this revision
DTYPES = ("float32", "float64")
THREADS = (1, 2, 3, None)

Array = npt.NDArray[np.float64]


def generator(name: str) -> np.random.Generator:
    """Return a generator of the numbers of this name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def normal(name: str, *shape: int) -> Array:
    """Return normally distributed numbers."""
    return generator(name).normal(size=shape)


def uniform(name: str, *shape: int, within: tuple[float, float] = (-1.0, 1.0)) -> Array:
    """Return uniformly distributed numbers."""
    return generator(name).uniform(*within, shape)


def with_numbers(net: Any, name: str) -> Any:
    """Return a network with parameters that its initialisation has no part in."""
    return net.with_parameters(0.3 * normal(name, net.n_parameters))


def by_threads(function: Callable[..., Any], *args: Any, **options: Any) -> dict[str, Any]:
    """Return what a function returns with each number of threads."""
    return {f"threads={n}": function(*args, num_threads=n, **options) for n in THREADS}


def spaces(knots: str, degree: int) -> Any:
    """Return what three inputs of a spline layer live on."""
    even = kanml.SplineSpace.uniform(-1, 1, 4, degree)
    uneven = kanml.SplineSpace([-1.0, -0.7, -0.1, 0.2, 0.9, 1.0], degree)
    wider = kanml.SplineSpace.uniform(-2, 2, 3, degree)
    return {"uniform": even, "uneven": uneven, "different": [even, uneven, wider]}[knots]


def network(layers: list[Any], dtype: str) -> Any:
    """Return a network with parameters of the generator, whatever its layers are called."""
    net = kanml.Network(layers, dtype=dtype)
    return with_numbers(net, repr(net.n_parameters))


def stacks() -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Yield names and makers of networks of several layers, of all kinds."""
    yield from _kans()
    for activation in ACTIVATIONS:
        mlp = partial(kanml.MLP, [2, 9, 7, 1], activation=activation)
        yield f"MLP {activation}", partial(_seeded, mlp)
    yield "MLP with output bias", partial(_seeded, partial(kanml.MLP, [3, 6, 2], output_bias=True))
    for basis in BASES:
        yield f"every layer, {basis}", partial(_every_layer, basis)
    yield "wide mixture", _wide_mixture


def _kans() -> Iterator[tuple[str, Callable[[str], Any]]]:
    options: dict[str, tuple[list[int], dict[str, Any]]] = {
        "one spline": ([1, 1], {}),
        "three layers": ([2, 5, 3, 1], {"degree": 2}),
        "five inputs": ([5, 4, 2], {"degree": 4, "intervals": 3}),
        "another domain": ([2, 4, 1], {"domain": (0.0, 2.0)}),
        "powers of ReLUs": ([2, 5, 1], {"basis": "relu", "intervals": 3, "degree": 2}),
        "polynomials": ([2, 3, 1], {"extrapolation": "polynomial", "degree": 5}),
        "clamped": ([2, 5, 1], {"extrapolation": "clamp"}),
        "wide": ([2, 30, 27, 1], {}),
        "wide, tanh": ([2, 25, 24, 3], {"activation": "tanh", "degree": 4}),
        "many inputs": ([70, 25, 1], {"intervals": 2}),
    }
    for activation in ACTIVATIONS:
        options[activation] = [2, 5, 4, 1], {"activation": activation, "degree": 4}
    for name, (widths, others) in options.items():
        yield f"KAN {name}", partial(_seeded, partial(kanml.KAN, widths, **others))


def _seeded(make: Callable[..., Any], dtype: str) -> Any:
    net = make(dtype=dtype, seed=1)
    return with_numbers(net, repr(net.n_parameters))


def _every_layer(basis: str, dtype: str) -> Any:
    layers = [
        kanml.PeriodicEmbedding(2, {1: 3.0}, multiples=(1, 2)),
        kanml.Linear(5, 3),
        kanml.Activation("tanh"),
        kanml.SplineLayer(3, 5, spaces("different", 4), basis=basis),
        kanml.Activation("relu"),
        kanml.Linear(5, 3),
        kanml.Activation("silu"),
        kanml.Affine([1.5, 3.0, -2.0], 0.1),
        kanml.Activation("sin"),
        kanml.SplineLayer(3, 2, spaces("uneven", 4), basis=basis, extrapolation="clamp"),
        kanml.Linear(2, 2, bias=False),
        kanml.Activation("sigmoid"),
    ]
    return network(layers, dtype)


def _wide_mixture(dtype: str) -> Any:
    space = kanml.SplineSpace.uniform(-1, 1, 3, 3)
    layers = [
        kanml.Affine.normalising([0.0, -1.0], [1.0, 1.0]),
        kanml.Linear(2, 40),
        kanml.Activation("tanh"),
        kanml.SplineLayer(40, 30, space),
        kanml.Linear(30, 26),
        kanml.Activation("silu"),
        kanml.SplineLayer(26, 2, space, basis="relu"),
    ]
    return network(layers, dtype)
