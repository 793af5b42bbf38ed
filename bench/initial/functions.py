"""Functions on the cube [-1, 1]^d, with widths of networks that fit them.

Each stands for a kind: compositions, ridges, products, quotients, peaks, kinks and steps, waves.
The names with a number are formulas of the Feynman Symbolic Regression Database (S.-M. Udrescu and
M. Tegmark, AI Feynman, Science Advances 6, 2020), their variables brought to the cube; the first
three are known from pykan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy import arcsin, cos, exp, log, maximum, pi, sin, sqrt, tanh

from kanml.equations.rotated_waves import rotated_waves

Array = npt.NDArray[np.float64]

DEGREE = 3
ALL_DEGREES = (2, 3, 4, 5)


class Function(NamedTuple):
    """A function of d arguments, each an array (N,); see `FUNCTIONS`."""

    d: int
    value: Callable[..., Array]
    widths: tuple[tuple[int, ...], ...]
    degrees: tuple[int, ...] = (DEGREE,)


class Case(NamedTuple):
    """What is learnt, and with which network."""

    name: str
    widths: tuple[int, ...]
    degree: int

    def __str__(self) -> str:
        return f"{self.name} [{','.join(map(str, self.widths))}], degree {self.degree}"


def franke(x: Array, y: Array) -> Array:
    """R. Franke, Scattered data interpolation: tests of some methods, Math. Comp. 38, 1982."""
    u, v = 9 * (x + 1) / 2, 9 * (y + 1) / 2
    peaks = 0.75 * exp(-((u - 2) ** 2 + (v - 2) ** 2) / 4)
    peaks += 0.75 * exp(-((u + 1) ** 2) / 49 - (v + 1) / 10)
    peaks += 0.5 * exp(-((u - 7) ** 2 + (v - 3) ** 2) / 4)
    return peaks - 0.2 * exp(-((u - 4) ** 2) - (v - 7) ** 2)


def friedman(*x: Array) -> Array:
    """J. Friedman, Multivariate adaptive regression splines, Ann. Stat. 19, 1991; on [0, 1]^d."""
    a, b, c, d, e, *_ = x
    return 10 * sin(pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e


def on_cube(function: Callable[..., Array]) -> Callable[..., Array]:
    """Return a function of [0, 1]^d as one of [-1, 1]^d."""
    return lambda *x: function(*((column + 1) / 2 for column in x))


def diffraction(n: Array, angle: Array) -> Array:
    """I.30.3, the intensity behind several slits."""
    angle = angle + 1.2
    return (sin((2 + n) * angle) / sin(angle)) ** 2 / 4


def gravitation(a: Array, b: Array, c: Array, d: Array, e: Array, f: Array) -> Array:
    """I.9.18, the force between two masses."""
    distance = (1.5 * b) ** 2 + (1.2 * c - 2) ** 2 + (d - 0.5 * e + 0.2 * f + 1.5) ** 2
    return (1.5 + a) * (1.5 + 0.3 * a) / distance


def interference(a: Array, b: Array, phase: Array) -> Array:
    """I.29.16, the sum of two waves."""
    p, q = 1 + 0.5 * a, 1 + b
    return sqrt(0.5 + p**2 + q**2 - 2 * p * q * cos(2 * phase))


FUNCTIONS: dict[str, Function] = {
    # Compositions
    "exp of two circles": Function(
        4,
        lambda a, b, c, d: exp((sin(pi * (a**2 + b**2)) + sin(pi * (c**2 + d**2))) / 2),
        ((4, 4, 2, 1), (4, 6, 4, 1), (4, 8, 1)),
        ALL_DEGREES,
    ),
    "sine of a circle": Function(
        2, lambda x, y: sin(pi * (x**2 + y**2)), ((2, 3, 1), (2, 3, 3, 1)), ALL_DEGREES
    ),
    "exp(sin pi x + y^2)": Function(
        2, lambda x, y: exp(sin(pi * x) + y**2), ((2, 5, 1), (2, 1, 1)), ALL_DEGREES
    ),
    "tanh and cos of sums": Function(
        10,
        lambda *x: tanh(sum(sin(pi * v) for v in x[:5])) + cos(sum(v**2 for v in x[5:])),
        ((10, 4, 1), (10, 4, 2, 1)),
    ),
    "log of a sum of exp": Function(
        4, lambda *x: log(sum(exp(3 * v) for v in x)), ((4, 2, 1),), ALL_DEGREES
    ),
    "norm of ten": Function(10, lambda *x: sqrt(0.1 + sum(v**2 for v in x)), ((10, 3, 1),)),
    "root of squares": Function(2, lambda x, y: sqrt(x**2 + y**2 + 0.01), ((2, 3, 1),)),
    "spherical wave": Function(
        3,
        lambda x, y, z: cos(6 * sqrt(x**2 + y**2 + z**2 + 0.05)),
        ((3, 2, 1), (3, 4, 1)),
        ALL_DEGREES,
    ),
    "geometric mean": Function(
        3, lambda x, y, z: ((x + 1.1) * (y + 1.1) * (z + 1.1)) ** (1 / 3), ((3, 5, 1),)
    ),
    # Ridges and waves
    "ridge": Function(2, lambda x, y: tanh(5 * (x + 0.5 * y)), ((2, 3, 1),)),
    "two ridges": Function(
        3, lambda x, y, z: sin(3 * (x + y - z)) + cos(4 * (x - 0.5 * y + z)), ((3, 5, 1),)
    ),
    "rotated waves": Function(2, on_cube(rotated_waves), ((2, 5, 1), (2, 5, 5, 1)), ALL_DEGREES),
    "damped wave": Function(1, lambda x: sin(10 * x) / (1 + 3 * x**2), ((1, 1), (1, 2, 1))),
    "chirp": Function(1, lambda x: sin(2 * pi * (x + 1) ** 2), ((1, 3, 1),)),
    # Products and sums of products
    "product": Function(2, lambda x, y: x * y, ((2, 3, 1),), ALL_DEGREES),
    "products of ten": Function(
        10,
        lambda *x: (
            x[0] * x[1] + x[2] * x[3] + x[4] * x[5] + sin(3 * x[6]) * x[7] + x[8] ** 2 - x[9]
        ),
        ((10, 10, 1),),
    ),
    "friedman": Function(10, on_cube(friedman), ((10, 5, 1),)),
    # Quotients, peaks
    "quotient": Function(2, lambda x, y: (x + 1.5) / (y + 1.5), ((2, 3, 1),)),
    "rational": Function(2, lambda x, y: 1 / (1 + 4 * x**2 + 9 * y**2), ((2, 4, 1),)),
    "peak": Function(
        2, lambda x, y: exp(-20 * ((x - 0.3) ** 2 + (y + 0.2) ** 2)), ((2, 5, 1), (2, 4, 3, 1))
    ),
    "curved ridge": Function(
        2, lambda x, y: 1 / (1 + 25 * (x + y**2) ** 2), ((2, 2, 1), (2, 4, 1)), ALL_DEGREES
    ),
    "franke": Function(2, franke, ((2, 6, 1), (2, 5, 3, 1))),
    # Kinks, steps
    "kinks": Function(2, lambda x, y: abs(x + y) - abs(x - 0.5 * y), ((2, 5, 1),), ALL_DEGREES),
    "maximum": Function(2, lambda x, y: maximum(x, y**2), ((2, 4, 1),)),
    "steps": Function(2, lambda x, y: tanh(8 * x * y), ((2, 3, 1), (2, 4, 2, 1))),
    # Formulas of physics
    "I.6.2": Function(
        2,
        lambda t, s: exp(-((1.5 * t / (1.5 + s)) ** 2) / 2) / (sqrt(2 * pi) * (1.5 + s)),
        ((2, 3, 1), (2, 2, 1, 1)),
    ),
    "I.9.18": Function(6, gravitation, ((6, 6, 1), (6, 4, 2, 1))),
    "I.12.11": Function(
        5, lambda q, e, b, v, t: (1.5 + q) * (e + b * v * sin(2 * t)), ((5, 6, 1), (5, 4, 2, 1))
    ),
    "I.15.3x": Function(2, lambda u, b: (1.5 - u) / sqrt(1 - (0.4 + 0.4 * b) ** 2), ((2, 2, 1),)),
    "I.16.6": Function(2, lambda u, v: (u + v) / (1 + 0.9 * u * v), ((2, 3, 1), (2, 2, 2, 1))),
    "I.26.2": Function(
        2, lambda n, t: arcsin((0.5 + 0.4 * n) * sin(1.4 * t)), ((2, 3, 1),), ALL_DEGREES
    ),
    "I.27.6": Function(2, lambda a, b: 1 / (1 + (1.5 + a) * (1.5 + b)), ((2, 2, 1),)),
    "I.29.16": Function(3, interference, ((3, 5, 1), (3, 3, 2, 1))),
    "I.30.3": Function(2, diffraction, ((2, 5, 1), (2, 3, 2, 1))),
    "I.40.1": Function(2, lambda n, x: (1.5 + n) * exp(-(1.5 + x) * (1 + n)), ((2, 3, 1),)),
    "II.2.42": Function(2, lambda t, a: (t - 1) * a, ((2, 3, 1),)),
    "II.6.15a": Function(
        3,
        lambda x, y, z: (1 + 0.5 * z) * sqrt((x + 1.2) ** 2 + (y + 1.2) ** 2) / 4,
        ((3, 4, 1),),
    ),
    "III.10.19": Function(
        3, lambda x, y, z: sqrt(1.1 + x**2 + y**2 + z**2), ((3, 3, 1),), ALL_DEGREES
    ),
}

CASES = [
    Case(name, widths, degree)
    for degree in sorted(ALL_DEGREES, key=lambda degree: degree != DEGREE)
    for name, function in FUNCTIONS.items()
    for widths in (function.widths if degree == DEGREE else function.widths[:1])
    if degree in function.degrees
]

# The rows of the first trial, from which the study came.
FIRST_ROWS = [
    Case(name, widths, DEGREE)
    for name in (
        "exp of two circles",
        "sine of a circle",
        "exp(sin pi x + y^2)",
        "friedman",
        "product",
        "rotated waves",
    )
    for widths in FUNCTIONS[name].widths
    if widths != (2, 1, 1)
]
