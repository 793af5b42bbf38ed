"""Networks as functions: values, and derivatives of every kind."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import FloatArray, integer, real_array, require_memory, threads
from kanml.devices import Device, DeviceArray, SupportsDLPack, in_place
from kanml.devices import find as find_device
from kanml.network.derivatives import DirectionSet
from kanml.network.output_rows import output_rows
from kanml.network.parametrised import Parametrised

__all__ = ["Differentiable"]


class Differentiable(Parametrised):
    """An architecture with parameters, as a function of inputs and parameters."""

    __slots__ = ()

    @overload
    def __call__(
        self,
        x: DeviceArray,
        *,
        device: str | Device | None = None,
        num_threads: int | None = None,
    ) -> DeviceArray: ...
    @overload
    def __call__(
        self,
        x: npt.ArrayLike,
        *,
        device: str | Device | None = None,
        num_threads: int | None = None,
    ) -> FloatArray: ...
    @overload
    def __call__(
        self,
        x: SupportsDLPack,
        *,
        device: str | Device | None = None,
        num_threads: int | None = None,
    ) -> DeviceArray: ...
    def __call__(
        self,
        x: npt.ArrayLike | SupportsDLPack,
        *,
        device: str | Device | None = None,
        num_threads: int | None = None,
    ) -> FloatArray | DeviceArray:
        """Evaluate the network.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
            Real numbers; converted to the network's dtype. NaN gives NaN in its own sample. If it
            is in the memory of the device already, such as a tensor of PyTorch, it is read there,
            and must have that dtype.
        device : {"cpu", "cuda", "cuda:0", ...}, optional
            Where the network is evaluated; by default on the processors, and in training, on the
            device of the training.
        num_threads : int, optional
            Number of threads; `kanml.get_num_threads()` by default. The result does not depend
            on it.

        Returns
        -------
        ndarray, shape (N, n_out)
            In the memory of the device if `x` is there: a `kanml.DeviceArray`, which other
            libraries read by DLPack.

        Raises
        ------
        ValueError
            If `x` has another shape, or lies outside the domain of a layer whose extrapolation
            is "error"; or if there is no device of that name.
        TypeError
            If `x` does not hold real numbers, or is in the memory of the device in another dtype.
        RuntimeError
            If there is no such GPU, or this build has no code for GPUs.
        """
        where = self._device if device is None else find_device(device)
        given: Any = x
        inputs: FloatArray | DeviceArray | None = in_place(given, where, self.n_in, self.dtype)
        if inputs is None:
            inputs = self._samples(given, "x", self.n_in)
        parameters = self.parameters if where is None else self._parameters
        core = self._architecture.core(self.dtype, where)
        y: FloatArray | DeviceArray
        y = core.evaluate(inputs, parameters, threads(num_threads))
        return y

    def vjp(
        self, x: npt.ArrayLike, cotangent: npt.ArrayLike, *, num_threads: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the gradient of ``sum(cotangent * net(x))``.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        cotangent : array_like, shape (N, n_out)
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        gradient_parameters : ndarray, shape (n_parameters,)
        gradient_x : ndarray, shape (N, n_in)

        Raises
        ------
        ValueError
            If a shape is wrong, or as in a call of the network.
        """
        inputs = self._samples(x, "x", self.n_in)
        weights = self._samples(cotangent, "cotangent", self.n_out)
        if len(weights) != len(inputs):
            raise ValueError(
                f"cotangent must have shape {(len(inputs), self.n_out)}, got {weights.shape}"
            )
        return self._planes_vjp(inputs, [], self._no_vectors(), weights[None], True, num_threads)

    def taylor(
        self,
        x: npt.ArrayLike,
        directions: npt.ArrayLike,
        order: int,
        *,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return Taylor coefficients of the outputs along directions in the space of the inputs.

        With y(s) = net(x + s v), these are the y_m of y(s) = y_0 + y_1 s + ... + y_K s^K + ...; the
        m-th derivative along v is m! y_m. All directions are propagated together and share y_0.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        directions : array_like, shape (n_in,), (M, n_in) or (M, N, n_in)
            One direction, several, or several with a vector for each sample.
        order : int
            The highest order K, from 0 to 4, and at most the degree of every spline layer: higher
            derivatives of its splines vanish inside every interval.
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        ndarray, shape (M, order + 1, N, n_out), without M for one direction of shape (n_in,)

        Raises
        ------
        ValueError
            If the order is above the degree of a spline layer, or a shape is wrong.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([2, 3, 1], degree=3, seed=0)
        >>> y = net.taylor([[0.1, 0.2]], directions=[1.0, 0.0], order=2)
        >>> y.shape
        (3, 1, 1)
        >>> bool(y[0] == net([[0.1, 0.2]]))
        True
        """
        inputs = self._samples(x, "x", self.n_in)
        vectors, one = self._directions(directions, len(inputs))
        order = self._order(order)
        count = len(vectors)
        orders = [order] * count if order > 0 else []
        planes = self._planes(inputs, orders, vectors if orders else vectors[:0], num_threads)
        result = np.empty((count, order + 1, len(inputs), self.n_out), self.dtype)
        result[:, 0] = planes[0]
        if order > 0:
            result[:, 1:] = planes[1:].reshape(count, order, len(inputs), self.n_out)
        return result[0] if one else result

    def taylor_vjp(
        self,
        x: npt.ArrayLike,
        directions: npt.ArrayLike,
        cotangents: npt.ArrayLike,
        *,
        num_threads: int | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return the gradient of ``sum(cotangents * net.taylor(x, directions, order))``.

        Parameters
        ----------
        x, directions
            As in `taylor`.
        cotangents : array_like, shape (M, order + 1, N, n_out), without M for one direction
            The shape determines the order.
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        gradient_parameters : ndarray, shape (n_parameters,)
        gradient_x : ndarray, shape (N, n_in)

        Raises
        ------
        ValueError
            As in `taylor`, or if the cotangents have the wrong shape.
        """
        inputs = self._samples(x, "x", self.n_in)
        vectors, one = self._directions(directions, len(inputs))
        weights = real_array(cotangents, "cotangents", self.dtype)
        if one:
            weights = weights[None]
        count, rest = len(vectors), (len(inputs), self.n_out)
        if weights.ndim != 4 or weights.shape[0] != count or weights.shape[2:] != rest:
            expected = ("order + 1", *rest) if one else (count, "order + 1", *rest)
            raise ValueError(
                f"cotangents must have shape ({', '.join(map(str, expected))}), "
                f"got {weights.shape[1:] if one else weights.shape}"
            )
        order = self._order(weights.shape[1] - 1)
        orders = [order] * count if order > 0 else []
        value = weights[:, :1].sum(axis=0)
        planes = np.concatenate([value, weights[:, 1:].reshape(-1, *rest)])
        used = vectors if orders else vectors[:0]
        return self._planes_vjp(inputs, orders, used, planes, True, num_threads)

    def derivatives(
        self,
        x: npt.ArrayLike,
        names: Iterable[str],
        inputs: str,
        *,
        num_threads: int | None = None,
    ) -> dict[str, FloatArray]:
        """Return partial derivatives of the outputs with respect to the inputs.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        names : iterable of str
            The derivatives, each as up to four letters of `inputs`, one for each differentiation;
            the empty string is the value. Mixed derivatives are computed by polarisation, which
            takes one or more additional directions.
        inputs : str
            One letter for each input.
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        dict of str to ndarray, shape (N, n_out)

        Raises
        ------
        ValueError
            If a letter is unknown, or an order is above 4 or the degree of a spline layer.
        TypeError
            If `names` is a string.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([2, 3, 1], degree=3, seed=0)
        >>> d = net.derivatives([[0.1, 0.2]], ["", "t", "xx", "tx"], inputs="tx")
        >>> d["tx"].shape
        (1, 1)
        """
        points = self._samples(x, "x", self.n_in)
        if not isinstance(inputs, str) or len(inputs) != self.n_in or len(set(inputs)) < self.n_in:
            raise ValueError(
                f"inputs must be {self.n_in} different letters, one for each input, got {inputs!r}"
            )
        if isinstance(names, str):
            raise TypeError(f"names must be a sequence of names, got the string {names!r}")
        names = tuple(names)
        for name in names:
            for letter in name:
                if letter not in inputs:
                    raise ValueError(
                        f"unknown letter {letter!r} in the derivative {name!r}: "
                        f"inputs are {', '.join(inputs)}"
                    )
            self._order(len(name), f"derivative {name!r} has the order {len(name)}, but the order")
        along = DirectionSet(tuple(name) for name in names)
        letters = dict(zip(inputs, np.eye(self.n_in), strict=True))
        vectors = along.vectors(letters, self.n_in, self.dtype)
        planes = self._planes(points, along.orders, vectors, num_threads)
        return {name: along.derivative(tuple(name), planes) for name in names}

    def jvp(
        self, x: npt.ArrayLike, dtheta: npt.ArrayLike, *, num_threads: int | None = None
    ) -> FloatArray:
        """Return the derivative of ``net(x)`` along a direction in parameter space.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        dtheta : array_like, shape (n_parameters,)
            The direction.
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        ndarray, shape (N, n_out)

        Raises
        ------
        ValueError
            If a shape is wrong, or as in a call of the network.
        """
        tangent: FloatArray = self._core_network().jvp(
            self._samples(x, "x", self.n_in),
            self._parameters,
            self._vector(dtheta, "dtheta"),
            threads(num_threads),
        )
        return tangent

    def jacobian(self, x: npt.ArrayLike, *, num_threads: int | None = None) -> FloatArray:
        """Return the derivatives of all outputs with respect to all parameters.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        ndarray, shape (N, n_out, n_parameters)

        Raises
        ------
        ValueError
            If this array needs more memory than the process can have, or as in a call of the
            network.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([1, 1], degree=1, intervals=2, domain=(0, 2))
        >>> net.jacobian([[0.5], [1.0]])
        array([[[0.5, 0.5, 0. ]],
        <BLANKLINE>
               [[0. , 1. , 0. ]]])
        """
        inputs = self._samples(x, "x", self.n_in)
        shape = len(inputs), self.n_out, self.n_parameters
        require_memory(
            self.dtype.itemsize * math.prod(shape),
            f"derivatives of {self.n_out} outputs at {len(inputs)} samples with respect to "
            f"{self.n_parameters} parameters need",
        )
        if 0 in shape:
            return np.zeros(shape, self.dtype)
        _, rows = self._rows([output_rows(inputs, self.n_out)], [1.0], [], True, num_threads)
        return rows.reshape(shape)

    def mean_squared_error(
        self, x: npt.ArrayLike, y: npt.ArrayLike, *, num_threads: int | None = None
    ) -> tuple[float, FloatArray]:
        """Return the mean over all entries of ``(net(x) - y)**2``, and its gradient.

        Evaluation, error and gradient take one pass over the samples.

        Parameters
        ----------
        x : array_like, shape (N, n_in), N >= 1
        y : array_like, shape (N, n_out)
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        value : float
        gradient_parameters : ndarray, shape (n_parameters,)

        Raises
        ------
        ValueError
            If a shape is wrong, or as in a call of the network.
        """
        inputs = self._samples(x, "x", self.n_in)
        targets = self._samples(y, "y", self.n_out)
        if len(targets) != len(inputs) or len(inputs) == 0:
            raise ValueError(
                f"x and y must hold the same samples, at least one: got x of shape {inputs.shape} "
                f"and y of shape {targets.shape}"
            )
        result: tuple[float, FloatArray] = self._core_network().mean_squared_error(
            inputs, self._parameters, targets, threads(num_threads)
        )
        return result

    def _directions(self, value: npt.ArrayLike, n: int) -> tuple[FloatArray, bool]:
        """Return directions as (M, n_in) or (M, n, n_in), and whether one of (n_in,) was given."""
        vectors = real_array(value, "directions", self.dtype)
        shape, n_in = vectors.shape, self.n_in
        if shape == (n_in,):
            return vectors[None], True
        if vectors.ndim not in (2, 3) or shape[-1] != n_in or (len(shape) == 3 and shape[1] != n):
            raise ValueError(
                f"directions must have shape ({n_in},), (M, {n_in}) or (M, {n}, {n_in}), "
                f"got {shape}"
            )
        return vectors, False

    def _order(self, order: int, what: str = "order") -> int:
        """Check a Taylor order against the degrees of the spline layers."""
        order = integer(order, "order", 0)
        if order > _core.max_taylor_order:
            raise ValueError(f"{what} must be at most {_core.max_taylor_order}, got {order}")
        for i, layer in enumerate(self.layers):
            if layer.degree is not None and layer.degree < order:
                raise ValueError(
                    f"{what} must be at most the degree of every spline layer, beyond which "
                    f"derivatives vanish: order {order} needs degree {order} or more, but "
                    f"layers[{i}] has degree {layer.degree}"
                )
        return order
