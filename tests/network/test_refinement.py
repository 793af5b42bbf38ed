"""Refined networks are the same functions; a transfer to what is no refinement is refused."""

from __future__ import annotations

import numpy as np
import pytest
from network_cases import inputs, network, nonuniform, refined_thrice, spline_layers

import kanml
from helpers import naming, relative_error, same_bits, with_random_parameters


@pytest.mark.parametrize("rule", ["linear", "polynomial", "clamp"])
@pytest.mark.parametrize("degree", range(1, 6))
def test_three_refinements_keep_the_function_everywhere(degree, rule):
    net = kanml.Network(spline_layers([2, 4, 3, 2], degree, rule), seed=0)
    net = with_random_parameters(net)
    # Polynomials grow like (distance / spacing)^degree, and so does the rounding of the finest
    # coefficients: that rule is tried a little beyond the ends, in hidden layers too.
    spread = 1.6
    if rule == "polynomial":
        spread = 1.02
        net = net.with_parameters(0.25 * net.parameters)
    fine = refined_thrice(net)
    for coarse_layer, fine_layer in zip(net.layers, fine.layers, strict=True):
        for coarse_space, fine_space in zip(coarse_layer.spaces, fine_layer.spaces, strict=True):
            assert fine_space.intervals == 8 * coarse_space.intervals
        assert fine_layer.extrapolation == rule
    x = np.random.default_rng(0).uniform(-spread, spread, (2000, 2))
    t = net.layers[0].spaces[0].breakpoints
    x[: t.size, 0] = t  # at the breakpoints too
    before = net(x)
    assert relative_error(fine(x), before) <= 1e-13


@pytest.mark.parametrize("name", ["activation-sin", "affine-vector", "linear-bias"])
def test_only_spline_layers_refine(name):
    net = network(name)
    fine = refined_thrice(net)
    x = inputs(name, net, 500)
    assert relative_error(fine(x), net(x)) <= 1e-13
    for before, after in zip(net.blocks, fine.blocks, strict=True):
        assert (before.layer, before.name, before.kind) == (after.layer, after.name, after.kind)
        if before.kind == "plain":
            assert same_bits(net.parameters[before.slice], fine.parameters[after.slice])


@pytest.mark.parametrize("factor", [2, 3])
def test_refine_by_a_factor(factor):
    net = network("degree-3")
    fine = net.refine(factor)
    x = inputs("degree-3", net, 500)
    assert fine.layers[1].spaces[2].intervals == factor * net.layers[1].spaces[2].intervals
    assert relative_error(fine(x), net(x)) <= 1e-13


def test_refine_to_chosen_spaces():
    # A layer's entry is one finer space for all its inputs, a list with one an input, or None.
    space = nonuniform(4, 3, seed=1)
    others = [nonuniform(5, 3, seed=2), nonuniform(2, 3, seed=3)]
    net = kanml.Network([
        kanml.SplineLayer(3, 2, space),
        kanml.Activation("tanh"),
        kanml.SplineLayer(2, 2, others),
        kanml.Linear(2, 1),
    ], seed=0)  # fmt: skip
    net = with_random_parameters(net)
    finer = space.insert([-0.95, 0.123, 0.9])
    finer_others = [others[0].refine(3), others[1]]
    fine = net.refine(spaces=[finer, None, finer_others, None])
    for got in fine.layers[0].spaces:
        np.testing.assert_array_equal(got.breakpoints, finer.breakpoints)
    for got, expected in zip(fine.layers[2].spaces, finer_others, strict=True):
        np.testing.assert_array_equal(got.breakpoints, expected.breakpoints)
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (500, 3))
    assert relative_error(fine(x), net(x)) <= 1e-13


def test_refine_to_spaces_that_are_not_finer():
    net = kanml.Network([kanml.SplineLayer(1, 1, kanml.SplineSpace([0.0, 0.375, 1.0], 2))], seed=0)
    with pytest.raises(ValueError, match=naming("0.375")):
        net.refine(spaces=[kanml.SplineSpace([0.0, 0.5, 1.0], 2)])
    with pytest.raises(ValueError, match=naming("spaces", 2, 1)):
        net.refine(spaces=[None, None])


def test_refinement_keeps_float32():
    net = network("degree-3", "float32")
    fine = net.refine()
    assert fine.dtype == np.float32
    x = np.float32(inputs("degree-3", net, 500))
    assert relative_error(fine(x), net(x)) <= 100 * np.finfo(np.float32).eps


# Transfers between networks that do not nest


def stack(n_hidden, spaces, *, rule="linear", activation="tanh", shift=0.0):
    return kanml.Network([
        kanml.SplineLayer(2, n_hidden, spaces, extrapolation=rule),
        kanml.Activation(activation),
        kanml.Affine(1.0, shift),
        kanml.Linear(n_hidden, 1),
    ])  # fmt: skip


COARSE, FINE = (kanml.SplineSpace.uniform(-1, 1, n, 2) for n in (3, 6))


@pytest.mark.parametrize(
    ("fine", "parts"),
    [
        (stack(4, FINE), ["layers[0]", "SplineLayer(2, 4", "SplineLayer(2, 3"]),
        (stack(3, FINE, rule="clamp"), ["layers[0]", "extrapolation='clamp'"]),
        (stack(3, FINE, activation="sin"), ["layers[1]", "'sin'", "'tanh'"]),
        (stack(3, FINE, shift=0.5), ["layers[2]", "0.5"]),
        (stack(3, kanml.SplineSpace.uniform(-1, 1, 4, 2)), ["no refinement"]),
        (stack(3, kanml.SplineSpace.uniform(-1, 1, 6, 3)), ["degree", "2", "3"]),
        (kanml.Network([kanml.Linear(2, 1)]), ["4 layers", "1"]),
        (stack(3, FINE).to_basis("relu"), ["basis", "'spline'", "'relu'"]),
        (stack(3, FINE).layers, ["Network"]),
    ],
)
def test_prolongation_to_a_network_that_is_no_refinement(fine, parts):
    with pytest.raises((ValueError, TypeError), match=naming(*parts)):
        stack(3, COARSE).prolongation(fine)
    assert stack(3, COARSE).prolongation(stack(3, FINE)).shape[1] == 2 * 3 * 5 + 4
