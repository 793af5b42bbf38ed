"""The layers that a network is made of: descriptions, without parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import MAX_SIZE, Float64Array, choice, finite, integer, number, real_array
from kanml.splines import SplineSpace

__all__ = [
    "Activation",
    "Affine",
    "Layer",
    "Linear",
    "Parameter",
    "PeriodicEmbedding",
    "SplineLayer",
]

BASES = tuple(_core.Basis.__members__)
EXTRAPOLATIONS = tuple(_core.Extrapolation.__members__)
ACTIVATIONS = tuple(_core.ActivationKind.__members__)


@dataclass(frozen=True)
class Parameter:
    """One array of parameters of a layer: what it is called, what it is, its shape."""

    name: str
    kind: str
    shape: tuple[int, ...]


class _Origin:
    """Where a layer comes from: the kind of network that made it, and options that one was given.

    Layers do not carry these options; a network made of them can say so.
    """

    origin: tuple[str, tuple[str, ...]] = ("", ())


class SplineLayer(_Origin):
    """A layer of splines: ``y_q = sum_p phi_pq(x_p)``.

    Its parameters are the coefficients of all phi_pq in the basis of its choice, an array of shape
    (sum of the dims of the spaces, n_out), the functions of input 0 first. The basis decides what
    training does, not what the layer can represent: see `Network.to_basis`.

    Parameters
    ----------
    n_in, n_out : int
        Widths.
    space : SplineSpace or sequence of SplineSpace
        One space for all inputs, or one for each, all of one degree.
    basis : {"spline", "relu"}
        B-splines, or the powers ``max(x - knots[j], 0)**degree``; see `relu_transform`. The latter
        are evaluated through B-splines, so that nothing is lost but what the rounding of large
        weights of opposite signs has lost already.
    extrapolation : {"linear", "polynomial", "clamp", "error"}
        Outside the domain of an input: value and slope of the end continue (C1), the polynomial
        of the end interval continues, the end value continues, or evaluation raises ValueError.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace.uniform(-1, 1, intervals=5, degree=3)
    >>> kanml.SplineLayer(2, 4, space).parameters
    (Parameter(name='coefficients', kind='spline', shape=(16, 4)),)
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        space: SplineSpace | Sequence[SplineSpace],
        *,
        basis: str = "spline",
        extrapolation: str = "linear",
    ) -> None:
        self.n_in = integer(n_in, "n_in", 1, MAX_SIZE)
        self.n_out = integer(n_out, "n_out", 1, MAX_SIZE)
        self.basis = choice(basis, "basis", BASES)
        self.extrapolation = choice(extrapolation, "extrapolation", EXTRAPOLATIONS)
        spaces = (space,) * self.n_in if isinstance(space, SplineSpace) else tuple(space)
        for i, one in enumerate(spaces):
            if not isinstance(one, SplineSpace):
                raise TypeError(f"space[{i}] must be a SplineSpace, got {one!r}")
        if len(spaces) != self.n_in:
            raise ValueError(f"space must be one or {self.n_in} (n_in) spaces, got {len(spaces)}")
        degrees = sorted({one.degree for one in spaces})
        if len(degrees) > 1:
            raise ValueError(f"the spaces of a layer must have one degree, got {degrees}")
        self.spaces: tuple[SplineSpace, ...] = spaces

    @property
    def degree(self) -> int:
        """Polynomial degree."""
        return self.spaces[0].degree

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The coefficients, whose kind is their basis."""
        rows = sum(space.dim for space in self.spaces)
        return (Parameter("coefficients", self.basis, (rows, self.n_out)),)

    def with_space(self, space: SplineSpace | Sequence[SplineSpace]) -> SplineLayer:
        """Return the same layer on other spaces."""
        return SplineLayer(
            self.n_in, self.n_out, space, basis=self.basis, extrapolation=self.extrapolation
        )

    def with_basis(self, basis: str) -> SplineLayer:
        """Return the same layer with its coefficients in a basis."""
        return SplineLayer(
            self.n_in, self.n_out, self.spaces, basis=basis, extrapolation=self.extrapolation
        )

    def refine(self, factor: int = 2) -> SplineLayer:
        """Return the same layer on spaces with every interval cut into `factor` parts."""
        refined = {space: space.refine(factor) for space in set(self.spaces)}
        return self.with_space([refined[space] for space in self.spaces])

    def core(self, width: int) -> _core.SplineLayer:
        """Return the core's description."""
        # Inputs with equal spaces share one object, and with it the core's tables.
        shared = {space: space._core for space in self.spaces}
        return _core.SplineLayer(
            [shared[space] for space in self.spaces],
            self.n_out,
            _core.Extrapolation.__members__[self.extrapolation],
            _core.Basis.__members__[self.basis],
        )

    def __repr__(self) -> str:
        one = len(set(self.spaces)) == 1
        space = repr(self.spaces[0]) if one else repr(list(self.spaces))
        return (
            f"SplineLayer({self.n_in}, {self.n_out}, {space}, basis={self.basis!r}, "
            f"extrapolation={self.extrapolation!r})"
        )


class Linear(_Origin):
    """A dense layer: ``y = x @ W + b``.

    Parameters
    ----------
    n_in, n_out : int
        Widths. The weights W have shape (n_in, n_out), the bias b has shape (n_out,).
    bias : bool
        Whether there is a bias.

    Examples
    --------
    >>> import kanml
    >>> kanml.Linear(2, 5)
    Linear(2, 5, bias=True)
    """

    def __init__(self, n_in: int, n_out: int, bias: bool = True) -> None:
        self.n_in = integer(n_in, "n_in", 1, MAX_SIZE)
        self.n_out = integer(n_out, "n_out", 1, MAX_SIZE)
        if not isinstance(bias, (bool, np.bool_)):
            raise TypeError(f"bias must be True or False, got {bias!r}")
        self.bias = bool(bias)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The weights, and the bias if there is one."""
        weights = Parameter("weights", "plain", (self.n_in, self.n_out))
        bias = Parameter("bias", "plain", (self.n_out,))
        return (weights, bias) if self.bias else (weights,)

    def core(self, width: int) -> _core.LinearLayer:
        """Return the core's description."""
        return _core.LinearLayer(self.n_in, self.n_out, self.bias)

    def __repr__(self) -> str:
        return f"Linear({self.n_in}, {self.n_out}, bias={self.bias})"


class Activation(_Origin):
    """A fixed function of every entry: ``y = f(x)``.

    Parameters
    ----------
    kind : {"sigmoid", "tanh", "relu", "silu", "sin"}
        The function. The derivative of "relu" at 0 is taken as 0.

    Examples
    --------
    >>> import kanml
    >>> kanml.Network([kanml.Linear(2, 3), kanml.Activation("tanh")]).n_out
    3
    """

    n_in: ClassVar[None] = None
    n_out: ClassVar[None] = None
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    def __init__(self, kind: str) -> None:
        self.kind = choice(kind, "kind", ACTIVATIONS)

    def core(self, width: int) -> _core.ActivationLayer:
        """Return the core's description, for `width` inputs."""
        return _core.ActivationLayer(width, _core.ActivationKind.__members__[self.kind])

    def __repr__(self) -> str:
        return f"Activation({self.kind!r})"


class Affine(_Origin):
    """A fixed affine map of every entry: ``y = scale * x + shift``.

    Parameters
    ----------
    scale, shift : float or array_like, shape (width,)
        Finite numbers, not trained.

    Examples
    --------
    >>> import kanml
    >>> kanml.Affine(2.0, [-1.0, 0.0])  # maps (0, 1) to (-1, 1) and to (0, 2)
    Affine([2.0, 2.0], [-1.0, 0.0])
    """

    parameters: ClassVar[tuple[Parameter, ...]] = ()

    def __init__(self, scale: npt.ArrayLike, shift: npt.ArrayLike) -> None:
        arrays = [
            finite(real_array(value, name), name)
            for name, value in (("scale", scale), ("shift", shift))
        ]
        shapes = [array.shape for array in arrays]
        if any(len(shape) > 1 for shape in shapes) or len({s for s in shapes if s}) > 1:
            raise ValueError(
                f"scale and shift must be numbers or of one shape (width,), got {shapes}"
            )
        scale_array, shift_array = np.broadcast_arrays(*arrays)
        self.scale = np.array(scale_array)
        self.shift = np.array(shift_array)
        self.scale.setflags(write=False)
        self.shift.setflags(write=False)
        self.n_in = self.n_out = self.scale.size if self.scale.ndim else None
        if self.n_in is not None:
            integer(self.n_in, "the width of scale and shift", 1, MAX_SIZE)

    @classmethod
    def standardising(cls, x: npt.ArrayLike) -> Affine:
        """Return the map that gives every column of `x` mean 0 and variance 1.

        Put in front of a network, it puts all inputs on one scale, and takes apart what the
        weights and the bias of the next layer do. A column of one value, up to rounding, is only
        shifted.

        Parameters
        ----------
        x : array_like, shape (N, width), N >= 1

        Raises
        ------
        ValueError
            If a column varies so little that its scale is beyond the range of float64.

        Examples
        --------
        >>> import kanml
        >>> kanml.Affine.standardising([[0.0, 10.0], [2.0, 50.0]])
        Affine([1.0, 0.05], [-1.0, -1.5])
        """
        samples = finite(real_array(x, "x"), "x")
        if samples.ndim != 2 or samples.size == 0:
            raise ValueError(f"x must have shape (N, width), not empty, got {samples.shape}")
        # In units of the largest entry, to a power of two, squares neither overflow nor underflow.
        _, exponent = np.frexp(np.abs(samples).max(axis=0))
        unit = np.ldexp(1.0, exponent - 1)
        relative = samples / unit
        constant = np.ptp(relative, axis=0) <= 4 * np.finfo(np.float64).eps
        deviation = np.where(constant, 1.0, relative.std(axis=0))
        with np.errstate(over="ignore"):
            scale = np.where(constant, 1.0, 1 / deviation / unit)
        for j in np.flatnonzero(np.isinf(scale)):
            raise ValueError(
                f"x must vary by more than {1 / np.finfo(np.float64).max:.3g} in every column, got "
                f"x[:, {j}] from {samples[:, j].min()} to {samples[:, j].max()}"
            )
        shift = np.where(constant, -samples[0], -relative.mean(axis=0) / deviation)
        return cls(scale, shift)

    @classmethod
    def normalising(
        cls,
        lower: npt.ArrayLike,
        upper: npt.ArrayLike,
        domain: tuple[float, float] = (-1.0, 1.0),
    ) -> Affine:
        """Return the map of a box onto the domain of the splines behind it.

        No point of the box leaves the domain in float64, the rounding of the map included.

        Parameters
        ----------
        lower, upper : array_like, shape (width,)
            The ends of the range of each input, lower < upper.
        domain : (float, float)
            What each range becomes, the lower end first.

        Raises
        ------
        ValueError
            If an argument is not as described, or a range is too short for float64.

        Examples
        --------
        >>> import kanml
        >>> kanml.Affine.normalising([0.0, -1.0], [1.0, 1.0])
        Affine([2.0, 1.0], [-1.0, 0.0])
        """
        low, high = (
            finite(real_array(value, name), name)
            for value, name in ((lower, "lower"), (upper, "upper"))
        )
        if low.ndim != 1 or low.size == 0 or low.shape != high.shape or not (low < high).all():
            raise ValueError(
                f"lower and upper must have one shape (width,), and lower < upper: got {low} "
                f"and {high}"
            )
        ends = finite(real_array(domain, "domain"), "domain")
        if ends.shape != (2,) or not ends[0] < ends[1]:
            raise ValueError(f"domain must be two numbers a < b, got {domain!r}")
        maps = [
            _onto(*box, *ends.tolist()) for box in zip(low.tolist(), high.tolist(), strict=True)
        ]
        return cls(*np.array(maps).T)

    def core(self, width: int) -> _core.AffineLayer:
        """Return the core's description, for `width` inputs."""
        scale, shift = (np.broadcast_to(v, width).tolist() for v in (self.scale, self.shift))
        return _core.AffineLayer(scale, shift)

    def __reduce__(self) -> tuple[type[Affine], tuple[Float64Array, Float64Array]]:
        return Affine, (self.scale, self.shift)

    def __repr__(self) -> str:
        return f"Affine({self.scale.tolist()}, {self.shift.tolist()})"


def _onto(low: float, high: float, a: float, b: float) -> tuple[float, float]:
    """Return scale and shift that map [low, high] onto [a, b], rounded such that none leaves it.

    The kernels may round the product before the sum, or not (fused multiply-add). The exact map is
    tried first; then the image shrinks, from one rounding error of the map on, until its ends are
    inside in either way.
    """
    exact_low, exact_high = Fraction(low), Fraction(high)
    slope = (Fraction(b) - Fraction(a)) / (exact_high - exact_low)
    if not slope <= Fraction(np.finfo(np.float64).max):
        raise ValueError(
            f"the range from {low} to {high} is too short to be mapped onto ({a}, {b})"
        )
    rounding = Fraction(np.finfo(np.float64).eps) * (
        slope * max(abs(exact_low), abs(exact_high)) + max(abs(Fraction(a)), abs(Fraction(b)))
    )
    shrunk = Fraction(0)
    while True:
        scale = float(slope * (1 - 2 * shrunk / (Fraction(b) - Fraction(a))))
        middle = (Fraction(a) + Fraction(b)) / 2 - Fraction(scale) * (exact_low + exact_high) / 2
        shift = float(middle)
        images = [scale * end + shift for end in (low, high)]
        images += [float(Fraction(scale) * Fraction(end) + Fraction(shift)) for end in (low, high)]
        if all(a <= image <= b for image in images):
            return scale, shift
        shrunk = 2 * shrunk or rounding / 4


class PeriodicEmbedding(_Origin):
    """Cosines and sines that replace inputs, so that the network is periodic in these.

    Parameters
    ----------
    n_in : int
        Number of inputs.
    periods : mapping of int to float
        For the inputs that are replaced, their periods. The others pass as they are.
    multiples : sequence of int
        An input x of period p becomes ``cos(2 pi m x / p)`` and ``sin(2 pi m x / p)`` for each of
        these m, in the place where it stood.

    Examples
    --------
    >>> import kanml
    >>> layer = kanml.PeriodicEmbedding(2, {1: 2.0})  # (t, x) -> (t, cos(pi x), sin(pi x))
    >>> net = kanml.Network([layer, kanml.Linear(3, 1)])
    >>> bool(abs(net([[0.5, -1.0]]) - net([[0.5, 1.0]])) < 1e-14)
    True
    """

    parameters: ClassVar[tuple[Parameter, ...]] = ()

    def __init__(
        self, n_in: int, periods: Mapping[int, float], multiples: Sequence[int] = (1,)
    ) -> None:
        self.n_in = integer(n_in, "n_in", 1, MAX_SIZE)
        if not isinstance(periods, Mapping) or not periods:
            raise TypeError(f"periods must map inputs to their periods, got {periods!r}")
        self.periods = {
            integer(i, "an input in periods", 0, self.n_in - 1): number(
                period, f"periods[{i}]", "a period > 0", lambda period: period > 0
            )
            for i, period in periods.items()
        }
        if not isinstance(multiples, Sequence):
            raise TypeError(f"multiples must be a sequence of integers, got {multiples!r}")
        self.multiples = tuple(
            integer(m, f"multiples[{i}]", 1, MAX_SIZE) for i, m in enumerate(multiples)
        )
        if not self.multiples:
            raise ValueError("multiples must not be empty")
        n_out = self.n_in + len(self.periods) * (2 * len(self.multiples) - 1)
        integer(n_out, "the number of features (two for each multiple of a period)", 1, MAX_SIZE)
        self.features: list[tuple[int, str, float]] = []  # input, kind, frequency
        for i in range(self.n_in):
            if i not in self.periods:
                self.features.append((i, "identity", 1.0))
                continue
            for m in self.multiples:
                frequency = 2 * np.pi * m / self.periods[i]
                if not np.isfinite(frequency):
                    raise ValueError(
                        f"periods[{i}] must leave finite frequencies, got {self.periods[i]}"
                    )
                self.features += [(i, "cosine", frequency), (i, "sine", frequency)]
        self.n_out = len(self.features)

    def core(self, width: int) -> _core.EmbeddingLayer:
        """Return the core's description."""
        inputs, kinds, frequencies = zip(*self.features, strict=True)
        features = [_core.Feature.__members__[kind] for kind in kinds]
        return _core.EmbeddingLayer(self.n_in, list(inputs), features, list(frequencies))

    def __repr__(self) -> str:
        return f"PeriodicEmbedding({self.n_in}, {self.periods}, multiples={self.multiples})"


Layer: TypeAlias = SplineLayer | Linear | Activation | Affine | PeriodicEmbedding
"""A layer has widths `n_in` and `n_out` (None: as many as arrive), `parameters`, and `core`."""


def describe(layer: Layer) -> dict[str, Any]:
    """Return a layer as plain values that JSON can hold exactly; `from_description` undoes it."""
    if isinstance(layer, SplineLayer):
        distinct = list(dict.fromkeys(layer.spaces))
        return {
            "layer": "spline",
            "n_out": layer.n_out,
            "degree": layer.degree,
            "breakpoints": [space.breakpoints.tolist() for space in distinct],
            "inputs": [distinct.index(space) for space in layer.spaces],
            "basis": layer.basis,
            "extrapolation": layer.extrapolation,
        }
    if isinstance(layer, Linear):
        return {"layer": "linear", "n_in": layer.n_in, "n_out": layer.n_out, "bias": layer.bias}
    if isinstance(layer, Activation):
        return {"layer": "activation", "kind": layer.kind}
    if isinstance(layer, PeriodicEmbedding):
        return {
            "layer": "periodic",
            "n_in": layer.n_in,
            "periods": [[i, period] for i, period in layer.periods.items()],
            "multiples": list(layer.multiples),
        }
    if isinstance(layer, Affine):
        return {"layer": "affine", "scale": layer.scale.tolist(), "shift": layer.shift.tolist()}
    raise unknown_layer(layer)


def unknown_layer(layer: object) -> TypeError:
    """Return the error for a layer that an operation does not know, instead of leaving it out."""
    return TypeError(f"no rule for a layer of this kind: {layer!r}")


def from_description(description: dict[str, Any]) -> Layer:
    """Return the layer that `describe` described; every value is checked again."""
    kind = description.get("layer")
    if kind == "spline":
        degree = description["degree"]
        distinct = [SplineSpace(points, degree) for points in description["breakpoints"]]
        spaces = [distinct[integer(i, "inputs", 0)] for i in description["inputs"]]
        return SplineLayer(
            len(spaces),
            description["n_out"],
            spaces,
            basis=description["basis"],
            extrapolation=description["extrapolation"],
        )
    if kind == "linear":
        return Linear(description["n_in"], description["n_out"], description["bias"])
    if kind == "activation":
        return Activation(description["kind"])
    if kind == "affine":
        return Affine(description["scale"], description["shift"])
    if kind == "periodic":
        return PeriodicEmbedding(
            description["n_in"], dict(description["periods"]), description["multiples"]
        )
    raise ValueError(f"unknown layer {kind!r}")
