"""The compiled network of an architecture on a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml.devices.device import Arrays, Device, DeviceArray
from kanml.devices.kinds import of_kind

__all__ = ["DeviceNetwork"]

Sums: TypeAlias = list[tuple[float, float]]


class DeviceNetwork:
    """It has the calls of the compiled network on processors; threads mean nothing here.

    Arguments may be in the memory of the device or of the process. Values come back to where the
    inputs are, and what `reduce` returns as a gradient to where the parameters are; all else comes
    back to the process.

    Parameters
    ----------
    device : Device
    layers : sequence of _core.Layer
    dtype : dtype
    """

    def __init__(self, device: Device, layers: Sequence[Any], dtype: np.dtype[Any]) -> None:
        self._device, self._dtype = device, dtype
        self._core = of_kind("DeviceNetwork", dtype)(device.core, list(layers))

    def evaluate(self, x: Arrays, parameters: Arrays, threads: int) -> Arrays:
        """Return the outputs (n, n_out)."""
        none = np.zeros((0, x.shape[1]), self._dtype)
        planes = self.taylor(x, parameters, [], none, threads)
        y: Arrays = planes.reshape(planes.shape[1:])
        return y

    def taylor(
        self, x: Arrays, parameters: Arrays, orders: list[int], vectors: Arrays, threads: int
    ) -> Arrays:
        """Return planes of Taylor coefficients (n_planes, n, n_out)."""
        planes = self._core.taylor(
            self._in(x), self._parameters(parameters), orders, self._in(vectors)
        )
        coefficients: Arrays = self._out(planes, x)
        return coefficients

    def taylor_vjp(
        self,
        x: Arrays,
        parameters: Arrays,
        orders: list[int],
        vectors: Arrays,
        cotangents: Arrays,
        by_x: bool,
        threads: int,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the gradients with respect to the parameters, and to the inputs if asked for."""
        by_parameters, by_inputs = self._core.taylor_vjp(
            self._in(x),
            self._parameters(parameters),
            orders,
            self._in(vectors),
            self._in(cotangents),
            by_x,
        )
        return by_parameters.download(), by_inputs.download()

    def jvp(self, x: Arrays, parameters: Arrays, tangent: Arrays, threads: int) -> Arrays:
        """Return the derivative of the outputs along a direction in parameter space."""
        along = self._core.jvp(self._in(x), self._parameters(parameters), self._in(tangent))
        y: Arrays = self._out(along, x)
        return y

    def mean_squared_error(
        self, x: Arrays, parameters: Arrays, target: Arrays, threads: int
    ) -> tuple[float, npt.NDArray[Any]]:
        """Return the mean squared error and its gradient."""
        value, gradient = self._core.mean_squared_error(
            self._in(x), self._parameters(parameters), self._in(target)
        )
        return value, gradient.download()

    def reduce(
        self,
        terms: Sequence[Any],
        factors: Sequence[float],
        parameters: Arrays,
        unknowns: Sequence[float],
        gradient: bool,
        components: Sequence[bool],
        threads: int,
    ) -> tuple[Sums, Arrays, list[npt.NDArray[Any]]]:
        """Return sums of terms, their gradient, and components in the memory of the process."""
        sums, by_all, residuals = self._core.reduce(
            self._terms(terms),
            factors,
            self._parameters(parameters),
            unknowns,
            gradient,
            components,
        )
        return sums, self._out(by_all, parameters), [part.download() for part in residuals]

    def rows(
        self,
        terms: Sequence[Any],
        scales: Sequence[float],
        parameters: Arrays,
        unknowns: Sequence[float],
        jacobian: bool,
        threads: int,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return rows of least squares, and their Jacobian if asked for."""
        values, derivatives = self._core.rows(
            self._terms(terms), scales, self._parameters(parameters), unknowns, jacobian
        )
        return values.download(), derivatives.download()

    def push(
        self,
        terms: Sequence[Any],
        scales: Sequence[float],
        parameters: Arrays,
        unknowns: Sequence[float],
        direction: Arrays,
        threads: int,
    ) -> npt.NDArray[Any]:
        """Return the Jacobian times a direction."""
        along: npt.NDArray[Any] = self._core.push(
            self._terms(terms), scales, self._parameters(parameters), unknowns, self._in(direction)
        ).download()
        return along

    def pull(
        self,
        terms: Sequence[Any],
        scales: Sequence[float],
        parameters: Arrays,
        unknowns: Sequence[float],
        cotangent: Arrays,
        threads: int,
    ) -> npt.NDArray[Any]:
        """Return the transpose of the Jacobian times a cotangent."""
        pulled: npt.NDArray[Any] = self._core.pull(
            self._terms(terms), scales, self._parameters(parameters), unknowns, self._in(cotangent)
        ).download()
        return pulled

    def triangle(
        self,
        terms: Sequence[Any],
        scales: Sequence[float],
        parameters: Arrays,
        unknowns: Sequence[float],
        first_layer: int,
        threads: int,
    ) -> npt.NDArray[np.float64]:
        """Return the triangular factor of the Jacobian and the rows beside it."""
        factor: npt.NDArray[np.float64] = self._core.triangle(
            self._terms(terms), scales, self._parameters(parameters), unknowns, first_layer
        )
        return factor

    def _in(self, array: Arrays) -> Any:
        return self._device.array(array).core

    def _parameters(self, parameters: Arrays) -> Any:
        return self._device.placed(parameters).core

    def _out(self, core: Any, like: Arrays) -> Any:
        if isinstance(like, DeviceArray):
            return DeviceArray(core, self._device, self._dtype)
        return core.download()

    def _terms(self, terms: Sequence[Any]) -> list[Any]:
        return self._device.terms(terms, self._dtype)
