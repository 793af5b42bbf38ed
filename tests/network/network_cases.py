"""Spaces, networks and their inputs: what several tests of networks share."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

import kanml
from helpers import random_breakpoints, reference_layers, with_random_parameters
from kanml.layers import describe, from_description
from reference import networks


def nonuniform(n, degree, seed, a=-1.0, b=1.0):
    return kanml.SplineSpace(random_breakpoints(np.random.default_rng(seed), n, a, b), degree)


def spline_layers(widths, degree, rule="linear"):
    """Spline layers on nonuniform knots, a space of its own and of its own size an input."""
    return [
        kanml.SplineLayer(
            n_in,
            n_out,
            [nonuniform(3 + 2 * p + i, degree, seed=10 * i + p) for p in range(n_in)],
            extrapolation=rule,
        )
        for i, (n_in, n_out) in enumerate(pairwise(widths))
    ]


class Case(NamedTuple):
    """A network, and how far its inputs spread: beyond the domain except under the rule error."""

    layers: list
    spread: float = 1.6


def case(name):
    kind, _, what = name.partition("-")
    if kind == "degree":
        return Case(spline_layers([2, 4, 3, 2], int(what)))
    if kind == "rule":
        if what == "error":
            return Case(spline_layers([3, 5], 3, "error"), spread=1.0)
        return Case(spline_layers([2, 3, 1], 3, what), spread=1.2)
    if kind == "activation":
        hidden = kanml.SplineLayer(4, 3, nonuniform(6, 2, seed=3))
        return Case([
            kanml.Linear(3, 4),
            kanml.Activation(what),
            hidden,
            kanml.Activation(what),
            kanml.Linear(3, 2, bias=False),
        ])  # fmt: skip
    if kind == "affine":
        scale = 0.7 if what == "scalar" else np.array([0.5, -1.5, 0.25])
        shift = -0.1 if what == "scalar" else np.array([0.0, 0.3, -0.2])
        return Case([
            kanml.Linear(2, 3),
            kanml.Affine(scale, shift),
            kanml.SplineLayer(3, 2, nonuniform(4, 4, seed=4)),
            kanml.Affine(2.0, [1.0, -1.0]),
        ])  # fmt: skip
    if kind == "linear":
        return Case([kanml.Linear(3, 2, bias=what == "bias")])
    raise ValueError(name)


CASES = [
    *(f"degree-{k}" for k in range(1, 6)),
    *(f"rule-{rule}" for rule in ("polynomial", "clamp", "error")),
    *(f"activation-{kind}" for kind in networks.ACTIVATIONS),
    "affine-scalar",
    "affine-vector",
    "linear-bias",
    "linear-plain",
]


def network(name, dtype="float64"):
    return with_random_parameters(kanml.Network(case(name).layers, seed=0, dtype=dtype))


def inputs(name, net, n, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, (n, net.n_in)) * case(name).spread


def smooth_inputs(name, net, n):
    """Inputs where every layer has a derivative, by a margin: kinks have a test of their own."""
    x = inputs(name, net, 4 * n)
    x = x[networks.kink_distance(reference_layers(net), x) > 1e-6][:n]
    assert len(x) == n
    return x


def refined_thrice(net):
    for _ in range(3):
        net = net.refine()
    return net


# Starts: data, spaces with a domain, and what becomes of the data on the way

RNG = np.random.default_rng(11)
DATA = {
    1: RNG.uniform(-3.0, 5.0, (200, 1)),
    2: RNG.normal(size=(500, 2)) * [1.0, 300.0] + [0.0, 5000.0],
    3: RNG.uniform(-1.0, 1.0, (300, 3)) ** 3 * [1e-6, 1.0, 1e6],
    6: RNG.exponential(size=(400, 6)),
}


def space(a=-1.0, b=1.0, n=5, degree=3, seed=0):
    return nonuniform(n, degree, seed, a, b)


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
