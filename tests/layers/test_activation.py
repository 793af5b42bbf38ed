"""Activations: values to the last place, limits, and bits that other samples do not change."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import kanml
from helpers import same_bits

EXACT = {
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
    "relu": lambda z: max(z, mpmath.mpf(0)),
    "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "sin": mpmath.sin,
}
# In units of the last place. The product of silu is rounded once more.
BOUNDS = {"sigmoid": 1.0, "tanh": 1.0, "relu": 0.0, "silu": 2.0, "sin": 1.0}
INF = np.inf

every_kind = pytest.mark.parametrize("kind", kanml.layers.activation.ACTIVATIONS)
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def activation(kind, width, dtype="float64"):
    identity = kanml.Affine(np.ones(width), np.zeros(width))
    return kanml.Network([identity, kanml.Activation(kind)], dtype=dtype)


@every_dtype
@every_kind
def test_values_are_exact_to_the_last_place(kind, dtype):
    random = np.random.default_rng(0)
    x = np.concatenate([random.uniform(-r, r, 200) for r in (1e-6, 0.6, 3, 40, 80, 1e5, 1e12)])
    x = x.astype(dtype)
    y = activation(kind, 1, dtype)(x[:, None])[:, 0]
    with mpmath.workprec(200):
        errors = [
            abs(EXACT[kind](mpmath.mpf(float(a))) - mpmath.mpf(float(b)))
            / float(np.spacing(abs(b)))
            for a, b in zip(x, y, strict=True)
        ]
    assert max(errors) <= BOUNDS[kind]


LIMITS = {
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, INF),
    "silu": (0.0, INF),
    "sin": (np.nan, np.nan),
}


@every_dtype
@every_kind
def test_infinities_have_their_limits_and_nan_stays(kind, dtype):
    x = np.array([[-INF, INF, np.nan, 0.5]], dtype)
    y = activation(kind, 4, dtype)(x)
    np.testing.assert_array_equal(y[0, :3], [*LIMITS[kind], np.nan])
    np.testing.assert_allclose(y[0, 3], float(EXACT[kind](0.5)), rtol=1e-6)


@every_dtype
@pytest.mark.parametrize("width", [1, 3, 16])
@every_kind
def test_bits_do_not_depend_on_the_other_samples(kind, width, dtype):
    net = activation(kind, width, dtype)
    random = np.random.default_rng(1)
    x, u = random.normal(scale=2, size=(2, 35, width)).astype(dtype)
    direction = random.normal(size=width)

    def results(x, u):
        _, gradient = net.vjp(x, u)
        return [net(x), gradient, *net.taylor(x, direction, 4)]

    whole = results(x, u)
    assert same_bits(whole[0], whole[2])
    for i in range(len(x)):
        one = slice(i, i + 1)
        for all_samples, alone in zip(whole, results(x[one], u[one]), strict=True):
            assert same_bits(all_samples[one], alone)
