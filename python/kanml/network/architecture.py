"""Architectures: a sequence of layers, and where the parameters of each are in one vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import FloatArray, require_memory
from kanml.devices import Device
from kanml.devices.network import DeviceNetwork
from kanml.layers import KINDS, Layer
from kanml.layers.parameters import Arrays, Part
from kanml.optim.matrices import Triangle
from kanml.splines.bending import bending
from kanml.splines.operators import BlockOperator, InvertibleOperator, LinearOperator, blockwise
from kanml.splines.prolongation import BlockProlongation, Prolongation
from kanml.splines.space import SplineSpace
from kanml.splines.variation import variation

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
    """The layers of a network, with their widths and the layout of their parameters."""

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

    @property
    def linear_parameters(self) -> slice:
        """The parameters in which outputs are affine: those of the last layer that has some.

        Raises
        ------
        ValueError
            If no layer has parameters, or what follows the last one is not affine.
        """
        for i in reversed(range(len(self.layers))):
            own = [block.slice for block in self.blocks if block.layer == i]
            if own:
                return slice(own[0].start, own[-1].stop)
            if not self.layers[i].is_affine:
                raise ValueError(
                    "outputs must be affine in the parameters of the last layer that has some, but "
                    f"layers[{i}] follows it: {self.layers[i]!r}"
                )
        raise ValueError("a network without parameters has none in which outputs are affine")

    @cached_property
    def core_layers(self) -> list[Any]:
        """The descriptions of the layers for the core."""
        return [
            layer.core(width) for layer, width in zip(self.layers, self.widths[:-1], strict=True)
        ]

    @cached_property
    def float32(self) -> _core.NetworkFloat32:
        """The compiled network in float32."""
        self.require_fit(np.float32)
        return _core.NetworkFloat32(self.core_layers)

    @cached_property
    def float64(self) -> _core.NetworkFloat64:
        """The compiled network in float64."""
        self.require_fit(np.float64)
        return _core.NetworkFloat64(self.core_layers)

    def core(self, dtype: np.dtype[Any], device: Device | None = None) -> Any:
        """Return the compiled network in a dtype, on a device if there is one."""
        if device is None:
            return self.float32 if dtype == np.float32 else self.float64
        key = device, dtype
        if key not in self._on_devices:
            self.require_fit(dtype)
            self._on_devices[key] = DeviceNetwork(device, self.core_layers, dtype)
        return self._on_devices[key]

    @cached_property
    def _on_devices(self) -> dict[tuple[Device, np.dtype[Any]], DeviceNetwork]:
        return {}

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

    def prolongation(self, parameters: FloatArray, fine: Architecture) -> BlockProlongation:
        """Return the operator that carries the parameters to a refined architecture."""
        if len(fine.layers) != len(self.layers):
            raise ValueError(f"fine must have {len(self.layers)} layers, got {len(fine.layers)}")
        known: dict[Any, Prolongation] = {}
        parts: list[Part[Prolongation]] = []
        stored = self.stored(parameters)
        for i, (layer, finer) in enumerate(zip(self.layers, fine.layers, strict=True)):
            if not layer.may_become(finer):
                raise ValueError(
                    f"fine must have the same layers on finer spaces, but its layers[{i}] is "
                    f"{finer!r}, and here it is {layer!r}"
                )
            if layer.parameter_kind.name != finer.parameter_kind.name:
                raise ValueError(
                    f"a prolongation stays in one basis, but layers[{i}] is {layer!r} here and "
                    f"{finer!r} in fine; change it with to_basis"
                )
            parts += layer.parameter_kind.transfer(stored[i], finer.parameter_kind, known)
        return BlockProlongation(parts)

    def to_basis(self, basis: str) -> Architecture:
        """Return the architecture with all spline layers in a basis."""
        return Architecture([layer.with_basis(basis) for layer in self.layers])

    def change_of_basis(self, basis: str) -> InvertibleOperator:
        """Return the operator from these parameters to those of `to_basis`."""
        parts: list[Part[InvertibleOperator]] = []
        for layer in self.layers:
            parts += layer.parameter_kind.change_to(layer.with_basis(basis).parameter_kind)
        return BlockOperator(parts)

    @cached_property
    def bending(self) -> LinearOperator:
        """The operator B from the parameters to the rows of all splines; see `splines.bending`.

        The square of their length is the integral of ``phi''(x)^2`` over the domain of phi, summed
        over all splines phi of the network.
        """
        return self._of_splines(bending)

    @cached_property
    def variation(self) -> LinearOperator:
        """The operator V from the parameters to the rows of all splines; see `splines.variation`.

        The square of their length is the sum of the variances of all splines over their domains.
        """
        return self._of_splines(variation)

    @cached_property
    def edge_of_variation(self) -> npt.NDArray[np.int64]:
        """The edge that each row of `variation` belongs to, counted in the order of the rows."""
        numbers, first = [np.zeros(0, np.int64)], 0
        for layer in self.layers:
            for space in layer.spaces:
                assert layer.n_out is not None
                edges = np.arange(first, first + layer.n_out)
                numbers.append(np.tile(edges, variation(space).shape[0]))
                first += layer.n_out
        return np.concatenate(numbers)

    def _of_splines(self, rows: Callable[[SplineSpace], LinearOperator]) -> LinearOperator:
        """Return the operator from the parameters to the rows of each spline, given its space.

        They come layer by layer, and within a layer input by input, point by point and output by
        output. Base functions have none.
        """
        parts: list[Part[LinearOperator]] = []
        for block in self.blocks:
            layer = self.layers[block.layer]
            if layer.spaces and block.name == "coefficients":
                runs = [(space, len(list(run))) for space, run in groupby(layer.spaces)]
                parts += [(count, block.shape[1], rows(space)) for space, count in runs]
            else:
                parts.append((1, 1, _nothing_of(math.prod(block.shape))))
        of_splines = self.change_of_basis("spline")
        apply = blockwise(parts, lambda op: op._apply, of_rows=False)
        apply_transpose = blockwise(parts, lambda op: op._apply_transpose, of_rows=True)
        return LinearOperator(
            (sum(copies * m * op.shape[0] for copies, m, op in parts if op), self.n_parameters),
            lambda x: apply(of_splines._apply(x)),
            lambda r: of_splines._apply_transpose(apply_transpose(r)),
        )

    @cached_property
    def bending_triangle(self) -> Triangle:
        """The same reduced to a triangle, whose residuals are 0."""
        rows = self.bending.shape[0]
        require_memory(8 * rows * self.n_parameters, f"{rows} rows of second derivatives need")
        return Triangle.of(self.bending.toarray(), np.zeros(rows))

    def encode(self, read: Sequence[Arrays]) -> FloatArray:
        """Return the parameter vector from which kernels read these arrays of each layer."""
        kinds = [layer.parameter_kind for layer in self.layers]
        stored = [
            array for kind, arrays in zip(kinds, read, strict=True) for array in kind.encode(arrays)
        ]
        return np.concatenate([np.zeros(0), *(array.ravel() for array in stored)])

    def stored(self, parameters: FloatArray) -> list[Arrays]:
        """Return the arrays of each layer in a parameter vector."""
        arrays: list[list[FloatArray]] = [[] for _ in self.layers]
        for block in self.blocks:
            arrays[block.layer].append(parameters[block.slice].reshape(block.shape))
        return [tuple(of_layer) for of_layer in arrays]

    def require_fit(self, dtype: npt.DTypeLike) -> None:
        """Raise ValueError if a dtype cannot hold the parameters of a layer."""
        for i, layer in enumerate(self.layers):
            layer.parameter_kind.require_fit(dtype, f"layers[{i}]")


def _nothing_of(size: int) -> LinearOperator:
    """Return the operator without rows on vectors of a length."""
    return LinearOperator(
        (0, size),
        lambda x: x[:, :0],
        lambda r: np.zeros((len(r), size, r.shape[2]), r.dtype),
    )


def _chain(layers: tuple[Layer, ...]) -> tuple[int, ...]:
    """Return the widths before, between and after the layers."""
    width = next((layer.n_in for layer in layers if layer.n_in is not None), None)
    if width is None:
        raise ValueError(f"layers must include one with a width of its own, got {list(layers)}")
    widths = [width]
    for i, layer in enumerate(layers):
        if layer.n_in is not None and layer.n_in != widths[-1]:
            raise ValueError(
                f"layers[{i}] = {layer!r} takes {layer.n_in} inputs, but receives {widths[-1]}"
            )
        widths.append(widths[-1] if layer.n_out is None else layer.n_out)
    return tuple(widths)
