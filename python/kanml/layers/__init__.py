"""The layers of a network: one file for each kind, which says everything about it."""

from collections.abc import Mapping
from typing import Any

from kanml.layers.activation import Activation
from kanml.layers.affine import Affine
from kanml.layers.layer import Layer
from kanml.layers.linear import Linear
from kanml.layers.parameters import BASES, Parameter
from kanml.layers.periodic import PeriodicEmbedding
from kanml.layers.spline import SplineLayer

__all__ = [
    "BASES",
    "KINDS",
    "Activation",
    "Affine",
    "Layer",
    "Linear",
    "Parameter",
    "PeriodicEmbedding",
    "SplineLayer",
    "describe",
    "from_description",
]

KINDS: dict[str, type[Layer]] = {
    kind.name: kind for kind in (SplineLayer, Linear, Activation, Affine, PeriodicEmbedding)
}


def describe(layer: Layer) -> dict[str, Any]:
    """Return a layer as plain values that JSON represents exactly; see `from_description`."""
    return {"layer": layer.name, **layer.description()}


def from_description(description: Mapping[str, Any]) -> Layer:
    """Return the layer that `describe` described, after checking every value again."""
    name = description.get("layer")
    if name not in KINDS:
        raise ValueError(f"unknown layer {name!r}")
    return KINDS[name].from_description(description)
