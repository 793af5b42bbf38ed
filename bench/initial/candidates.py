"""Ways to start a network of spline layers on the domain [-1, 1].

A candidate makes a network of widths, degree, intervals, inputs and a seed, and says how many other
starts `kanml.train` may try. The rules "unit ..." draw every coefficient from N(0, s^2) such that a
mean over the domain is 1 / n_in for each of the n_in functions that are summed: that of their
squares, of the squares of their slopes, of the squares of their second derivatives. By the first,
values keep their variance from layer to layer, by the second, gradients with respect to the inputs
do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import kanml

Array = npt.NDArray[np.float64]
Coefficients = Callable[[kanml.SplineLayer, np.random.Generator], Array]
GRID = np.linspace(-1, 1, 2001)


class Candidate(NamedTuple):
    """A way to start."""

    about: str
    network: Callable[..., kanml.Network]
    restarts: int = 0
    work: int = 1  # times the steps on each level


def named(start: str) -> Callable[..., kanml.Network]:
    """Return one of the library's starts."""

    def network(
        widths: tuple[int, ...], degree: int, intervals: int, x: Array, seed: int
    ) -> kanml.Network:
        return kanml.KAN(widths, degree=degree, intervals=intervals, seed=seed, data=x, start=start)

    return network


def drawn(coefficients: Coefficients) -> Callable[..., kanml.Network]:
    """Return a start whose layers are drawn one by one, whatever the inputs are."""

    def network(
        widths: tuple[int, ...], degree: int, intervals: int, x: Array, seed: int
    ) -> kanml.Network:
        net = kanml.KAN(widths, degree=degree, intervals=intervals)
        rng = np.random.default_rng(seed)
        parts = [coefficients(layer, rng).ravel() for layer in net.layers]
        return net.with_parameters(np.concatenate(parts))

    return network


def shape(layer: kanml.SplineLayer) -> tuple[int, int]:
    return layer.n_in * layer.spaces[0].dim, layer.n_out


def mean_square(layer: kanml.SplineLayer, derivative: int) -> float:
    """Return the mean over the domain of the sum of squares of all basis functions' derivatives."""
    space = layer.spaces[0]
    values = space.evaluate(np.eye(space.dim), GRID, derivative=derivative)
    return float(np.mean(np.sum(values**2, axis=0)))


def standard_normal(layer: kanml.SplineLayer, rng: np.random.Generator) -> Array:
    return rng.normal(0, 1 / np.sqrt(layer.n_in), shape(layer))


def unit(derivative: int) -> Coefficients:
    def coefficients(layer: kanml.SplineLayer, rng: np.random.Generator) -> Array:
        variance = 1 / (layer.n_in * mean_square(layer, derivative))
        return rng.normal(0, np.sqrt(variance), shape(layer))

    return coefficients


def glorot(layer: kanml.SplineLayer, rng: np.random.Generator) -> Array:
    """Values keep their variance forwards, gradients backwards, in the mean of both."""
    forwards = layer.n_in * mean_square(layer, 0)
    backwards = layer.n_out * mean_square(layer, 1)
    return rng.normal(0, np.sqrt(2 / (forwards + backwards)), shape(layer))


def power_law(layer: kanml.SplineLayer, rng: np.random.Generator) -> Array:
    """S. Rigas, D. Verma, G. Alexandridis, Y. Wang, Initialization schemes for Kolmogorov-Arnold
    networks: an empirical study, 2025: a multiple of SiLU and a spline, the standard deviations
    powers 1/4 and 7/4 of 1 / (n_in dim). SiLU is interpolated by splines here."""
    space = layer.spaces[0]
    base = 1 / (layer.n_in * space.dim)
    points = np.linspace(-1, 1, space.dim)
    silu = np.linalg.solve(
        space.evaluate(np.eye(space.dim), points).T, points / (1 + np.exp(-points))
    )
    multiples = rng.normal(0, base**0.25, (layer.n_in, 1, layer.n_out))
    splines = rng.normal(0, base**1.75, (layer.n_in, space.dim, layer.n_out))
    return (multiples * silu[:, None] + splines).reshape(shape(layer))


def smooth(layer: kanml.SplineLayer, rng: np.random.Generator) -> Array:
    """Random polynomials: splines on one interval, refined, so that the knots do not matter."""
    space = layer.spaces[0]
    coarse = kanml.SplineSpace.uniform(-1, 1, intervals=1, degree=space.degree)
    draw = rng.normal(0, 1 / np.sqrt(layer.n_in), (layer.n_in, coarse.dim, layer.n_out))
    prolongation = kanml.prolongation(coarse, space)
    return np.concatenate([prolongation @ part for part in draw])


CANDIDATES = {
    "linear": Candidate(
        "linear maps that fill, small last layer: the default before", named("linear")
    ),
    "normal": Candidate("every coefficient N(0, 1 / n_in)", drawn(standard_normal)),
    "unit values": Candidate("variance of values kept", drawn(unit(0))),
    "unit slopes": Candidate("variance of gradients kept", drawn(unit(1))),
    "unit curvature": Candidate("second derivatives of variance 1 / n_in", drawn(unit(2))),
    "glorot": Candidate("values and gradients, in the mean", drawn(glorot)),
    "power law": Candidate("SiLU and small splines by powers of 1 / (n_in dim)", drawn(power_law)),
    "smooth": Candidate("random polynomials, on whatever knots", drawn(smooth)),
    "random": Candidate("random splines that fill, small last layer", named("random")),
    "mixed": Candidate("half linear, half random, filling", named("mixed")),
    "mixed, 7 restarts": Candidate("at most 7 others tried", named("mixed"), 7),
    "mixed, steps doubled": Candidate(
        "one start, what tries cost in steps", named("mixed"), work=2
    ),
    "default": Candidate("at most 15 others tried", named("mixed"), 15),
}
