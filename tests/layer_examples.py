"""Examples of every kind of layer, for the tests that any layer has to pass."""

from __future__ import annotations

import numpy as np

import kanml
from helpers import random_breakpoints
from kanml.layers.activation import ACTIVATIONS
from kanml.layers.parameters import BASES

NARROW, WIDE = 5, 27  # outputs of layers of splines that go different ways through the core


def splines(n_in):
    """Every basis with every rule and with a base function, narrow and wide."""

    def layer(n_out, degree, **options):
        rng = np.random.default_rng(n_in)
        spaces = [
            kanml.SplineSpace(random_breakpoints(rng, n), degree) for n in np.resize([2, 3], n_in)
        ]
        return kanml.SplineLayer(n_in, n_out, spaces, **options)

    examples = {}
    for basis in BASES:
        for rule in ("linear", "polynomial", "clamp", "error"):
            examples[f"{basis}, {rule}"] = layer(NARROW, 3, basis=basis, extrapolation=rule)
        examples[f"{basis}, base"] = layer(NARROW, 2, basis=basis, base="silu")
        examples[f"{basis}, wide"] = layer(WIDE, 3, basis=basis)
        examples[f"{basis}, base, wide"] = layer(WIDE, 2, basis=basis, base="sin")
    one_space = kanml.SplineSpace.uniform(-1, 1, intervals=4, degree=3)
    return {**examples, "one space": kanml.SplineLayer(n_in, NARROW, one_space)}


def linear(n_in):
    """With and without a bias, narrow and wide."""
    return {
        "bias": kanml.Linear(n_in, NARROW),
        "no bias": kanml.Linear(n_in, NARROW, bias=False),
        "wide": kanml.Linear(n_in, WIDE),
    }


def activation(n_in):
    """All functions."""
    return {kind: kanml.Activation(kind) for kind in ACTIVATIONS}


def affine(n_in):
    """A number for all entries, and one for each."""
    scale = np.resize([0.5, -1.25, 0.75], n_in)
    return {
        "numbers": kanml.Affine(0.7, -0.1),
        "arrays": kanml.Affine(scale, np.linspace(-0.2, 0.3, n_in)),
    }


def periodic(n_in):
    """The last input, and two with two multiples."""
    return {
        "one": kanml.PeriodicEmbedding(n_in, {n_in - 1: 3.0}),
        "two": kanml.PeriodicEmbedding(n_in, {0: 2.0, n_in // 2: 5.0}, multiples=(1, 3)),
    }


EXAMPLES = {
    "spline": splines,
    "linear": linear,
    "activation": activation,
    "affine": affine,
    "periodic": periodic,
}
"""The kind of layer, as in `kanml.layers.KINDS` -> a function of the number of inputs."""

NAMES = [(kind, name) for kind, make in EXAMPLES.items() for name in make(2)]


def example(kind, name, n_in):
    """One of the examples, with a number of inputs."""
    return EXAMPLES[kind](n_in)[name]


def reach(layer):
    """How far from 0 inputs of an example may be for the oracle and the layer to have values."""
    powers = any(parameter.kind == "relu" for parameter in layer.parameters)
    return 1.0 if powers or layer.refuses else 1.5
