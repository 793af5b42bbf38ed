"""The two usual sequences of layers: Kolmogorov-Arnold networks and perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy.typing as npt

from kanml._validation import MAX_SIZE, choice, finite, integer, real_array
from kanml.layers import Activation, Layer, Linear, SplineLayer
from kanml.layers.activation import ACTIVATIONS
from kanml.network.network import Network
from kanml.network.start import Generator
from kanml.splines.space import SplineSpace

__all__ = ["KAN", "MLP"]


def KAN(
    widths: Sequence[int],
    *,
    degree: int = 3,
    intervals: int = 5,
    domain: tuple[float, float] = (-1.0, 1.0),
    basis: str = "spline",
    extrapolation: str = "linear",
    base: str | None = None,
    activation: str | None = None,
    front: Sequence[Layer] = (),
    seed: int | Generator = 0,
    dtype: npt.DTypeLike = "float64",
    data: npt.ArrayLike | None = None,
    start: str = "mixed",
) -> Network:
    """Return a Kolmogorov-Arnold network: spline layers on equal uniform knots.

    Parameters
    ----------
    widths : sequence of int
        Number of inputs, hidden widths, number of outputs.
    degree : int
        Polynomial degree, 1 to 5.
    intervals : int
        Knot intervals of every spline.
    domain : (float, float)
        Domain of every spline. With a bounded activation, that of the first layer only; the domain
        of the others is the range of the activation.
    basis : {"spline", "relu"}
        The basis of the coefficients; see `SplineLayer`.
    extrapolation : {"linear", "polynomial", "clamp", "error"}
        The rule outside the domain; see `SplineLayer`.
    base : {None, "sigmoid", "tanh", "relu", "silu", "sin"}
        The base function of every layer, "silu" as in pykan; see `SplineLayer`.
    activation : {None, "sigmoid", "tanh", "relu", "silu", "sin"}
        The function between the layers; none by default. With a bounded one no value leaves the
        domain of the next layer, (-1, 1) for "tanh" and "sin", (0, 1) for "sigmoid". This matters
        for differential equations: the second derivative of a spline changes abruptly at the end of
        its domain, so the loss jumps whenever a point crosses it.
    front : sequence of layers
        Layers between the inputs and the first spline layer. The spline layer has as many inputs
        as they have outputs, which should lie in `domain`.
    seed, dtype, data, start
        As in `Network`.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If the layers in `front` do not take ``widths[0]`` inputs, or as in `SplineLayer` and
        `Network`.
    TypeError
        If `widths` or `front` is not a sequence as described.

    Examples
    --------
    >>> import kanml
    >>> kanml.KAN([2, 5, 1], degree=3, intervals=5).n_parameters
    120

    Periodic in its second input, with three features in front of the splines:

    >>> circle = kanml.PeriodicEmbedding(2, {1: 2.0})  # (t, x) -> (t, cos(pi x), sin(pi x))
    >>> net = kanml.KAN([2, 5, 1], activation="tanh", front=[circle])
    >>> net.n_in, net.layers[1].n_in
    (2, 3)
    """
    ends = finite(real_array(domain, "domain"), "domain")
    if ends.shape != (2,) or not ends[0] < ends[1]:
        raise ValueError(f"domain must be two numbers a < b, got {domain!r}")
    low, high = ends.tolist()
    between = [] if activation is None else [_activation(activation)]
    front = _checked_front(front)
    layers: list[Layer] = []
    for n_in, n_out in _pairs(widths, front):
        if layers and activation is not None:
            layers += between
            low, high = ACTIVATIONS[activation].bounds or (low, high)
        space = SplineSpace.uniform(low, high, intervals, degree)
        layers.append(
            SplineLayer(n_in, n_out, space, basis=basis, extrapolation=extrapolation, base=base)
        )
    return Network([*front, *layers], seed=seed, dtype=dtype, data=data, start=start)


def MLP(
    widths: Sequence[int],
    *,
    activation: str = "relu",
    output_bias: bool = False,
    front: Sequence[Layer] = (),
    seed: int | Generator = 0,
    dtype: npt.DTypeLike = "float64",
    data: npt.ArrayLike | None = None,
) -> Network:
    """Return a multilayer perceptron: `Linear` layers with an activation between them.

    Parameters
    ----------
    widths : sequence of int
        Number of inputs, hidden widths, number of outputs.
    activation : {"sigmoid", "tanh", "relu", "silu", "sin"}
        The function between the layers.
    output_bias : bool
        Whether the last layer has a bias.
    front : sequence of layers
        Layers between the inputs and the first `Linear` layer.
    seed, dtype, data
        As in `Network`.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If the layers in `front` do not take ``widths[0]`` inputs, or as in `Network`.
    TypeError
        If `widths` or `front` is not a sequence as described.

    Examples
    --------
    >>> import kanml
    >>> kanml.MLP([2, 30, 1]).n_parameters
    120
    """
    front = _checked_front(front)
    pairs = _pairs(widths, front)
    layers: list[Layer] = []
    for n_in, n_out in pairs[:-1]:
        layers += [Linear(n_in, n_out), _activation(activation)]
    layers.append(Linear(*pairs[-1], bias=output_bias))
    return Network([*front, *layers], seed=seed, dtype=dtype, data=data)


def _checked_front(front: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers as a tuple, or raise TypeError."""
    try:
        layers = tuple(front)
    except TypeError:
        raise TypeError(f"front must be a sequence of layers, got {front!r}") from None
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"front[{i}] must be a layer of kanml, got {layer!r}")
    return layers


def _pairs(widths: Sequence[int], front: Sequence[Layer]) -> list[tuple[int, int]]:
    """Return the input and output widths of each layer behind the front."""
    try:
        numbers = [integer(w, f"widths[{i}]", 1, MAX_SIZE) for i, w in enumerate(widths)]
    except TypeError as error:
        raise TypeError(f"widths must be a sequence of integers: {error}") from None
    if len(numbers) < 2:
        raise ValueError(f"widths must have at least two entries, got {list(widths)}")
    return list(pairwise([_width_behind(numbers[0], front), *numbers[1:]]))


def _width_behind(width: int, front: Sequence[Layer]) -> int:
    """Return how many features the front makes of `width` inputs."""
    for i, layer in enumerate(front):
        if layer.n_in not in (None, width):
            given = "widths[0] is" if i == 0 else f"front[{i - 1}] hands on"
            raise ValueError(
                f"front[{i}] = {layer!r} takes {layer.n_in} inputs, but {given} {width}"
            )
        width = width if layer.n_out is None else layer.n_out
    return width


def _activation(kind: object) -> Activation:
    return Activation(choice(kind, "activation", ACTIVATIONS))
