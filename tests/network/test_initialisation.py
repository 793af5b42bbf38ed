"""Initial parameters: every spline's domain is filled, directions are spread, nothing breaks."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kanml
from helpers import random_breakpoints, same_bits
from kanml.layers import describe, from_description
from kanml.layers.activation import ACTIVATIONS
from kanml.layers.filling import spread_directions
from kanml.layers.spline import LAST_LAYER_SCALE

RNG = np.random.default_rng(11)
DATA = {
    1: RNG.uniform(-3.0, 5.0, (200, 1)),
    2: RNG.normal(size=(500, 2)) * [1.0, 300.0] + [0.0, 5000.0],
    3: RNG.uniform(-1.0, 1.0, (300, 3)) ** 3 * [1e-6, 1.0, 1e6],
    6: RNG.exponential(size=(400, 6)),
}


def space(a=-1.0, b=1.0, n=5, degree=3, seed=0):
    return kanml.SplineSpace(random_breakpoints(np.random.default_rng(seed), n, a, b), degree)


def outputs(net, x):
    """What each layer of a network hands on, layer by layer."""
    stages = []
    layers = [from_description(describe(layer)) for layer in net.layers]  # apart from the network
    for i, layer in enumerate(layers):
        part = kanml.Network(layers[: i + 1])
        stop = max((block.slice.stop for block in net.blocks if block.layer <= i), default=0)
        stages.append(part.with_parameters(net.parameters[:stop])(x))
        assert layer is part.layers[-1]
    return stages


def assert_fills(values, domains):
    """Every column ranges over its domain, up to rounding."""
    for column, (a, b) in zip(values.T, domains, strict=True):
        assert column.min() == pytest.approx(a, rel=0, abs=1e-12 * (b - a) + 1e-14 * abs(a))
        assert column.max() == pytest.approx(b, rel=0, abs=1e-12 * (b - a) + 1e-14 * abs(b))


# The domain of the next layer is filled


@pytest.mark.parametrize("n_in", DATA)
@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_layers_fill_the_domains_of_splines(n_in, degree):
    """Through Linear and spline layers; nonuniform knots, another domain an input."""
    domains = [(-1.0, 1.0), (2.0, 3.5), (-400.0, -100.0), (0.0, 1e-3)]
    spaces = [space(a, b, n=3 + i, degree=degree, seed=i) for i, (a, b) in enumerate(domains)]
    net = kanml.Network(
        [
            kanml.Linear(n_in, 4),
            kanml.SplineLayer(4, 4, spaces),
            kanml.SplineLayer(4, 3, spaces[::-1]),
            kanml.SplineLayer(3, 2, space(-2.0, 5.0, degree=degree)),
        ],
        data=DATA[n_in],
        seed=n_in,
    )
    first, second, third, last = outputs(net, DATA[n_in])
    assert_fills(first, domains)
    assert_fills(second, domains[::-1])
    assert_fills(third, [(-2.0, 5.0)] * 3)
    assert np.isfinite(last).all()


@pytest.mark.parametrize("domain", [(-1.0, 1.0), (0.0, 1.0), (-7.0, -2.0)])
@pytest.mark.parametrize("n_in", [1, 2, 3])
def test_kan_on_data_within_its_domain(n_in, domain):
    x = np.random.default_rng(0).uniform(*domain, (100, n_in))
    net = kanml.KAN([n_in, 4, 3, 1], domain=domain, data=x, seed=5)
    *hidden, _ = outputs(net, x)
    for values in hidden:
        assert_fills(values, [domain] * values.shape[1])


@pytest.mark.parametrize("domain", [(-1.0, 1.0), (0.25, 4.0)])
def test_one_input_without_data(domain):
    """Without data the domain of the first layer stands for them, or [-1, 1]."""
    x = np.linspace(*domain, 2000)[:, None]
    net = kanml.KAN([1, 4, 3, 1], domain=domain, seed=5, start="linear")
    for values in outputs(net, x)[:-1]:
        assert_fills(values, [domain] * values.shape[1])
    for start in ("mixed", "random"):  # where splines bend, ends lie between random points
        for values in outputs(kanml.KAN([1, 4, 3, 1], domain=domain, seed=5, start=start), x)[:-1]:
            ends = np.array([values.min(axis=0), values.max(axis=0)])
            missed = abs(ends - np.array(domain)[:, None]) / np.ptp(domain)
            assert missed.max() < 0.02
    net = kanml.Network([kanml.Linear(1, 3), kanml.SplineLayer(3, 1, space(*domain))], seed=5)
    assert_fills(outputs(net, np.linspace(-1, 1, 50)[:, None])[0], [domain] * 3)


@pytest.mark.parametrize("first", ["spline", "linear"])
def test_two_inputs_without_data(first):
    """The domain is covered by the corners of the square, and not left by more than the corners
    that random points miss."""
    hidden = kanml.SplineLayer(5, 1, space(-3.0, 2.0))
    layer = kanml.Linear(2, 5) if first == "linear" else kanml.SplineLayer(2, 5, space())
    corners = np.array([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])
    for seed in range(5):
        values = outputs(kanml.Network([layer, hidden], seed=seed, start="linear"), corners)[0]
        assert (values.min(axis=0) <= -3.0 + 1e-12).all()
        assert (values.max(axis=0) >= 2.0 - 1e-12).all()
        assert (np.ptp(values, axis=0) <= 1.25 * 5.0).all()


@pytest.mark.parametrize("n_in", DATA)
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_without_a_bias_the_values_fit_inside(n_in, shift):
    """A map without a bias cannot move its range: it touches one end and stays inside the other."""
    domains = [(-1.0, 1.0), (-3.0, 0.5), (-1e-3, 100.0)]
    layers = [
        kanml.Linear(n_in, 3, bias=False),
        kanml.SplineLayer(3, 1, [space(*domain) for domain in domains]),
    ]
    x = DATA[n_in] + shift * np.ptp(DATA[n_in], axis=0)
    values = outputs(kanml.Network(layers, data=x, seed=2), x)[0]
    for column, (a, b) in zip(values.T, domains, strict=True):
        margin = 1e-12 * (b - a)
        assert a - margin <= column.min()
        assert column.max() <= b + margin
        assert min(column.min() - a, b - column.max()) <= margin


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("first", ["spline", "linear"])
def test_an_activation_and_an_affine_map_in_between(first, kind):
    """The activation gets the range in which it bends; what it makes of that stays inside."""
    x = DATA[2]
    low, high = ACTIVATIONS[kind].bends
    image = np.linspace(low, high, 1001)[:, None]
    image = kanml.Network([kanml.Affine([1.0], 0.0), kanml.Activation(kind)])(image)
    scale = 2.0 / np.ptp(image)
    affine = kanml.Affine(scale, -1.0 - scale * image.min())  # onto [-1, 1]
    layers = [
        kanml.Linear(2, 4) if first == "linear" else kanml.SplineLayer(2, 4, space(-1e4, 1e4)),
        kanml.Activation(kind),
        affine,
        kanml.SplineLayer(4, 1, space()),
    ]
    before, _, mapped, _ = outputs(kanml.Network(layers, data=x, seed=1), x)
    assert_fills(before, [(low, high)] * 4)
    assert (abs(mapped) <= 1.0 + 1e-5).all()  # the extreme of silu lies between the 1001 points
    assert (np.ptp(mapped, axis=0) > 1.9).all()


@pytest.mark.parametrize(
    ("scale", "shift"), [(2.0, -1.0), (-0.5, 3.0), ([1.0, -2.0, 1e3], [0.0, 5.0, -7.0])]
)
def test_an_affine_map_in_between(scale, shift):
    domains = [(-1.0, 1.0), (2.0, 3.0), (-5.0, -4.0)]
    layers = [
        kanml.Linear(2, 3),
        kanml.Affine(scale, shift),
        kanml.Affine(-1.0, 0.25),
        kanml.SplineLayer(3, 1, [space(*domain) for domain in domains]),
    ]
    assert_fills(outputs(kanml.Network(layers, data=DATA[2]), DATA[2])[2], domains)


def test_an_affine_map_in_front():
    x = DATA[2]
    layers = [
        kanml.Affine(1 / np.array([1.0, 300.0]), [0.0, -5000 / 300]),
        kanml.SplineLayer(2, 3, space(-5.0, 5.0)),
        kanml.SplineLayer(3, 1, space()),
    ]
    assert_fills(outputs(kanml.Network(layers, data=x), x)[1], [(-1.0, 1.0)] * 3)


def test_an_affine_map_that_forgets_its_input():
    layers = [kanml.Linear(2, 3), kanml.Affine(0.0, 0.5), kanml.SplineLayer(3, 1, space())]
    assert np.isfinite(kanml.Network(layers, data=DATA[2]).parameters).all()


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


@pytest.mark.parametrize("sample", [(0.5, -0.25), (0.0, 0.0), (3.0, 4.0)])
def test_one_sample_lands_in_the_middle(sample):
    net = kanml.Network(
        [kanml.Linear(2, 4), kanml.SplineLayer(4, 1, space(2.0, 5.0))], data=[sample]
    )
    np.testing.assert_allclose(outputs(net, [sample])[0], 3.5, rtol=1e-14)


@pytest.mark.parametrize("stack", STACKS)
def test_parameters_are_of_ordinary_size(stack):
    """Also where all data are zero, so that nothing says how large weights should be."""
    for x in (np.zeros((5, 2)), np.full((5, 2), 0.5), DATA[2] / [1.0, 300.0]):
        net = kanml.Network(STACKS[stack], data=x)
        assert (abs(net.parameters) < 1e6).all()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("n_in", [1, 2, 3])
def test_data_of_any_scale(n_in, scale):
    x = np.random.default_rng(1).uniform(-1, 1, (60, n_in)) * scale
    net = kanml.Network([kanml.Linear(n_in, 4), kanml.SplineLayer(4, 1, space())], data=x)
    assert_fills(outputs(net, x)[0], [(-1.0, 1.0)] * 4)


def test_more_data_than_are_looked_at():
    """A sample of the data stands for them: nearly all of the domain is filled, inside or not."""
    x = np.random.default_rng(1).uniform(-1, 1, (50_001, 2))
    values = outputs(kanml.KAN([2, 4, 1], data=x), x)[0]
    np.testing.assert_allclose(values.min(axis=0), -1.0, rtol=0, atol=0.05)
    np.testing.assert_allclose(values.max(axis=0), 1.0, rtol=0, atol=0.05)


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


@pytest.mark.parametrize("width", DATA)
def test_standardising_gives_mean_zero_and_variance_one(width):
    x = DATA[width]
    layer = kanml.Affine.standardising(x)
    y = x * layer.scale + layer.shift
    spread = np.abs(x).max(axis=0) / x.std(axis=0)  # how much the shift cancels
    assert np.all(np.abs(y.mean(axis=0)) <= 1e-14 * spread)
    np.testing.assert_allclose(y.std(axis=0), 1.0, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 3, 7, 48, 1000])
@pytest.mark.parametrize("value", [0.0, 0.1, -1.3, 12345.6, 1e-320, 1e200, -1.7e308])
def test_standardising_only_shifts_a_column_of_one_value(value, n):
    x = np.column_stack([np.full(n, value), np.arange(n)])
    layer = kanml.Affine.standardising(x)
    assert layer.scale[0] == 1.0
    assert layer.shift[0] == -value


def test_a_column_that_varies_by_its_rounding_is_one_of_one_value():
    tenths = np.cumsum(np.full((3, 10), 0.1), axis=1)[:, -1:]  # sums of ten tenths, 1 - 1e-16
    x = np.concatenate([tenths, np.ones((3, 1))])
    assert np.ptp(x) > 0
    layer = kanml.Affine.standardising(x)
    assert layer.scale == 1.0
    np.testing.assert_allclose(kanml.Network([layer])(x), 0.0, atol=2e-16)


@pytest.mark.parametrize("size", [1e-290, 1e-200, 1e200, 1.7e308])
def test_standardising_columns_of_any_size(size):
    x = size * np.array([[0.25, -1.0], [0.5, 1.0], [1.0, 0.5]])
    y = kanml.Network([kanml.Affine.standardising(x)])(x)
    np.testing.assert_allclose(y.mean(axis=0), 0.0, atol=1e-15)
    np.testing.assert_allclose(y.std(axis=0), 1.0, rtol=1e-14)


def test_standardising_refuses_a_scale_that_float64_cannot_hold():
    with pytest.raises(ValueError, match=r"every column, got x\[:, 1\] from 0\.0 to 1e-310"):
        kanml.Affine.standardising([[0.0, 0.0], [1.0, 1e-310]])


# Boxes


def fused(scale, x, shift):
    """scale * x + shift, rounded once."""
    return float(Fraction(scale) * Fraction(x) + Fraction(shift))


@given(
    st.tuples(*[st.floats(-1e6, 1e6)] * 2).filter(lambda box: box[1] - box[0] > 1e-6),
    st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (-3.0, 0.1), (0.3, 0.7)]),
)
def test_a_box_is_mapped_into_the_domain_with_its_ends(box, domain):
    """Whether a kernel rounds the product or not; and it fills the domain, up to rounding."""
    layer = kanml.Affine.normalising([box[0]], [box[1]], domain)
    (scale,), (shift,) = layer.scale.tolist(), layer.shift.tolist()
    images = [image for x in box for image in (scale * x + shift, fused(scale, x, shift))]
    assert domain[0] <= min(images)
    assert max(images) <= domain[1]
    length = domain[1] - domain[0]
    rounding = 8 * np.finfo(float).eps * (1 + length * max(map(abs, box)) / (box[1] - box[0]))
    np.testing.assert_allclose(images, np.repeat(domain, 2), rtol=0, atol=rounding)


@pytest.mark.parametrize(
    ("lower", "upper"), [(-3.0, -2.4), (0.1, 0.3), (-1.1, 4.9), (1000.1, 1000.7)]
)
def test_the_corner_of_a_box_is_inside(lower, upper):
    """There is no jump of derivatives, and no refusal."""
    for rule in ("linear", "error"):
        box = kanml.Affine.normalising([lower], [upper])
        net = kanml.KAN([1, 1], intervals=4, extrapolation=rule, front=[box])
        net = net.with_parameters(np.arange(7.0) ** 2)
        step = (upper - lower) * 1e-9
        x = [[lower], [lower + step], [upper - step], [upper]]
        second = net.derivatives(x, ["xx"], "x")["xx"][:, 0]
        np.testing.assert_allclose(second[[0, 3]], second[[1, 2]], rtol=1e-6)


# Fixed layers in front


FRONTS = {
    "normalising": [kanml.Affine.normalising([0.0], [10.0])],
    "far away": [kanml.Affine.normalising([1e5], [1e5 + 20.0])],
    "reversed": [kanml.Affine([-0.002], [0.3])],
    "standardising": [kanml.Affine.standardising(np.linspace(3.0, 900.0, 50)[:, None])],
    "two maps": [kanml.Affine([2.0], -3.0), kanml.Affine(0.125, 1.0)],
}


@pytest.mark.parametrize("behind", ["splines", "linear"])
@pytest.mark.parametrize("front", FRONTS)
def test_fixed_maps_in_front_are_inverted(front, behind):
    """The start without data is that on data which the maps take to the domain, or to [-1, 1]."""
    first = kanml.SplineLayer(1, 4, space(-2.0, 5.0)) if behind == "splines" else kanml.Linear(1, 4)
    box = (-2.0, 5.0) if behind == "splines" else (-1.0, 1.0)
    layers = [first, kanml.SplineLayer(4, 1, space())]
    fixed = kanml.Network(FRONTS[front])
    a, b = fixed([[0.0], [1.0]])[:, 0]
    x = (np.array([box]).T - a) / (b - a)
    np.testing.assert_allclose(fixed(x), np.array([box]).T, atol=1e-9)
    net = kanml.Network([*FRONTS[front], *layers], seed=3, start="linear")
    hidden = outputs(net, x)[len(FRONTS[front])]
    np.testing.assert_allclose(np.sort(hidden, axis=0), [[-1.0] * 4, [1.0] * 4], atol=1e-9)


def test_a_periodic_input_runs_through_its_period():
    """Its cosine and sine are all of the circle; the other input has the range it needs."""
    front = [kanml.Affine([0.5, 1.0], [0.0, 0.0]), kanml.PeriodicEmbedding(2, {1: 6.0}, (1, 3))]
    layers = [*front, kanml.SplineLayer(5, 6, space()), kanml.SplineLayer(6, 1, space())]
    rng = np.random.default_rng(0)
    x = rng.uniform([-2.0, -3.0], [2.0, 3.0], (20_000, 2))
    for seed in range(3):
        hidden = outputs(kanml.Network(layers, seed=seed), x)[2]
        assert (hidden.min(axis=0) < -0.95).all()
        assert (hidden.max(axis=0) > 0.95).all()
        assert (abs(hidden) < 1.3).all()


@pytest.mark.parametrize("first", ["spline", "linear"])
def test_one_input_before_an_activation(first):
    """There is one direction only: the outputs differ in where they bend."""
    x = np.linspace(-1, 1, 101)[:, None]
    layer = kanml.SplineLayer(1, 5, space()) if first == "spline" else kanml.Linear(1, 5)
    layers = [layer, kanml.Activation("tanh"), kanml.SplineLayer(5, 1, space())]
    hidden = outputs(kanml.Network(layers, data=x, seed=1), x)[0]
    low, high = ACTIVATIONS["tanh"].bends
    half = (high - low) / 2
    assert_fills(hidden, [(low + i * half / 4, low + i * half / 4 + half) for i in range(5)])


def test_an_activation_in_front():
    net = kanml.KAN([2, 3, 1], front=[kanml.Activation("tanh")])
    assert np.isfinite(net(np.array([[0.1, 0.2]]))).all()


# A layer that refuses


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [200, 30_000])  # all samples count, not a part of them
def test_a_start_from_data_accepts_the_data(n, dtype):
    x = np.random.default_rng(1).uniform(-1, 1, (n, 3))
    x[0], x[1] = -1.0, 1.0
    for seed in range(10):
        net = kanml.KAN([3, 5, 4, 1], data=x, seed=seed, extrapolation="error", dtype=dtype)
        assert np.isfinite(net(x)).all()


# Memory


@pytest.mark.parametrize("widths", [[50_000, 1], [20_000, 3, 1], [300, 300, 1]])
def test_a_start_takes_memory_in_proportion_to_the_parameters(widths):
    kanml.KAN([2, 2, 1])  # imports and caches
    tracemalloc.start()
    net = kanml.KAN(widths)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * net.parameters.nbytes + 3 * 8 * 4_000_000


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([1.0, 2.0], ValueError, r"x must have shape \(N, width\), not empty, got \(2,\)"),
        (np.zeros((0, 2)), ValueError, r"got \(0, 2\)"),
        ([[np.nan]], ValueError, r"x must be finite, got x\[0, 0\] = nan"),
        ([[1j]], TypeError, "x must hold real numbers"),
    ],
)
def test_standardising_refuses_what_it_cannot(x, error, message):
    with pytest.raises(error, match=message):
        kanml.Affine.standardising(x)
