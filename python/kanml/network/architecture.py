"""Architectures: layers in a row, and where the parameters of each stand in one vector."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import require_memory
from kanml.layers import KINDS, Layer, SplineLayer
from kanml.layers.layer import Part
from kanml.splines.operators import BlockOperator, InvertibleOperator
from kanml.splines.power_relu import ReluTransform
from kanml.splines.prolongation import BlockProlongation, Prolongation
from kanml.splines.space import SplineSpace

__all__ = ["Architecture", "Block"]


@dataclass(frozen=True)
class Block:
    """A part of the parameter vector: ``parameters[block.slice].reshape(block.shape)``."""

    layer: int
    name: str
    kind: str
    shape: tuple[int, ...]
    slice: slice


class Architecture:
    """The layers of a network with their widths and the layout of their parameters."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("layers must hold at least one layer, got none")
        for i, layer in enumerate(self.layers):
            if type(layer) not in KINDS.values():  # a subclass might be another function
                raise TypeError(f"layers[{i}] must be a layer of kanml, got {layer!r}")
        self.widths = _chain(self.layers)
        blocks = []
        start = 0
        for index, layer in enumerate(self.layers):
            for p in layer.parameters:
                stop = start + math.prod(p.shape)
                blocks.append(Block(index, p.name, p.kind, p.shape, slice(start, stop)))
                start = stop
        self.blocks = tuple(blocks)
        self.n_parameters = start
        # Also for float32: initial parameters are computed in float64.
        require_memory(8 * start, f"layers with {start} parameters need")

    @cached_property
    def core_layers(self) -> list[Any]:
        """The core's descriptions of the layers."""
        return [
            layer.core(width) for layer, width in zip(self.layers, self.widths[:-1], strict=True)
        ]

    @cached_property
    def float32(self) -> _core.NetworkFloat32:
        """The compiled network in float32."""
        self.require_relu_weights_that_fit(np.float32)
        return _core.NetworkFloat32(self.core_layers)

    @cached_property
    def float64(self) -> _core.NetworkFloat64:
        """The compiled network in float64."""
        self.require_relu_weights_that_fit(np.float64)
        return _core.NetworkFloat64(self.core_layers)

    def core(self, dtype: np.dtype[Any]) -> Any:
        """Return the compiled network in a dtype."""
        return self.float32 if dtype == np.float32 else self.float64

    def refine(self, factor: int, spaces: Sequence[Any] | None) -> Architecture:
        """Return the architecture on finer spaces; see `Network.refine`."""
        if spaces is None:
            return Architecture([layer.refine(factor) for layer in self.layers])
        if len(spaces) != len(self.layers):
            raise ValueError(
                f"spaces must have an entry for each of the {len(self.layers)} layers, "
                f"got {len(spaces)}"
            )
        layers: list[Layer] = []
        for i, (layer, space) in enumerate(zip(self.layers, spaces, strict=True)):
            if space is None:
                layers.append(layer)
            elif layer.spaces:
                layers.append(layer.with_space(space))
            else:
                raise ValueError(f"spaces[{i}] must be None: {layer!r} has no spaces")
        return Architecture(layers)

    def prolongation(self, fine: Architecture) -> BlockProlongation:
        """Return the operator that carries the parameters to a refined architecture."""
        if len(fine.layers) != len(self.layers):
            raise ValueError(f"fine must have {len(self.layers)} layers, got {len(fine.layers)}")
        known: dict[Any, Prolongation] = {}
        parts: list[Part[Prolongation]] = []
        for i, (layer, finer) in enumerate(zip(self.layers, fine.layers, strict=True)):
            if not layer.may_become(finer):
                raise ValueError(
                    f"fine must have the same layers on finer spaces, but its layers[{i}] is "
                    f"{finer!r}, and here it is {layer!r}"
                )
            parts += layer.transfer(finer, known)
        return BlockProlongation(parts)

    @cached_property
    def relu_transforms(self) -> dict[SplineSpace, ReluTransform]:
        """The change of basis of each space."""
        return {s: ReluTransform(s) for layer in self.layers for s in set(layer.spaces)}

    def to_basis(self, basis: str) -> Architecture:
        """Return the architecture with all spline layers in a basis."""
        return Architecture([layer.with_basis(basis) for layer in self.layers])

    def change_of_basis(self, basis: str) -> InvertibleOperator:
        """Return the operator from the parameters to those of `to_basis`: w = A^T u."""
        return BlockOperator(
            [
                part
                for layer in self.layers
                for part in layer.change_of_basis(basis, self.relu_transforms)
            ]
        )

    def require_relu_weights_that_fit(self, dtype: npt.DTypeLike) -> None:
        """Check all layers in the ReLU basis; see `require_weights_that_fit`."""
        for i, layer in enumerate(self.layers):
            if isinstance(layer, SplineLayer) and layer.basis == "relu":
                for space in dict.fromkeys(layer.spaces):  # in order: the first bad one is named
                    require_weights_that_fit(self.relu_transforms[space], dtype, f"layers[{i}]")


def require_weights_that_fit(transform: ReluTransform, dtype: npt.DTypeLike, where: str) -> None:
    """Raise ValueError where rounding to a dtype may change splines by all of their size.

    From a hundredth of their size on it is a RuntimeWarning.
    """
    lost = transform.lost(dtype)
    if lost < 0.01:
        return
    message = (
        f"{where}: {np.dtype(dtype).name} cannot hold the ReLU weights of {transform.space!r}: "
        f"rounding them may change the splines by {lost:.0e} of their size; use fewer intervals "
        f"or more even ones, a lower degree{', float64' if dtype == np.float32 else ''} or the "
        "spline basis"
    )
    if lost >= 1:
        raise ValueError(message)
    warnings.warn(message.replace("cannot", "can hardly"), RuntimeWarning, stacklevel=2)


def _chain(layers: tuple[Layer, ...]) -> tuple[int, ...]:
    """Return the widths before, between and after the layers."""
    width = next((layer.n_in for layer in layers if layer.n_in is not None), None)
    if width is None:
        raise ValueError(f"layers must include one that knows its width, got {list(layers)}")
    widths = [width]
    for i, layer in enumerate(layers):
        if layer.n_in is not None and layer.n_in != widths[-1]:
            raise ValueError(
                f"layers[{i}] = {layer!r} takes {layer.n_in} inputs, but receives {widths[-1]}"
            )
        widths.append(widths[-1] if layer.n_out is None else layer.n_out)
    return tuple(widths)
