"""The geometries of Table 1: steps in the variables of one basis, with the gradient of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import kanml
from helpers import naming
from kanml.multilevel.geometry import geometry_maps
from kanml.optim.base import GEOMETRIES

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (300, 2))
PROBLEM = kanml.Regression(X, np.sin(3 * X[:, :1]) * np.cos(2 * X[:, 1:]))

OPTIMIZERS = {
    "GradientDescent": kanml.GradientDescent(1e-7),
    "Adam": kanml.Adam(1e-3, weight_decay=0.1),
    "LBFGS": kanml.LBFGS(memory=3),
}


def network(degree=3, intervals=8, **options):
    """A linear layer, splines on uniform knots, splines on two other spaces."""
    uniform = kanml.SplineSpace.uniform(-1, 1, intervals, degree)
    points = np.linspace(-1, 1, intervals + 1) ** 3
    points = np.linspace(-1, 1, intervals + 1) + 0.2 * points * (1 - points) / intervals
    layers = [
        kanml.Linear(2, 3),
        kanml.SplineLayer(3, 2, uniform),
        kanml.SplineLayer(2, 1, [uniform, kanml.SplineSpace(points, degree)]),
    ]
    return kanml.Network(layers, seed=1, data=X, **options)


def train(net, optimizer, schedule, **options):
    return kanml.train(net, PROBLEM, schedule, optimizer, progress=False, **options)


def same_function(a, b, tolerance):
    x = np.random.default_rng(1).uniform(-1.5, 1.5, (500, 2))
    return np.abs(a(x) - b(x)).max() <= tolerance * np.abs(a(x)).max()


# The identity: a geometry is a change of variables, wherever the parameters are kept


@pytest.mark.parametrize("intervals", [4, 16])
@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_relu_geometry_is_training_a_relu_network(name, degree, intervals):
    """Ten steps: in w by a network in the ReLU basis, in u with the preconditioner A^-T D A^-1."""
    net = network(degree, intervals)
    mapped = train(net, replace(OPTIMIZERS[name], geometry="relu"), [10])
    plain = train(net.to_basis("relu"), OPTIMIZERS[name], [10])
    assert plain.network.layers[1].basis == "relu"
    assert plain.history.loss[-1] < plain.history.loss[0]
    np.testing.assert_array_equal(mapped.history.evaluations, plain.history.evaluations)
    np.testing.assert_allclose(mapped.history.loss, plain.history.loss, rtol=1e-8)
    assert same_function(mapped.network, plain.network, 1e-8)


@pytest.mark.parametrize("geometry", [*GEOMETRIES, None])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_basis_of_the_parameters_does_not_matter(name, geometry):
    net = network(degree=2)
    optimizer = replace(OPTIMIZERS[name], geometry=geometry)
    start = net if geometry is not None else net.to_basis("relu")
    other = start.to_basis("relu") if geometry is not None else start
    a, b = train(start, optimizer, [5]), train(other, optimizer, [5])
    assert same_function(a.network, b.network, 1e-9)


@pytest.mark.parametrize("how", ["prolong", "reset"])
@pytest.mark.parametrize("name", ["Adam", "LBFGS"])
def test_memory_goes_through_refinements_in_its_own_space(name, how):
    net = network(degree=2, intervals=3)
    mapped = train(net, replace(OPTIMIZERS[name], geometry="relu"), [5, 5], transfer_state=how)
    plain = train(net.to_basis("relu"), OPTIMIZERS[name], [5, 5], transfer_state=how)
    assert mapped.history.step[-1] == 10
    assert same_function(mapped.network, plain.network, 1e-8)


# Table 1, written out with dense matrices


def dense_relu_transform(net):
    """A for the whole parameter vector, the identity where parameters are no splines."""
    blocks = []
    for layer in net.layers:
        if isinstance(layer, kanml.SplineLayer):
            for space in layer.spaces:
                transform = kanml.relu_transform(space).toarray()
                blocks.append(np.kron(transform, np.eye(layer.n_out)))
        else:
            blocks += [np.eye(np.prod(p.shape)) for p in layer.parameters]
    size = sum(len(block) for block in blocks)
    matrix, start = np.zeros((size, size)), 0
    for block in blocks:
        stop = start + len(block)
        matrix[start:stop, start:stop] = block
        start = stop
    return matrix


def table_1(a, g, d):
    """The update of u in each geometry, D being a scaling of what the optimizer is given."""
    inverse = np.linalg.inv(a)
    return {
        "spline": d(g),
        "relu": inverse.T @ d(inverse @ g),
        "relu-spline": inverse.T @ d(g),
        "spline-relu": d(inverse @ g),
    }


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_gradient_descent_does_what_table_1_says(geometry):
    net = network(degree=2, intervals=4)
    _, g = PROBLEM.value_and_gradient(net)
    update = table_1(dense_relu_transform(net), g, lambda g: 1e-3 * g)[geometry]
    after = train(net, kanml.GradientDescent(1e-3, geometry=geometry), [1]).network
    scale = np.abs(update).max()
    step = net.parameters - after.parameters
    np.testing.assert_allclose(step, update, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_adam_does_what_table_1_says(geometry):
    net = network(degree=1, intervals=4)
    _, g = PROBLEM.value_and_gradient(net)
    first_step = lambda g: 1e-3 * g / (np.abs(g) + 1e-8)  # noqa: E731
    update = table_1(dense_relu_transform(net), g, first_step)[geometry]
    after = train(net, kanml.Adam(1e-3, geometry=geometry), [1]).network
    scale = np.abs(update).max()
    np.testing.assert_allclose(
        net.parameters - after.parameters, update, rtol=1e-9, atol=1e-9 * scale
    )


def test_displacements_are_changes_of_the_variables_whose_gradient_is_used():
    """So that s.y in those variables is the s.y of the parameters."""
    net = network(degree=2, intervals=4)
    rng = np.random.default_rng(0)
    d, g = rng.standard_normal((2, net.n_parameters))
    for name in GEOMETRIES:
        maps = geometry_maps(net, name)
        displacement = d if maps.displacement is None else maps.displacement(d)
        here, there = maps.step(d) * g, displacement * maps.gradient(g)
        assert abs(here.sum() - there.sum()) <= 1e-12 * (np.abs(here).sum() + np.abs(there).sum())


# The safeguard of the mixed geometries


def ascends(net, name, g):
    maps = geometry_maps(net, name)
    return float(g @ maps.step(-maps.gradient(g))) > 0


def test_mixed_geometries_ascend_for_many_gradients():
    net = kanml.KAN([1, 1], degree=3, intervals=8)
    gradients = np.random.default_rng(0).standard_normal((1000, net.n_parameters))
    share = {name: np.mean([ascends(net, name, g) for g in gradients]) for name in GEOMETRIES}
    assert share["spline"] == share["relu"] == 0
    for name in ("relu-spline", "spline-relu"):
        assert 0.2 < share[name] < 0.8


def mixed_run(geometry):
    net = kanml.KAN([2, 3, 1], degree=1, intervals=4, seed=1, data=X)
    norms = []

    def watch(state):
        _, g = PROBLEM.value_and_gradient(state.network)
        used = geometry_maps(state.network, geometry).gradient(g)
        norms.append(np.sqrt(used @ used))

    result = train(net, kanml.LBFGS(geometry=geometry), [30], callbacks=[watch])
    return result.history, np.array(norms)


@pytest.mark.parametrize("geometry", ["relu-spline", "spline-relu"])
def test_lbfgs_goes_by_the_gradient_where_a_mixed_direction_ascends(geometry):
    history, norms = mixed_run(geometry)
    assert history.ascents[-1] > 0
    for step in range(1, len(norms)):
        if history.ascents[step + 1] > history.ascents[step]:
            assert norms[step] < norms[step - 1]
        else:
            assert history.loss[step + 1] <= history.loss[step] * (1 + 1e-7)


@pytest.mark.parametrize("geometry", [None, "spline", "relu"])
def test_other_geometries_never_ascend(geometry):
    history, _ = mixed_run(geometry)
    assert history.step[-1] == 30
    assert not history.ascents.any()
    assert (np.diff(history.loss) <= 0).all()


def test_a_mixed_geometry_that_cannot_go_on_says_so():
    net = kanml.KAN([2, 3, 1], degree=3, intervals=16, seed=1, data=X, start="linear")
    result = train(net, kanml.LBFGS(geometry="spline-relu"), [10])
    assert "of the mixed geometry ascends, and no step along it" in result.message
    assert np.array_equal(result.network.parameters, net.parameters)


# Networks without splines, dtypes, misuse


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_perceptron_has_one_geometry(geometry):
    net = kanml.MLP([2, 4, 1], activation="tanh", seed=0)
    plain = train(net, kanml.Adam(1e-2), [5])
    mapped = train(net, kanml.Adam(1e-2, geometry=geometry), [5])
    np.testing.assert_array_equal(mapped.network.parameters, plain.network.parameters)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_stays_float32(name):
    net = network(degree=2, intervals=4, dtype="float32")
    result = train(net, replace(OPTIMIZERS[name], geometry="relu"), [3, 3])
    assert result.network.parameters.dtype == np.float32
    assert result.status == "completed"
    assert result.history.loss[-1] < result.history.loss[0]


def test_a_geometry_that_the_dtype_cannot_hold():
    net = kanml.KAN([2, 1], degree=3, intervals=200, dtype="float32")
    with pytest.raises(ValueError, match=naming("float32", "ReLU", "intervals=200")):
        train(net, kanml.LBFGS(geometry="relu"), [3])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_unknown_geometries(name):
    with pytest.raises(ValueError, match=naming("geometry", "'relu-relu'", "spline-relu")):
        replace(OPTIMIZERS[name], geometry="relu-relu")
    with pytest.raises(ValueError, match=naming("geometry", 1)):
        replace(OPTIMIZERS[name], geometry=1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_of_ones_own_needs_the_maps(name):
    net = network()
    optimizer = replace(OPTIMIZERS[name], geometry="relu")

    def function(theta):
        return PROBLEM.value_and_gradient(net.with_parameters(theta))

    with pytest.raises(ValueError, match=naming("geometry", "'relu'", "geometry_maps")):
        optimizer.step(function, optimizer.init(net.parameters))
    maps = geometry_maps(net, "relu")
    after = optimizer.step(function, optimizer.init(net.parameters), maps)
    trained = train(net, optimizer, [1]).network.parameters
    np.testing.assert_array_equal(after.parameters, trained)


def test_what_the_finest_level_cannot_hold_is_refused_at_the_start():
    net = kanml.KAN([2, 1], degree=3, intervals=5, dtype="float32")
    with pytest.raises(ValueError, match=naming("float32", "ReLU", "intervals=80")):
        train(net, kanml.Adam(1e-3, geometry="relu"), [1] * 5)
