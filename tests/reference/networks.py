"""Networks the plain way: one layer after the other, the dense basis of every input.

Inputs and parameters may be complex or of extended precision; branches (interval, inside or
outside, sign) look at the real part. A complex step f(x + ih) / h then gives derivatives to
rounding, without a difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference import relu, splines


@dataclass(frozen=True)
class Spline:
    """y_q = sum_p phi_pq(x_p); knots one an input, coefficients (sum of dims, n_out)."""

    knots: tuple
    degree: int
    coefficients: np.ndarray
    extrapolation: str = "linear"

    def __call__(self, x):
        y, start = 0.0, 0
        for p, knots in enumerate(self.knots):
            stop = start + len(knots) - self.degree - 1
            y = y + splines.evaluate(
                knots,
                self.degree,
                self.coefficients[start:stop],
                x[:, p],
                extrapolation=self.extrapolation,
            )
            start = stop
        return y

    def kink_distance(self, x):
        """How far each sample's inputs are from where phi has no derivative, (N,)."""
        distance = np.full(len(x), np.inf)
        for p, knots in enumerate(self.knots):
            kinks = []
            if self.degree == 1:
                kinks = knots[1:-1]
            elif self.extrapolation in ("clamp", "error"):
                kinks = splines.domain(knots, self.degree)
            for kink in kinks:
                distance = np.minimum(distance, abs(x[:, p] - kink))
        return distance


@dataclass(frozen=True)
class Relu:
    """y_q = sum_p sum_j w_jq max(x_p - t_j, 0)^k, term by term: splines inside their domains."""

    knots: tuple
    degree: int
    weights: np.ndarray

    def __call__(self, x):
        y, start = 0.0, 0
        for p, knots in enumerate(self.knots):
            stop = start + len(knots) - self.degree - 1
            y = y + relu.evaluate(knots, self.degree, self.weights[start:stop], x[:, p])
            start = stop
        return y


@dataclass(frozen=True)
class Linear:
    """y = x W + b, with W (n_in, n_out) and b (n_out,) or None."""

    weights: np.ndarray
    bias: np.ndarray | None = None

    def __call__(self, x):
        return x @ self.weights + (0.0 if self.bias is None else self.bias)


@dataclass(frozen=True)
class Affine:
    """y = scale * x + shift, entry by entry."""

    scale: np.ndarray | float
    shift: np.ndarray | float

    def __call__(self, x):
        return self.scale * x + self.shift


ACTIVATIONS = {
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(np.real(z) > 0.0, z, 0.0 * z),
    "silu": lambda z: z / (1.0 + np.exp(-z)),
    "sin": np.sin,
}


@dataclass(frozen=True)
class Activation:
    """y = f(x), entry by entry."""

    kind: str

    def __call__(self, x):
        return ACTIVATIONS[self.kind](x)

    def kink_distance(self, x):
        if self.kind == "relu":
            return abs(x).min(axis=1)
        return np.full(len(x), np.inf)


@dataclass(frozen=True)
class WithBase:
    """y = splines(x) + f(x) W, with a layer of splines, f by its kind and W (n_in, n_out)."""

    splines: Spline | Relu
    kind: str
    weights: np.ndarray

    def __call__(self, x):
        return self.splines(x) + Activation(self.kind)(x) @ self.weights

    def kink_distance(self, x):
        return np.minimum(self.splines.kink_distance(x), Activation(self.kind).kink_distance(x))


@dataclass(frozen=True)
class Embedding:
    """Each feature (i, kind, w) is x_i itself, cos(w x_i) or sin(w x_i)."""

    features: tuple

    def __call__(self, x):
        functions = {"identity": lambda z: z, "cosine": np.cos, "sine": np.sin}
        return np.stack([functions[kind](w * x[:, i]) for i, kind, w in self.features], axis=1)


def evaluate(layers, x):
    """The outputs (N, q) of the network for inputs x (N, d)."""
    for layer in layers:
        x = layer(x)
    return x


def kink_distance(layers, x):
    """How far each sample (N,) stays, in every layer, from the points without a derivative."""
    distance = np.full(len(x), np.inf)
    for layer in layers:
        if hasattr(layer, "kink_distance"):
            distance = np.minimum(distance, layer.kink_distance(x))
        x = layer(x)
    return distance


def complex_step(function, at, direction, step=1e-100):
    """The derivative of `function` at `at` along `direction`: no subtraction, no step error."""
    return np.imag(function(at + 1j * step * direction)) / step
