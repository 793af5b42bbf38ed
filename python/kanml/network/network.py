"""Networks: an immutable architecture and one flat parameter vector."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kanml import _core, io
from kanml._validation import (
    MAX_SIZE,
    FloatArray,
    choice,
    finite,
    float_dtype,
    integer,
    real_array,
    require_memory,
    samples,
    threads,
)
from kanml.derivatives import DerivativePlan
from kanml.initialisation import RANDOM_SHARES, Generator, Start
from kanml.layers import (
    BASES,
    Activation,
    Affine,
    Layer,
    Linear,
    PeriodicEmbedding,
    SplineLayer,
    describe,
    from_description,
)
from kanml.operators import BlockOperator, InvertibleOperator
from kanml.relu import ReluTransform
from kanml.splines import SplineSpace
from kanml.transfer import BlockProlongation, Prolongation, prolongation

__all__ = ["KAN", "MLP", "Block", "Network", "load"]


RANGES = {"tanh": (-1.0, 1.0), "sin": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}  # of activations
LAYER_TYPES = (SplineLayer, Linear, Activation, Affine, PeriodicEmbedding)


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
            if type(layer) not in LAYER_TYPES:  # a subclass might be another function
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
            return Architecture(
                [x.refine(factor) if isinstance(x, SplineLayer) else x for x in self.layers]
            )
        if len(spaces) != len(self.layers):
            raise ValueError(
                f"spaces must have an entry for each of the {len(self.layers)} layers, "
                f"got {len(spaces)}"
            )
        layers: list[Layer] = []
        for i, (layer, space) in enumerate(zip(self.layers, spaces, strict=True)):
            if space is None:
                layers.append(layer)
            elif isinstance(layer, SplineLayer):
                layers.append(layer.with_space(space))
            else:
                raise ValueError(f"spaces[{i}] must be None: {layer!r} has no spaces")
        return Architecture(layers)

    def prolongation(self, fine: Architecture) -> BlockProlongation:
        """Return the operator that carries the parameters to a refined architecture."""
        known: dict[tuple[SplineSpace, SplineSpace, str], Prolongation] = {}
        parts: list[tuple[int, int, Prolongation | None]] = []
        if len(fine.layers) != len(self.layers):
            raise ValueError(f"fine must have {len(self.layers)} layers, got {len(fine.layers)}")
        for i, (layer, finer) in enumerate(zip(self.layers, fine.layers, strict=True)):
            if not _may_refine(layer, finer):
                raise ValueError(
                    f"fine must have the same layers on finer spaces, but its layers[{i}] is "
                    f"{finer!r}, and here it is {layer!r}"
                )
            if isinstance(layer, SplineLayer) and isinstance(finer, SplineLayer):
                if layer.basis != finer.basis:
                    raise ValueError(
                        f"a prolongation stays in one basis, got {layer!r} in {layer.basis!r} and "
                        f"{finer!r} in {finer.basis!r}; change it with to_basis"
                    )
                for pair, copies in _runs(zip(layer.spaces, finer.spaces, strict=True)):
                    key = (*pair, layer.basis)
                    if key not in known:
                        known[key] = prolongation(*pair, basis=layer.basis)
                    parts.append((copies, layer.n_out, known[key]))
            else:
                parts.extend((math.prod(p.shape), 1, None) for p in layer.parameters)
        return BlockProlongation(parts)

    @cached_property
    def relu_transforms(self) -> dict[SplineSpace, ReluTransform]:
        """The change of basis of each space."""
        layers = (layer for layer in self.layers if isinstance(layer, SplineLayer))
        return {space: ReluTransform(space) for layer in layers for space in set(layer.spaces)}

    def to_basis(self, basis: str) -> Architecture:
        """Return the architecture with all spline layers in a basis."""
        return Architecture(
            [x.with_basis(basis) if isinstance(x, SplineLayer) else x for x in self.layers]
        )

    def change_of_basis(self, basis: str) -> InvertibleOperator:
        """Return the operator from the parameters to those of `to_basis`: w = A^T u."""
        parts: list[tuple[int, int, InvertibleOperator | None]] = []
        for layer in self.layers:
            if isinstance(layer, SplineLayer) and layer.basis != basis:
                for space, copies in _runs(layer.spaces):
                    to_relu = self.relu_transforms[space].T
                    change = to_relu if basis == "relu" else to_relu.inverse
                    parts.append((copies, layer.n_out, change))
            else:
                parts.extend((math.prod(p.shape), 1, None) for p in layer.parameters)
        return BlockOperator(parts)

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


def _may_refine(layer: Layer, finer: Layer) -> bool:
    """Say whether two layers are alike but for the spaces, and the basis, of splines."""
    if isinstance(layer, SplineLayer) and isinstance(finer, SplineLayer):
        widths = (layer.n_in, layer.n_out) == (finer.n_in, finer.n_out)
        return widths and layer.extrapolation == finer.extrapolation
    return describe(layer) == describe(finer)


def _not_default(
    seed: int | Generator, dtype: npt.DTypeLike, data: npt.ArrayLike | None, start: str
) -> tuple[str, ...]:
    given = {
        "seed": isinstance(seed, Generator) or seed != 0,
        "dtype": float_dtype(dtype) != np.float64,
        "data": data is not None,
        "start": start != "mixed",
    }
    return tuple(name for name, is_given in given.items() if is_given)


def _warn_of_lost_options(layers: Sequence[Layer], given: tuple[str, ...]) -> None:
    """Warn where layers of another network are used without the options that it was given."""
    for i, layer in enumerate(layers):
        name, options = getattr(layer, "origin", ("", ()))
        if lost := [option for option in options if option not in given]:
            options_lost = ", ".join(f"{option}=" for option in lost)
            warnings.warn(
                f"layers[{i}] comes from a {name} that was given {options_lost}; layers hold no "
                f"parameters, so give {options_lost} to this network",
                UserWarning,
                stacklevel=3,
            )
            return


Item = TypeVar("Item")


def _runs(items: Iterable[Item]) -> list[tuple[Item, int]]:
    """Return the runs of equal items, each with its length."""
    return [(item, len(list(run))) for item, run in groupby(items)]


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


class Network:
    """A network of layers over one flat parameter vector. Immutable.

    Parameters
    ----------
    layers : sequence of layers
        `SplineLayer`, `Linear`, `Activation`, `Affine` and `PeriodicEmbedding`, in the order of
        evaluation.
    seed : int or numpy.random.Generator
        For the initial parameters.
    dtype : {"float64", "float32"}
        Type of the parameters and of all arithmetic.
    data : array_like, shape (N, n_in), optional
        Training inputs, from which the initialisation takes the ranges that the layers see.
        Without them it assumes that the domain of the first layer is filled, if that is a spline
        layer, else [-1, 1] in every input; fixed layers in front, such as `Affine.normalising`,
        are taken into account.
    start : {"mixed", "linear", "random"}
        What spline layers but the last start as: linear maps, random splines, or half of each.
        Whatever it is, `train` tries the others too: see its `restarts`.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace.uniform(-1, 1, intervals=5, degree=3)
    >>> net = kanml.Network([kanml.Linear(2, 5), kanml.SplineLayer(5, 1, space)], seed=0)
    >>> net.n_parameters
    55
    >>> net([[0.1, 0.2], [0.3, 0.4]]).shape
    (2, 1)
    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(-2, 2, (100, 2))
    >>> bool(abs(net.refine()(x) - net(x)).max() < 1e-13)
    True
    """

    __slots__ = ("_architecture", "_parameters", "_start")

    _start: Start | None

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        seed: int | Generator = 0,
        dtype: npt.DTypeLike = "float64",
        data: npt.ArrayLike | None = None,
        start: str = "mixed",
    ) -> None:
        layers = tuple(layers)
        choice(start, "start", tuple(RANDOM_SHARES))
        given = _not_default(seed, dtype, data, start)
        _warn_of_lost_options(layers, given)
        if type(self) is not Network:  # then the layers are new, and made for this network
            for layer in layers:
                layer.origin = (type(self).__name__, given)
        self._architecture = Architecture(layers)
        inputs = None
        if data is not None:
            inputs = finite(real_array(data, "data"), "data")
            if inputs.ndim != 2 or inputs.shape[1] != self.n_in or len(inputs) == 0:
                raise ValueError(
                    f"data must have shape (N, {self.n_in}) with N >= 1, got shape {inputs.shape}"
                )
        drawn, self._start = Start.first(self._architecture, start, seed, inputs)
        self._parameters = self._from_splines(drawn, float_dtype(dtype))
        self._core_network()  # so that knots which coincide in the dtype are refused here

    @classmethod
    def _of(
        cls, architecture: Architecture, parameters: FloatArray, start: Start | None = None
    ) -> Network:
        net = object.__new__(cls if cls is Network else Network)
        net._architecture = architecture
        net._parameters = _frozen(parameters)
        net._start = start
        return net

    def _from_splines(self, coefficients: FloatArray, dtype: np.dtype[Any]) -> FloatArray:
        """Return the parameters of B-spline coefficients: the basis leaves the function alone."""
        to_splines = self._architecture.change_of_basis("spline")
        return _frozen(to_splines.solve(coefficients).astype(dtype))

    @property
    def fresh(self) -> bool:
        """Whether the parameters are those that the constructor drew, so that others are as good.

        Those of `with_parameters`, `refine`, `restart` and `load` are not; copies are.
        """
        return self._start is not None

    def restart(self, number: int) -> Network:
        """Return the network with its initial parameters drawn once more.

        Parameters
        ----------
        number : int
            0 is the network itself, every other one another start of the same seed. What hidden
            spline layers start as takes turns, from the `start` of the network on, in the order
            "mixed", "linear", "random".

        Raises
        ------
        ValueError
            If the network is not `fresh`, unless `number` is 0.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([2, 3, 1], seed=0)
        >>> bool((net.restart(1).parameters == net.parameters).any())
        False
        >>> net.with_parameters(net.parameters).fresh
        False
        """
        if integer(number, "number", 0) == 0:
            return self
        if self._start is None:
            raise ValueError(
                "restart needs a network with the parameters that its constructor drew, and this "
                "one has others: it comes from with_parameters, refine, restart or load"
            )
        drawn = self._start.other(self._architecture, number)
        return Network._of(self._architecture, self._from_splines(drawn, self.dtype))

    def _core_network(self) -> Any:
        return self._architecture.core(self._parameters.dtype)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in the order of evaluation: descriptions, without parameters or a seed."""
        return self._architecture.layers

    @property
    def parameters(self) -> FloatArray:
        """The flat parameter vector, read-only, shape (n_parameters,)."""
        return self._parameters

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What each part of the parameter vector is."""
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
        """float32 or float64."""
        return self._parameters.dtype

    def with_parameters(self, parameters: npt.ArrayLike) -> Network:
        """Return the network with other parameters; NaN and infinity are allowed here.

        Raises
        ------
        ValueError
            If the length is not `n_parameters`.
        """
        theta = self._vector(parameters, "parameters")
        return Network._of(self._architecture, theta.copy())

    def astype(self, dtype: npt.DTypeLike) -> Network:
        """Return the network in another dtype, with its parameters rounded to that.

        Parameters
        ----------
        dtype : {"float64", "float32"}

        Raises
        ------
        ValueError
            If knots coincide in the dtype, or it cannot hold the ReLU weights.

        Examples
        --------
        >>> import kanml
        >>> kanml.KAN([1, 1], seed=3).astype("float32").dtype
        dtype('float32')
        """
        parameters = self._parameters.astype(float_dtype(dtype))
        net = Network._of(self._architecture, parameters, self._start)
        net._core_network()  # so that knots which coincide in the dtype are refused here
        return net

    def _same_as(self, other: Network) -> bool:
        """Say whether this is the same network: one architecture object, equal parameters.

        Networks that `with_parameters` made of each other share their architecture.
        """
        return self._architecture is other._architecture and np.array_equal(
            self._parameters, other._parameters
        )

    def __call__(self, x: npt.ArrayLike, *, num_threads: int | None = None) -> FloatArray:
        """Evaluate the network.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
            Real numbers; converted to the network's dtype. NaN gives NaN in its own sample.
        num_threads : int, optional
            Number of threads; `kanml.get_num_threads()` by default. The result does not depend
            on it.

        Returns
        -------
        ndarray, shape (N, n_out)

        Raises
        ------
        ValueError
            If `x` has another shape, or lies outside the domain of a layer whose extrapolation
            is "error".
        TypeError
            If `x` does not hold real numbers.
        """
        y: FloatArray = self._core_network().evaluate(
            self._samples(x, "x", self.n_in), self._parameters, threads(num_threads)
        )
        return y

    def vjp(
        self, x: npt.ArrayLike, cotangent: npt.ArrayLike, *, num_threads: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the gradient of ``sum(cotangent * net(x))``.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        cotangent : array_like, shape (N, n_out)

        Returns
        -------
        gradient_parameters : ndarray, shape (n_parameters,)
        gradient_x : ndarray, shape (N, n_in)
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
        m-th derivative along v is m! y_m. All directions go through the network together and share
        y_0.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        directions : array_like, shape (n_in,), (M, n_in) or (M, N, n_in)
            One direction, several, or several with a vector for each sample.
        order : int
            The highest order K, from 0 to 4, and at most the degree of every spline layer: above
            it derivatives of splines vanish inside every interval.

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
            Their shape says the order.

        Returns
        -------
        gradient_parameters : ndarray, shape (n_parameters,)
        gradient_x : ndarray, shape (N, n_in)
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
        """Return partial derivatives of the outputs by the inputs.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        names : iterable of str
            The derivatives: letters of `inputs`, up to four, each for one differentiation; the
            empty string is the value. Mixed ones come by polarisation, at the cost of one or more
            further directions.
        inputs : str
            A letter for each input.

        Returns
        -------
        dict of str to ndarray, shape (N, n_out)

        Raises
        ------
        ValueError
            If a letter is unknown, or an order is above the degree of a spline layer.

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
            raise TypeError(f"names must be a sequence of names, got the one string {names!r}")
        names = tuple(names)
        for name in names:
            for letter in name:
                if letter not in inputs:
                    raise ValueError(
                        f"unknown letter {letter!r} in the derivative {name!r}: "
                        f"inputs are {', '.join(inputs)}"
                    )
            self._order(len(name), f"derivative {name!r} has the order {len(name)}, but the order")
        plan = DerivativePlan(tuple(name) for name in names)
        letters = dict(zip(inputs, np.eye(self.n_in), strict=True))
        vectors = plan.vectors(letters, self.n_in, self.dtype)
        planes = self._planes(points, plan.orders, vectors, num_threads)
        return {name: plan.derivative(tuple(name), planes) for name in names}

    def jvp(
        self, x: npt.ArrayLike, dtheta: npt.ArrayLike, *, num_threads: int | None = None
    ) -> FloatArray:
        """Return the derivative of ``net(x)`` along a direction in parameter space.

        Parameters
        ----------
        x : array_like, shape (N, n_in)
        dtheta : array_like, shape (n_parameters,)

        Returns
        -------
        ndarray, shape (N, n_out)
        """
        tangent: FloatArray = self._core_network().jvp(
            self._samples(x, "x", self.n_in),
            self._parameters,
            self._vector(dtheta, "dtheta"),
            threads(num_threads),
        )
        return tangent

    def mean_squared_error(
        self, x: npt.ArrayLike, y: npt.ArrayLike, *, num_threads: int | None = None
    ) -> tuple[float, FloatArray]:
        """Return the mean over all entries of ``(net(x) - y)**2``, and its gradient.

        Evaluation, error and gradient are one pass over the samples.

        Parameters
        ----------
        x : array_like, shape (N, n_in), N >= 1
        y : array_like, shape (N, n_out)

        Returns
        -------
        value : float
        gradient_parameters : ndarray, shape (n_parameters,)
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

    def refine(self, factor: int = 2, spaces: Sequence[Any] | None = None) -> Network:
        """Return a network on finer knots that is the same function, outside the domain too.

        Parameters
        ----------
        factor : int
            Every interval of every spline layer is cut into so many equal parts.
        spaces : sequence, optional
            Instead of `factor`: for each layer None (stays as it is) or its finer space, or one
            finer space for each of its inputs.

        Raises
        ------
        ValueError
            If a chosen space is no refinement of the present one, or the dtype cannot hold the
            weights of a finer layer in the ReLU basis.
        """
        architecture = self._architecture.refine(factor, spaces)
        operator = self._architecture.prolongation(architecture)
        fine = Network._of(architecture, operator @ self._parameters)
        fine._core_network()  # so that ReLU weights which do not fit the dtype are refused here
        return fine

    def _refined_shape(self, times: int) -> Network:
        """Return what `refine()` leads to, parameters 0: it refuses the same, at a small price."""
        architecture = self._architecture
        for _ in range(times):
            architecture = architecture.refine(2, None)
        shape = Network._of(architecture, np.zeros(architecture.n_parameters, self.dtype))
        shape._core_network()
        return shape

    def to_basis(self, basis: str) -> Network:
        """Return the same function with the coefficients of all spline layers in a basis.

        Parameters
        ----------
        basis : {"spline", "relu"}
            B-splines, or the powers ``max(x - knots[j], 0)**degree``: see `relu_transform`.

        Raises
        ------
        ValueError
            If the dtype cannot hold the ReLU weights: with n intervals they are of alternating
            signs and about ``n**degree`` times as large as the splines that they sum to.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([2, 3, 1], degree=2, intervals=6, seed=0)
        >>> relu = net.to_basis("relu")
        >>> x = [[0.1, 0.2], [3.0, -4.0]]
        >>> bool(abs(relu(x) - net(x)).max() < 1e-12)
        True
        """
        change = self.change_of_basis(basis)
        architecture = self._architecture.to_basis(basis)
        return Network._of(architecture, change @ self._parameters, self._start)

    def change_of_basis(self, basis: str) -> InvertibleOperator:
        """Return the linear operator from these parameters to those of `to_basis`.

        Its transpose carries gradients back: ``change.T @ gradient_there == gradient_here``.

        Parameters
        ----------
        basis : {"spline", "relu"}

        Raises
        ------
        ValueError
            As in `to_basis`.
        """
        choice(basis, "basis", BASES)
        self._architecture.to_basis(basis).require_relu_weights_that_fit(self.dtype)
        return self._architecture.change_of_basis(basis)

    def prolongation(self, fine: Network) -> BlockProlongation:
        """Return the linear operator from these parameters to those of a refined network.

        Parameters
        ----------
        fine : Network
            With the same layers on finer spaces, in the same bases.

        Raises
        ------
        ValueError
            If it is no such network.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([1, 1], degree=3, intervals=4)
        >>> net.prolongation(net.refine()).shape
        (11, 7)
        """
        if not isinstance(fine, Network):
            raise TypeError(f"fine must be a Network, got {fine!r}")
        return self._architecture.prolongation(fine._architecture)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file; see `kanml.load`."""
        io.write(
            path, {"kind": "network", **describe_network(self)}, {"parameters": self.parameters}
        )

    def _planes(
        self,
        x: FloatArray,
        orders: Sequence[int],
        vectors: FloatArray,
        num_threads: int | None,
        tape: Any = None,
    ) -> FloatArray:
        """Return Taylor coefficients, shape (1 + sum(orders), N, n_out).

        The value comes first, then the orders of each direction in turn. A tape of `_tape()` keeps
        what `_planes_vjp` of the same arguments would compute again.
        """
        planes: FloatArray = self._core_network().taylor(
            x, self._parameters, list(orders), vectors, threads(num_threads), tape
        )
        return planes

    def _tape(self) -> Any:
        return _core.TapeFloat32() if self.dtype == np.float32 else _core.TapeFloat64()

    def _planes_vjp(
        self,
        x: FloatArray,
        orders: Sequence[int],
        vectors: FloatArray,
        cotangents: FloatArray,
        by_x: bool,
        num_threads: int | None,
        tape: Any = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return the gradient of ``sum(cotangents * planes)`` by the parameters, and by x."""
        gradients: tuple[FloatArray, FloatArray] = self._core_network().taylor_vjp(
            x,
            self._parameters,
            list(orders),
            vectors,
            np.ascontiguousarray(cotangents),
            by_x,
            threads(num_threads),
            tape,
        )
        return gradients

    def _no_vectors(self) -> FloatArray:
        return np.zeros((0, self.n_in), self.dtype)

    def _directions(self, value: npt.ArrayLike, n: int) -> tuple[FloatArray, bool]:
        """Return directions as (M, n_in) or (M, n, n_in), and whether it was one, of (n_in,)."""
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
            if isinstance(layer, SplineLayer) and layer.degree < order:
                raise ValueError(
                    f"{what} must be at most the degree of every spline layer, beyond which "
                    f"derivatives vanish: order {order} needs degree {order} or more, but "
                    f"layers[{i}] has degree {layer.degree}"
                )
        return order

    def _samples(self, value: npt.ArrayLike, name: str, columns: int) -> FloatArray:
        return samples(value, name, columns, self.dtype)

    def _vector(self, value: npt.ArrayLike, name: str) -> FloatArray:
        array = real_array(value, name, self.dtype)
        if array.shape != (self.n_parameters,):
            raise ValueError(f"{name} must have shape ({self.n_parameters},), got {array.shape}")
        return array

    def __reduce__(self) -> tuple[Any, ...]:
        return network_from, (describe_network(self), self.parameters, self._start)

    def __repr__(self) -> str:
        return (
            f"Network({list(self.layers)}, dtype={self.dtype.name!r})"
            f"  # {self.n_parameters} parameters"
        )


class KAN(Network):
    """A Kolmogorov-Arnold network: spline layers on equal uniform knots.

    Parameters
    ----------
    widths : sequence of int
        Inputs, hidden widths, outputs.
    degree : int
        Polynomial degree, 1 to 5.
    intervals : int
        Knot intervals of every spline.
    domain : (float, float)
        Domain of every spline; after a bounded activation that of the first layer only, the others
        living on what the activation takes values in.
    basis : {"spline", "relu"}
        What the parameters are coefficients of; see `SplineLayer`.
    extrapolation : {"linear", "polynomial", "clamp", "error"}
        What happens outside the domain; see `SplineLayer`.
    activation : {None, "sigmoid", "tanh", "relu", "silu", "sin"}
        Between the layers; none by default. With a bounded one no value leaves the domain of the
        next layer, (-1, 1) for "tanh" and "sin", (0, 1) for "sigmoid". For differential equations
        that matters: beyond the domain the second derivative of a spline is another one, and the
        loss jumps whenever a point passes the end.
    seed, dtype, data, start
        As in `Network`.

    Examples
    --------
    >>> import kanml
    >>> kanml.KAN([2, 5, 1], degree=3, intervals=5).n_parameters
    120

    With another layer in front:

    >>> circle = kanml.PeriodicEmbedding(2, {1: 2.0})  # (t, x) -> (t, cos(pi x), sin(pi x))
    >>> kan = kanml.KAN([3, 5, 1], activation="tanh")
    >>> kanml.Network([circle, *kan.layers]).n_in
    2
    """

    __slots__ = ()

    def __init__(
        self,
        widths: Sequence[int],
        *,
        degree: int = 3,
        intervals: int = 5,
        domain: tuple[float, float] = (-1.0, 1.0),
        basis: str = "spline",
        extrapolation: str = "linear",
        activation: str | None = None,
        seed: int | Generator = 0,
        dtype: npt.DTypeLike = "float64",
        data: npt.ArrayLike | None = None,
        start: str = "mixed",
    ) -> None:
        ends = finite(real_array(domain, "domain"), "domain")
        if ends.shape != (2,) or not ends[0] < ends[1]:
            raise ValueError(f"domain must be two numbers a < b, got {domain!r}")
        low, high = ends.tolist()
        between = [] if activation is None else [Activation(activation)]
        layers: list[Layer] = []
        for n_in, n_out in _pairs(widths):
            if layers and activation is not None:
                layers += between
                low, high = RANGES.get(activation, (low, high))
            space = SplineSpace.uniform(low, high, intervals, degree)
            layers.append(SplineLayer(n_in, n_out, space, basis=basis, extrapolation=extrapolation))
        super().__init__(layers, seed=seed, dtype=dtype, data=data, start=start)


class MLP(Network):
    """A multilayer perceptron: `Linear` layers with an activation between them.

    Parameters
    ----------
    widths : sequence of int
        Inputs, hidden widths, outputs.
    activation : {"sigmoid", "tanh", "relu", "silu", "sin"}
        Between the layers.
    output_bias : bool
        Whether the last layer has a bias.
    seed, dtype, data
        As in `Network`.

    Examples
    --------
    >>> import kanml
    >>> kanml.MLP([2, 30, 1]).n_parameters
    120
    """

    __slots__ = ()

    def __init__(
        self,
        widths: Sequence[int],
        *,
        activation: str = "relu",
        output_bias: bool = False,
        seed: int | Generator = 0,
        dtype: npt.DTypeLike = "float64",
        data: npt.ArrayLike | None = None,
    ) -> None:
        pairs = _pairs(widths)
        layers: list[Layer] = []
        for n_in, n_out in pairs[:-1]:
            layers += [Linear(n_in, n_out), Activation(activation)]
        layers.append(Linear(*pairs[-1], bias=output_bias))
        super().__init__(layers, seed=seed, dtype=dtype, data=data)


def _pairs(widths: Sequence[int]) -> list[tuple[int, int]]:
    try:
        numbers = [integer(w, f"widths[{i}]", 1, MAX_SIZE) for i, w in enumerate(widths)]
    except TypeError as error:
        raise TypeError(f"widths must be a sequence of integers: {error}") from None
    if len(numbers) < 2:
        raise ValueError(f"widths must have at least two entries, got {list(widths)}")
    return list(pairwise(numbers))


def _frozen(array: FloatArray) -> FloatArray:
    array.setflags(write=False)
    return array


def describe_network(net: Network) -> dict[str, Any]:
    """Return the layers and dtype of a network as values that JSON can hold."""
    return {"dtype": net.dtype.name, "layers": [describe(layer) for layer in net.layers]}


def network_from(
    description: Mapping[str, Any], parameters: FloatArray, start: Start | None = None
) -> Network:
    """Return the network of a description and its parameters."""
    architecture = Architecture([from_description(layer) for layer in description["layers"]])
    if parameters.shape != (architecture.n_parameters,):
        raise ValueError(
            f"the layers have {architecture.n_parameters} parameters, got {parameters.shape}"
        )
    if parameters.dtype.name != description["dtype"] or parameters.dtype.kind != "f":
        raise ValueError(
            f"a network in {description['dtype']} cannot have parameters in {parameters.dtype}"
        )
    net = Network._of(architecture, parameters, start)
    net._core_network()  # so that knots which coincide in the dtype are refused here
    return net


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network that `Network.save` wrote: the same function, bit for bit.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ValueError
        If the file is not a kanml network, or was truncated or altered.

    Examples
    --------
    >>> import kanml, tempfile, pathlib
    >>> net = kanml.KAN([1, 1], seed=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     net.save(pathlib.Path(folder) / "net.kanml")
    ...     copy = kanml.load(pathlib.Path(folder) / "net.kanml")
    >>> bool((copy.parameters == net.parameters).all())
    True
    """
    description, arrays = io.read(path, "network")
    with io.believing(path):
        return network_from(description, arrays["parameters"])
