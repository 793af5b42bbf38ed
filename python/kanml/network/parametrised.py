"""An architecture with parameters, and what is asked of its compiled network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, real_array, samples, threads
from kanml.devices import Device, DeviceArray
from kanml.layers import Layer
from kanml.network.architecture import Architecture, Block

__all__ = ["Parametrised"]


class Parametrised:
    """An architecture with parameters."""

    __slots__ = ("_architecture", "_parameters")

    _architecture: Architecture
    _parameters: FloatArray | DeviceArray  # in training, they may be on a device

    @property
    def _device(self) -> Device | None:
        """The device that has the parameters; None stands for the processors."""
        return self._parameters.device if isinstance(self._parameters, DeviceArray) else None

    def _core_network(self) -> Any:
        """Return the compiled network where the parameters are."""
        return self._architecture.core(self._parameters.dtype, self._device)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in the order of evaluation: descriptions without parameters or seeds."""
        return self._architecture.layers

    @property
    def parameters(self) -> FloatArray:
        """The flat parameter vector, read-only, shape (n_parameters,)."""
        if isinstance(self._parameters, DeviceArray):
            parameters = np.asarray(self._parameters)
            parameters.setflags(write=False)
            return parameters
        return self._parameters

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The parts of the parameter vector, one for each array of each layer."""
        return self._architecture.blocks

    @property
    def n_parameters(self) -> int:
        """Length of the parameter vector."""
        return self._architecture.n_parameters

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self._architecture.widths[0]

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self._architecture.widths[-1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and arithmetic, float32 or float64."""
        return self._parameters.dtype

    # Taylor coefficients

    def _planes(
        self, x: FloatArray, orders: Sequence[int], vectors: FloatArray, num_threads: int | None
    ) -> FloatArray:
        """Return Taylor coefficients, shape (1 + sum(orders), N, n_out).

        The value comes first; the orders of each direction follow in turn.
        """
        planes: FloatArray = self._core_network().taylor(
            x, self._parameters, list(orders), vectors, threads(num_threads)
        )
        return planes

    def _planes_vjp(
        self,
        x: FloatArray,
        orders: Sequence[int],
        vectors: FloatArray,
        cotangents: FloatArray,
        wrt_x: bool,
        num_threads: int | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return the gradients of ``sum(cotangents * planes)``, that in x only if asked for."""
        gradients: tuple[FloatArray, FloatArray] = self._core_network().taylor_vjp(
            x,
            self._parameters,
            list(orders),
            vectors,
            np.ascontiguousarray(cotangents),
            wrt_x,
            threads(num_threads),
        )
        return gradients

    def _no_vectors(self) -> FloatArray:
        return np.zeros((0, self.n_in), self.dtype)

    # Terms of the core: sums over their samples, and the rows of least squares

    def _reduce(
        self,
        terms: Sequence[Any],
        factors: Sequence[float],
        unknowns: Sequence[float],
        gradient: bool,
        components: Sequence[bool],
        num_threads: int | None,
    ) -> tuple[list[tuple[float, float]], FloatArray, list[FloatArray]]:
        """Return the sums of terms of the core in one pass over the points of all of them.

        These are, for each term, the sum of its losses and the largest absolute value of its
        components. The gradient is that of the sums times `factors`, with respect to parameters and
        unknowns. It and the components (n, number of components) are empty unless asked for.
        """
        result: tuple[list[tuple[float, float]], FloatArray, list[FloatArray]]
        result = self._core_network().reduce(
            terms, factors, self._parameters, unknowns, gradient, components, threads(num_threads)
        )
        return result

    def _rows(
        self,
        terms: Sequence[Any],
        scales: Sequence[float],
        unknowns: Sequence[float],
        jacobian: bool,
        num_threads: int | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return the rows (m,) of terms of the core, each times the scale of its term.

        The Jacobian (m, n_parameters + number of unknowns) has their derivatives with respect to
        parameters and unknowns. It is empty unless asked for.
        """
        result: tuple[FloatArray, FloatArray] = self._core_network().rows(
            terms, scales, self._parameters, unknowns, jacobian, threads(num_threads)
        )
        return result

    def _push(
        self,
        terms: Sequence[Any],
        scales: Sequence[float],
        unknowns: Sequence[float],
        direction: FloatArray,
        num_threads: int | None,
    ) -> FloatArray:
        """Return the Jacobian of `_rows` times a direction, shape (m,)."""
        along: FloatArray = self._core_network().push(
            terms, scales, self._parameters, unknowns, direction, threads(num_threads)
        )
        return along

    def _pull(
        self,
        terms: Sequence[Any],
        scales: Sequence[float],
        unknowns: Sequence[float],
        cotangent: FloatArray,
        num_threads: int | None,
    ) -> FloatArray:
        """Return the transpose of the Jacobian of `_rows` times a cotangent (m,)."""
        pulled: FloatArray = self._core_network().pull(
            terms, scales, self._parameters, unknowns, cotangent, threads(num_threads)
        )
        return pulled

    def _triangle(
        self,
        terms: Sequence[Any],
        scales: Sequence[float],
        unknowns: Sequence[float],
        first_layer: int,
        num_threads: int | None,
    ) -> Float64Array:
        """Return the triangular factor of the Jacobian of `_rows` and the rows, beside it.

        Its columns are those of the parameters of layers from `first_layer` on, and of the
        unknowns.
        """
        triangle: Float64Array = self._core_network().triangle(
            terms, scales, self._parameters, unknowns, first_layer, threads(num_threads)
        )
        return triangle

    def _samples(self, value: npt.ArrayLike, name: str, columns: int) -> FloatArray:
        return samples(value, name, columns, self.dtype)

    def _vector(self, value: npt.ArrayLike, name: str) -> FloatArray:
        array = real_array(value, name, self.dtype)
        if array.shape != (self.n_parameters,):
            raise ValueError(f"{name} must have shape ({self.n_parameters},), got {array.shape}")
        return array
