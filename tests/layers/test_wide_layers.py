"""Layers with many outputs, which go another way through the core: samples sorted by interval."""

import numpy as np
import pytest

import kanml
from helpers import reference_layers, same_bits
from reference import networks, splines

EPS32 = np.finfo(np.float32).eps


def uneven(n, degree, seed=3):
    steps = np.random.default_rng(seed).uniform(0.3, 1.7, n)
    return kanml.SplineSpace(np.concatenate([[0], np.cumsum(steps)]) / steps.sum() * 2 - 1, degree)


def even(n, degree):
    return kanml.SplineSpace.uniform(-1, 1, intervals=n, degree=degree)


def wide(space, n_in=3, n_out=40, dtype="float64", rule="linear"):
    layer = kanml.SplineLayer(n_in, n_out, space, extrapolation=rule)
    net = kanml.Network([layer], seed=0)
    c = np.random.default_rng(1).normal(size=net.n_parameters)
    if dtype == "float32":
        net = kanml.Network([layer], seed=0, dtype=dtype)
    return net.with_parameters(c.astype(dtype))


def dense(space, x, derivative, rule="linear"):
    """The basis at every sample and input, (N, n_in, dim)."""
    flat = splines.basis_with_rule(space.knots, space.degree, x.ravel(), derivative, rule)
    return flat.reshape(*x.shape, -1)


def expected(net, space, x, u, rule="linear"):
    """Outputs, both gradients, and for each the sum of absolute values of its terms."""
    c = net.parameters.astype(np.float64).reshape(x.shape[1], space.dim, -1)
    B, D = dense(space, x, 0, rule), dense(space, x, 1, rule)
    y = np.einsum("spi,piq->sq", B, c)
    gc = np.einsum("spi,sq->piq", B, u).ravel()
    gx = np.einsum("spi,piq,sq->sp", D, c, u)
    sizes = (
        np.einsum("spi,piq->sq", abs(B), abs(c)),
        np.einsum("spi,sq->piq", abs(B), abs(u)).ravel(),
        np.einsum("spi,piq,sq->sp", abs(D), abs(c), abs(u)),
    )
    return (y, gc, gx), sizes


@pytest.mark.parametrize("n_out", [24, 29, 32, 40, 54, 64, 71])
@pytest.mark.parametrize("degree", range(1, 6))
@pytest.mark.parametrize("make", [even, uneven])
def test_outputs_and_gradients_agree_with_the_dense_basis(make, degree, n_out):
    space = make(7, degree)
    net = wide(space, n_out=n_out)
    rng = np.random.default_rng(degree)
    x, u = rng.uniform(-1.3, 1.3, (333, 3)), rng.normal(size=(333, n_out))
    wanted, sizes = expected(net, space, x, u)
    for got, want, size in zip((net(x), *net.vjp(x, u)), wanted, sizes, strict=True):
        assert np.all(abs(got - want) <= 1e-13 * size)


@pytest.mark.parametrize("rule", ["polynomial", "clamp"])
def test_rules_outside(rule):
    space = even(5, 3)
    net = wide(space, rule=rule)
    rng = np.random.default_rng(0)
    x, u = rng.uniform(-1.5, 1.5, (200, 3)), rng.normal(size=(200, 40))
    wanted, sizes = expected(net, space, x, u, rule)
    for got, want, size in zip((net(x), *net.vjp(x, u)), wanted, sizes, strict=True):
        assert np.all(abs(got - want) <= 1e-13 * size)


def test_the_first_refused_input_is_named():
    net = wide(even(5, 3), rule="error")
    x = np.zeros((500, 3))
    x[321, 1] = 1.25
    for threads in (1, 2):
        for call in (net, lambda x, **options: net.vjp(x, np.ones((500, 40)), **options)):
            with pytest.raises(ValueError, match=r"value 1.25\d* of its input 1 at sample 321"):
                call(x, num_threads=threads)


@pytest.mark.parametrize("n_out", [1, 5, 8, 40, 64])
@pytest.mark.parametrize("degree", [1, 3, 5])
@pytest.mark.parametrize("n", [8, 40, 512])
@pytest.mark.parametrize("make", [even, uneven])
def test_float32_to_eight_eps(make, n, degree, n_out):
    space = make(n, degree)
    net = wide(space, n_in=1, n_out=n_out, dtype="float32")
    x = np.random.default_rng(n).uniform(-1, 1, (700, 1)).astype(np.float32)
    u = np.ones((700, n_out), np.float32)
    (y, _, _), (size, _, _) = expected(net, space, x.astype(np.float64), u.astype(np.float64))
    assert np.all(abs(net(x) - y) <= 8 * EPS32 * size)


@pytest.mark.parametrize("n_out", [1, 8, 40])
@pytest.mark.parametrize("degree", [1, 3, 5])
@pytest.mark.parametrize("n", [5, 7, 10, 40, 100, 512])
@pytest.mark.parametrize("make", [even, uneven])
def test_float32_beside_knots(make, n, degree, n_out):
    """Rounding may lead into the neighbour of the right interval, and functions are near zero."""
    space = make(n, degree)
    net = wide(space, n_in=1, n_out=n_out, dtype="float32")
    knots = space.breakpoints.astype(np.float32)
    below, above = (np.nextafter(knots, np.float32(side)) for side in (-2, 2))
    x = np.concatenate([knots, below, above]).clip(-1, 1)[:, None]
    B = dense(space, x.astype(np.float64), 0)[:, 0]
    c = net.parameters.astype(np.float64).reshape(space.dim, n_out)
    assert np.all(abs(net(x) - B @ c) <= 8 * EPS32 * ((B != 0) @ abs(c)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [5, 300])
def test_same_bits_for_any_number_of_threads(dtype, n):
    net = kanml.KAN([4, 40, 33, 2], intervals=n, seed=0, dtype=dtype)
    rng = np.random.default_rng(0)
    x, u = rng.uniform(-1, 1, (2500, 4)).astype(dtype), rng.normal(size=(2500, 2)).astype(dtype)
    results = [
        (
            net(x, num_threads=t),
            *net.vjp(x, u, num_threads=t),
            *net.mean_squared_error(x, u, num_threads=t),
        )
        for t in (1, 2, 3, 8)
    ]
    for result in results[1:]:
        for one, other in zip(results[0], result, strict=True):
            assert same_bits(np.asarray(one), np.asarray(other))


def test_many_samples_go_in_sheets():
    # 16 MiB a sheet: two sheets here, and the last tile is not full.
    net = wide(even(5, 2), n_in=64, n_out=64)
    rng = np.random.default_rng(0)
    x, u = rng.uniform(-1, 1, (9001, 64)), rng.normal(size=(9001, 64))
    whole, by_x = net.vjp(x, u)
    parts = [net.vjp(x[s], u[s]) for s in (slice(0, 4000), slice(4000, 9001))]
    assert abs(whole - parts[0][0] - parts[1][0]).max() <= 1e-12 * abs(whole).max()
    assert abs(by_x - np.concatenate([p[1] for p in parts])).max() <= 1e-13 * abs(by_x).max()


def test_a_mixed_network_agrees_with_the_oracle():
    space = even(6, 3)
    net = kanml.Network(
        [
            kanml.Linear(2, 36),
            kanml.Activation("tanh"),
            kanml.SplineLayer(36, 35, space),
            kanml.SplineLayer(35, 3, uneven(4, 3)),
            kanml.Linear(3, 2),
        ],
        seed=0,
    )
    rng = np.random.default_rng(0)
    x, target = rng.uniform(-1, 1, (400, 2)), rng.normal(size=(400, 2))
    assert abs(net(x) - networks.evaluate(reference_layers(net), x)).max() <= 1e-12
    loss, gradient = net.mean_squared_error(x, target)
    error = net(x) - target
    assert abs(loss - np.mean(error**2)) <= 1e-13 * loss
    direction = rng.normal(size=net.n_parameters)
    slope = np.sum(2 * error / error.size * net.jvp(x, direction))
    assert abs(gradient @ direction - slope) <= 1e-11 * np.linalg.norm(gradient) * np.linalg.norm(
        direction
    )


def test_nan_stays_in_its_sample():
    net = wide(even(6, 3))
    x = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    clean = net(x)
    x[57, 1] = np.nan
    y = net(x)
    assert np.isnan(y[57]).all()
    rest = np.arange(200) != 57
    assert same_bits(y[rest], clean[rest])
