"""Starts: what `start=` names, which networks are fresh, and their other starts."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest

import kanml
from helpers import same_bits

KINDS = ("mixed", "linear", "random")
RNG = np.random.default_rng(5)
X = RNG.uniform(-1, 1, (300, 2))


def kan(**options):
    return kanml.KAN([2, 3, 1], **{"intervals": 4, "data": X, "seed": 1, **options})


# What hidden layers start as


def explained_by_a_line(net, x):
    """The part of the variance of the first layer's outputs that is linear in the inputs."""
    layer = net.layers[0]
    first = kanml.Network([kanml.SplineLayer(layer.n_in, layer.n_out, layer.spaces)])
    values = first.with_parameters(net.parameters[: first.n_parameters])(x)
    matrix = np.hstack([x, np.ones((len(x), 1))])
    residual = values - matrix @ np.linalg.lstsq(matrix, values, rcond=None)[0]
    return 1 - np.mean(residual**2) / np.mean((values - values.mean(axis=0)) ** 2)


def test_how_linear_each_start_is():
    """The mixture has half the slope and half the noise, before it is scaled."""

    def of(start):
        nets = [kanml.KAN([2, 40, 1], data=X, seed=seed, start=start) for seed in range(5)]
        return np.mean([explained_by_a_line(net, X) for net in nets])

    linear, mixed, random = (of(start) for start in ("linear", "mixed", "random"))
    assert linear == pytest.approx(1.0, abs=1e-12)
    assert random < 0.5 < mixed < 0.8


@pytest.mark.parametrize("start", KINDS)
def test_a_network_of_the_same_layers_starts_as_the_kan(start):
    net = kan(start=start)
    again = kanml.Network(net.layers, data=X, seed=1, start=start)
    assert same_bits(net.parameters, again.parameters)
    assert same_bits(net.restart(2).parameters, again.restart(2).parameters)


def test_mixed_is_the_default():
    assert same_bits(kan().parameters, kan(start="mixed").parameters)


@pytest.mark.parametrize("start", ["", "Linear", None, 0, ["mixed"]])
def test_a_bad_start(start):
    with pytest.raises((ValueError, TypeError), match="start must be"):
        kan(start=start)


@pytest.mark.parametrize("start", KINDS)
def test_neither_basis_nor_refinement_changes_a_start(start):
    for number in (0, 1, 2):
        spline, relu = (kan(start=start, basis=basis) for basis in ("spline", "relu"))
        if number:
            spline, relu = spline.restart(number), relu.restart(number)
        np.testing.assert_allclose(relu(X), spline(X), rtol=0, atol=1e-12)
        np.testing.assert_allclose(spline.refine()(X), spline(X), rtol=0, atol=1e-14)
    converted = kan(start=start).to_basis("relu").restart(1)
    np.testing.assert_allclose(converted(X), kan(start=start).restart(1)(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("start", KINDS)
def test_data_beyond_the_domain(start):
    """Splines continue there, and so do their starts."""
    x = RNG.uniform(-1, 4, (500, 2))
    net = kanml.KAN([2, 5, 1], data=x, start=start)
    part = kanml.KAN([2, 5])
    values = part.with_parameters(net.parameters[: part.n_parameters])(x)
    np.testing.assert_allclose(values.min(axis=0), -1, atol=1e-12)
    np.testing.assert_allclose(values.max(axis=0), 1, atol=1e-12)


# Fresh networks, and their other starts


CHANGES = {
    "with_parameters": lambda net: net.with_parameters(net.parameters),
    "refine": lambda net: net.refine(),
    "restart": lambda net: net.restart(1),
}
COPIES = {
    "astype": lambda net: net.astype("float64"),
    "to_basis": lambda net: net.to_basis("spline"),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_network_is_not_fresh(name):
    changed = CHANGES[name](kan())
    assert not changed.fresh
    assert changed.restart(0) is changed
    with pytest.raises(ValueError, match="it comes from with_parameters, refine, restart or load"):
        changed.restart(1)


def test_a_loaded_network_is_not_fresh(tmp_path):
    kan().save(tmp_path / "net")
    assert not kanml.load(tmp_path / "net").fresh


@pytest.mark.parametrize("name", COPIES)
def test_copies_have_the_same_starts(name):
    net = kan()
    copied = COPIES[name](net)
    assert net.fresh
    assert copied.fresh
    assert same_bits(net.restart(3).parameters, copied.restart(3).parameters)


def test_starts_differ_and_are_those_of_the_seed():
    numbered = [kan().restart(number).parameters for number in range(1, 8)]
    for left, right in pairwise([kan().parameters, *numbered]):
        assert not same_bits(left, right)
    assert all(
        same_bits(kan().restart(n + 1).parameters, theta) for n, theta in enumerate(numbered)
    )
    generator = kan(seed=np.random.default_rng(1))
    assert same_bits(generator.restart(2).parameters, numbered[1])
    assert not same_bits(kan(seed=2).restart(1).parameters, numbered[0])


@pytest.mark.parametrize("start", KINDS)
def test_all_kinds_take_turns(start):
    """Three starts in a row are of the three kinds."""
    net = kan(start=start)
    linear = [explained_by_a_line(other, X) for other in map(net.restart, (1, 2, 3))]
    assert sum(value > 1 - 1e-12 for value in linear) == 1
    assert (linear[2] > 1 - 1e-12) == (start == "linear")


@pytest.mark.parametrize("number", [-1, 1.5, "1"])
def test_a_bad_number(number):
    with pytest.raises((ValueError, TypeError), match="number must be"):
        kan().restart(number)


def test_other_starts_fill_the_domains_too():
    net = kanml.KAN([2, 4, 3, 1], data=X, seed=2)
    part = kanml.KAN([2, 4, 3])
    for number in range(1, 7):
        other = net.restart(number)
        values = part.with_parameters(other.parameters[: part.n_parameters])(X)
        np.testing.assert_allclose(values.min(axis=0), -1, atol=1e-12)
        np.testing.assert_allclose(values.max(axis=0), 1, atol=1e-12)


def test_a_grid_is_seen_as_a_whole_by_all_starts():
    """Rows in the order of a grid, of which every hundredth has one value in a column."""
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 1000), np.linspace(-1, 1, 50), indexing="ij"))
    x = grid.reshape(2, -1).T
    net = kanml.KAN([2, 5, 1], data=x, seed=1)
    part = kanml.KAN([2, 5])
    for number in range(6):
        theta = net.restart(number).parameters
        values = part.with_parameters(theta[: part.n_parameters])(x)
        assert abs(abs(values).max(axis=0) - 1).max() < 0.1
