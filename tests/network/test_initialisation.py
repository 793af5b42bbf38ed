"""Initial parameters: directions are spread, nothing breaks, and a seed repeats."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_cases import DATA, outputs, space

import kanml
from helpers import same_bits
from kanml.layers.activation import ACTIVATIONS
from kanml.layers.filling import spread_directions
from kanml.layers.spline import LAST_LAYER_SCALE

# Linear splines, and directions


def linear_part(values, x):
    """W and b of the linear map that fits best, and how far it is from the values at most."""
    unit = np.ptp(x, axis=0)
    matrix = np.hstack([(x - x.mean(axis=0)) / unit, np.ones((len(x), 1))])
    solution, *_ = np.linalg.lstsq(matrix, values, rcond=None)
    return solution[:-1] / unit[:, None], abs(matrix @ solution - values).max()


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("rule", ["linear", "polynomial"])
def test_hidden_spline_layers_are_linear_maps(degree, rule):
    """Exactly, beyond the domain too, where splines continue linearly."""
    spaces = [space(-1, 1, 4, degree), space(0, 3, 7, degree)]
    layers = [
        kanml.SplineLayer(2, 5, spaces, extrapolation=rule),
        kanml.SplineLayer(5, 1, space(degree=degree)),
    ]
    inside = np.random.default_rng(3).uniform([-1, 0], [1, 3], (200, 2))
    net = kanml.Network(layers, data=inside, seed=1, start="linear")
    assert linear_part(outputs(net, inside)[0], inside)[1] <= 1e-13
    beyond = np.vstack([inside, [[-2, -2], [3, 4], [-2, 5]]])
    assert linear_part(outputs(net, beyond)[0], beyond)[1] <= 1e-11


@pytest.mark.parametrize("m", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("first", ["spline", "linear"])
def test_directions_in_the_plane(first, m):
    """In units of the ranges of the inputs, neighbours differ by the angle pi / m."""
    x = np.random.default_rng(3).uniform([-1, 10], [1, 40], (200, 2))
    layer = (
        kanml.Linear(2, m)
        if first == "linear"
        else kanml.SplineLayer(2, m, [space(), space(10, 40)])
    )
    layers = [layer, kanml.SplineLayer(m, 1, space())]
    net = kanml.Network(layers, data=x, seed=m, start="linear")
    weights, _ = linear_part(outputs(net, x)[0], x)
    weights *= np.ptp(x, axis=0)[:, None]
    angles = np.sort(np.arctan2(weights[1], weights[0]) % np.pi)
    gaps = np.diff([*angles, angles[0] + np.pi])
    np.testing.assert_allclose(gaps, np.pi / m, rtol=1e-9)


@given(dimension=st.integers(1, 7), count=st.integers(1, 20), seed=st.integers(0, 10**6))
def test_directions(dimension, count, seed):
    v = spread_directions(dimension, count, np.random.default_rng(seed))
    assert v.shape == (dimension, count)
    np.testing.assert_allclose((v**2).sum(axis=0), 1.0, rtol=1e-12)
    if dimension == 2:
        angles = np.sort(np.arctan2(v[1], v[0]) % np.pi)
        np.testing.assert_allclose(np.diff(angles), np.pi / count, rtol=0, atol=1e-12)
    if dimension > 2:
        for start in range(0, count, dimension):
            part = v[:, start : start + dimension]
            np.testing.assert_allclose(part.T @ part, np.eye(part.shape[1]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dimension", [2, 3, 5])
def test_directions_favour_none(dimension):
    """Over many seeds the mean of v v^T is I / d: each entry a mean of 4000 independent ones."""
    sets = [spread_directions(dimension, 1, np.random.default_rng(s))[:, 0] for s in range(4000)]
    mean = np.einsum("si,sj->ij", np.array(sets), np.array(sets)) / 4000
    np.testing.assert_allclose(mean, np.eye(dimension) / dimension, rtol=0, atol=6 / 4000**0.5)


# Odd data


def finite_everywhere(net, x):
    assert np.isfinite(net.parameters).all()
    for values in outputs(net, x):
        assert np.isfinite(values).all()


STACKS = {
    "KAN": [kanml.SplineLayer(2, 4, space(-1e3, 1e3)), kanml.SplineLayer(4, 1, space())],
    "projected": [kanml.Linear(2, 4), kanml.SplineLayer(4, 1, space())],
    "without bias": [kanml.Linear(2, 4, bias=False), kanml.SplineLayer(4, 1, space(-30.0, 20.0))],
    "activations": [
        kanml.SplineLayer(2, 3, space()),
        kanml.Activation("sigmoid"),
        kanml.Affine(2.0, -1.0),
        kanml.SplineLayer(3, 1, space()),
    ],
    "perceptron": [kanml.Linear(2, 3), kanml.Activation("relu"), kanml.Linear(3, 1)],
    "splines, then linear": [kanml.SplineLayer(2, 3, space()), kanml.Linear(3, 2)],
    "affine alone": [kanml.Affine([1.0, 2.0], 0.0)],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stack", STACKS)
def test_a_constant_column(stack, dtype):
    x = np.stack([np.linspace(-1, 1, 20), np.full(20, 3.0)], axis=1)
    finite_everywhere(kanml.Network(STACKS[stack], data=x, dtype=dtype), x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sample", [(0.5, -0.25), (0.0, 0.0), (3.0, 4.0), (-3.0, -4.0)])
@pytest.mark.parametrize("stack", STACKS)
def test_one_sample(stack, sample, dtype):
    finite_everywhere(kanml.Network(STACKS[stack], data=[sample], dtype=dtype), [sample])


@pytest.mark.parametrize("stack", STACKS)
def test_parameters_are_of_ordinary_size(stack):
    """Also where all data are zero, so that nothing says how large weights should be."""
    for x in (np.zeros((5, 2)), np.full((5, 2), 0.5), DATA[2] / [1.0, 300.0]):
        net = kanml.Network(STACKS[stack], data=x)
        assert (abs(net.parameters) < 1e6).all()


@pytest.mark.parametrize("data", [None, DATA[2]], ids=["without data", "with data"])
@pytest.mark.parametrize("stack", STACKS)
def test_parameters_are_finite(stack, data):
    for seed in range(5):
        finite_everywhere(kanml.Network(STACKS[stack], data=data, seed=seed), DATA[2])


# The last layer, and perceptrons


def test_the_last_splines_are_small():
    net = kanml.KAN([2, 40, 30], intervals=20, seed=1)
    last = net.parameters[net.blocks[-1].slice]
    deviation = LAST_LAYER_SCALE / np.sqrt(40)
    assert last.std() == pytest.approx(deviation, rel=6 / np.sqrt(2 * last.size))
    assert abs(last.mean()) < 6 * deviation / np.sqrt(last.size)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_perceptrons_are_drawn_as_usual(activation):
    net = kanml.MLP([3, 200, 100, 2], activation=activation, output_bias=True, seed=1)
    for block in net.blocks:
        bound = 1 / np.sqrt(net.layers[block.layer].n_in)
        values = net.parameters[block.slice]
        assert abs(values).max() <= bound
        # Uniform: the largest of n magnitudes exceeds all but a share 20 / n, nearly always.
        assert abs(values).max() > bound * (1 - 20 / values.size)
        assert abs(values.mean()) < 6 * bound / np.sqrt(3 * values.size)


# Seeds


@pytest.mark.parametrize("data", [None, DATA[2]], ids=["without data", "with data"])
@pytest.mark.parametrize("stack", [name for name in STACKS if name != "affine alone"])
def test_seeds(stack, data):
    def parameters(seed):
        return kanml.Network(STACKS[stack], data=data, seed=seed).parameters

    assert same_bits(parameters(3), parameters(3))
    assert same_bits(parameters(3), parameters(np.int64(3)))
    assert same_bits(parameters(3), parameters(np.random.default_rng(3)))
    assert not same_bits(parameters(3), parameters(4))
    generator = np.random.default_rng(3)
    several = [parameters(generator) for _ in range(3)]
    assert not any(same_bits(a, b) for a, b in pairwise(several))


def test_float32_is_float64_rounded():
    for stack in STACKS.values():
        single = kanml.Network(stack, data=DATA[2], dtype="float32").parameters
        double = kanml.Network(stack, data=DATA[2]).parameters
        assert same_bits(single, double.astype(np.float32))


def test_data_are_left_alone():
    x = DATA[2].copy()
    x.flags.writeable = False
    kanml.KAN([2, 3, 1], data=x)
    assert same_bits(x, DATA[2])
    assert same_bits(
        kanml.KAN([2, 3, 1], data=x.tolist()).parameters, kanml.KAN([2, 3, 1], data=x).parameters
    )


@pytest.mark.parametrize("seed", [-1, 1.5, None, "0", True])
def test_bad_seeds(seed):
    with pytest.raises((TypeError, ValueError), match="seed"):
        kanml.KAN([2, 1], seed=seed)


# Memory


@pytest.mark.parametrize("widths", [[50_000, 1], [20_000, 3, 1], [300, 300, 1]])
def test_a_start_takes_memory_in_proportion_to_the_parameters(widths):
    kanml.KAN([2, 2, 1])  # imports and caches
    tracemalloc.start()
    net = kanml.KAN(widths)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * net.parameters.nbytes + 3 * 8 * 4_000_000
