"""Initial parameters fill the domain of every spline, whatever the data and the layers between."""

from __future__ import annotations

import numpy as np
import pytest
from network_cases import DATA, outputs, space

import kanml
from kanml.layers.activation import ACTIVATIONS


def assert_fills(values, domains):
    """Every column ranges over its domain, up to rounding."""
    for column, (a, b) in zip(values.T, domains, strict=True):
        assert column.min() == pytest.approx(a, rel=0, abs=1e-12 * (b - a) + 1e-14 * abs(a))
        assert column.max() == pytest.approx(b, rel=0, abs=1e-12 * (b - a) + 1e-14 * abs(b))


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


@pytest.mark.parametrize("sample", [(0.5, -0.25), (0.0, 0.0), (3.0, 4.0)])
def test_one_sample_lands_in_the_middle(sample):
    net = kanml.Network(
        [kanml.Linear(2, 4), kanml.SplineLayer(4, 1, space(2.0, 5.0))], data=[sample]
    )
    np.testing.assert_allclose(outputs(net, [sample])[0], 3.5, rtol=1e-14)


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


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [200, 30_000])  # all samples count, not a part of them
def test_a_start_from_data_accepts_the_data(n, dtype):
    x = np.random.default_rng(1).uniform(-1, 1, (n, 3))
    x[0], x[1] = -1.0, 1.0
    for seed in range(10):
        net = kanml.KAN([3, 5, 4, 1], data=x, seed=seed, extrapolation="error", dtype=dtype)
        assert np.isfinite(net(x)).all()


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


def test_an_activation_in_front():
    net = kanml.KAN([2, 3, 1], front=[kanml.Activation("tanh")])
    assert np.isfinite(net(np.array([[0.1, 0.2]]))).all()
