"""Layers of splines, and their initial parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.random import Generator

from kanml import _core
from kanml._validation import MAX_SIZE, Float64Array, FloatArray, choice, integer
from kanml.layers.activation import ACTIVATIONS
from kanml.layers.filling import filling_map, onto
from kanml.layers.layer import Layer, Range, TrainedLayer
from kanml.layers.parameters import BASES, Arrays, Joined, Parameter, ParameterKind, Plain
from kanml.layers.parameters.power_relus import as_channels
from kanml.splines.space import SplineSpace

__all__ = ["SplineLayer"]

EXTRAPOLATIONS = tuple(_core.Extrapolation.__members__)
LAST_LAYER_SCALE = 1e-3  # standard deviation of the coefficients of an output, over all its inputs
CHUNK = 4096  # samples evaluated together
ROUNDING = 2.0**-14  # above the rounding error of a layer in float32, relative to its outputs


class SplineLayer(TrainedLayer):
    """A layer of splines: ``y_q = sum_p phi_pq(x_p)``.

    With a base function f it is ``y_q = sum_p (phi_pq(x_p) + W_pq f(x_p))``, the layer of Liu et
    al., arXiv:2404.19756, section 2.2.

    Its parameters are the coefficients of all phi_pq in the chosen basis, an array of shape
    (sum of the dims of the spaces, n_out), the functions of input 0 first. The basis affects
    training, but not what the layer can represent: see `Network.to_basis`. A base function adds
    its weights W, an array of shape (n_in, n_out), which start at zero and do not change in a
    refinement.

    Parameters
    ----------
    n_in, n_out : int
        Widths.
    space : SplineSpace or sequence of SplineSpace
        One space for all inputs, or one for each, all of the same degree.
    basis : {"spline", "relu"}
        B-splines, or the powers ``max(x - knots[j], 0)**degree``; see `relu_transform`. The latter
        are evaluated through B-splines, so the only loss of accuracy is that of rounding their
        large weights of opposite signs.
    extrapolation : {"linear", "polynomial", "clamp", "error"}
        The rule outside the domain of an input: continue with value and slope of the end (C1),
        with the polynomial of the end interval, or with the end value, or raise ValueError.
    base : {None, "sigmoid", "tanh", "relu", "silu", "sin"}
        The base function f; the domain does not restrict it.

    Raises
    ------
    ValueError
        If a width or an option is not as described, or the spaces do not fit.
    TypeError
        If a width is not an integer, or `space` holds anything but a `SplineSpace`.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace.uniform(-1, 1, intervals=5, degree=3)
    >>> kanml.SplineLayer(2, 4, space).parameters
    (Parameter(name='coefficients', kind='spline', shape=(16, 4)),)
    >>> kanml.SplineLayer(2, 4, space, base="silu").parameters[1]
    Parameter(name='base_weights', kind='plain', shape=(2, 4))
    """

    name = "spline"
    n_in: int
    n_out: int

    def __init__(
        self,
        n_in: int,
        n_out: int,
        space: SplineSpace | Sequence[SplineSpace],
        *,
        basis: str = "spline",
        extrapolation: str = "linear",
        base: str | None = None,
    ) -> None:
        self.n_in = integer(n_in, "n_in", 1, MAX_SIZE)
        self.n_out = integer(n_out, "n_out", 1, MAX_SIZE)
        self.basis = choice(basis, "basis", BASES)
        self.extrapolation = choice(extrapolation, "extrapolation", EXTRAPOLATIONS)
        self.base = None if base is None else str(choice(base, "base", tuple(ACTIVATIONS)))
        spaces = (space,) * self.n_in if isinstance(space, SplineSpace) else tuple(space)
        for i, one in enumerate(spaces):
            if not isinstance(one, SplineSpace):
                raise TypeError(f"space[{i}] must be a SplineSpace, got {one!r}")
        if len(spaces) != self.n_in:
            raise ValueError(f"space must be one or {self.n_in} (n_in) spaces, got {len(spaces)}")
        degrees = sorted({one.degree for one in spaces})
        if len(degrees) > 1:
            raise ValueError(f"the spaces of a layer must have the same degree, got {degrees}")
        self.spaces = spaces

    @property
    def degree(self) -> int:  # type: ignore[override]
        """Polynomial degree."""
        return self.spaces[0].degree

    @property
    def refuses(self) -> bool:  # type: ignore[override]
        """Whether inputs outside the domain are refused."""
        return self.extrapolation == "error"

    @property
    def smooth_order(self) -> int | None:  # type: ignore[override]
        """The order above which derivatives of the base function vanish; None: no such order."""
        return None if self.base is None else ACTIVATIONS[self.base].smooth_order

    @property
    def parameter_kind(self) -> ParameterKind:
        """Coefficients in the basis, and the weights of the base function."""
        coefficients = BASES[self.basis](self.spaces, self.n_out)
        if self.base is None:
            return coefficients
        weights = Parameter("base_weights", "plain", (self.n_in, self.n_out))
        return Joined(coefficients, Plain([weights]))

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """The coefficients, whose kind is their basis, and the weights of the base function."""
        return self.parameter_kind.parameters

    def with_space(self, space: SplineSpace | Sequence[SplineSpace]) -> SplineLayer:
        """Return the same layer on other spaces."""
        return SplineLayer(self.n_in, self.n_out, space, **self._options())

    def with_basis(self, basis: str) -> SplineLayer:
        """Return the same layer with its coefficients in a basis."""
        options = {**self._options(), "basis": basis}
        return SplineLayer(self.n_in, self.n_out, self.spaces, **options)

    def of_input(self, i: int) -> SplineLayer:
        """Return the layer of the functions of one input alone: one input, as many outputs."""
        return SplineLayer(1, self.n_out, self.spaces[i], **self._options())

    def _options(self) -> dict[str, Any]:
        """Return the options besides the spaces; without a base function as in older files."""
        options: dict[str, Any] = {"basis": self.basis, "extrapolation": self.extrapolation}
        return options if self.base is None else {**options, "base": self.base}

    def refine(self, factor: int = 2) -> SplineLayer:
        """Return the same layer on spaces with every interval divided into `factor` parts."""
        refined = {space: space.refine(factor) for space in set(self.spaces)}
        return self.with_space([refined[space] for space in self.spaces])

    def core(self, width: int) -> _core.SplineLayer:
        """Return the description for the core."""
        # Inputs with equal spaces share one object and thereby the core's tables.
        shared = {space: space._core for space in self.spaces}
        return _core.SplineLayer(
            [shared[space] for space in self.spaces],
            self.n_out,
            _core.Extrapolation.__members__[self.extrapolation],
            _core.Basis.__members__[self.basis],
            None if self.base is None else _core.ActivationKind.__members__[self.base],
        )

    def description(self) -> dict[str, Any]:
        """Return the distinct spaces, the index of each input's space in them, and the options."""
        distinct = list(dict.fromkeys(self.spaces))
        return {
            "n_out": self.n_out,
            "degree": self.degree,
            "breakpoints": [space.breakpoints.tolist() for space in distinct],
            "inputs": [distinct.index(space) for space in self.spaces],
            **self._options(),
        }

    @classmethod
    def from_description(cls, values: Mapping[str, Any]) -> SplineLayer:
        """Return the layer that `description` described."""
        degree = values["degree"]
        distinct = [SplineSpace(points, degree) for points in values["breakpoints"]]
        spaces = [distinct[integer(i, "inputs", 0)] for i in values["inputs"]]
        return cls(
            len(spaces),
            values["n_out"],
            spaces,
            basis=values["basis"],
            extrapolation=values["extrapolation"],
            base=values.get("base"),
        )

    def exported(self, stored: Arrays, read: Arrays, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return one channel for each power of a ReLU; the layer has to store their weights."""
        splines = as_channels(self.spaces, self.extrapolation, read[0], stored[0], dtype)
        return (
            splines
            if self.base is None
            else {**splines, "base": self.base, "base_weights": read[1]}
        )

    def may_become(self, finer: Layer) -> bool:
        """Say whether another layer has the same widths, extrapolation and base function."""
        return (
            isinstance(finer, SplineLayer)
            and (finer.n_in, finer.n_out) == (self.n_in, self.n_out)
            and (finer.extrapolation, finer.base) == (self.extrapolation, self.base)
        )

    # Initial parameters

    def values(self, arrays: Arrays, x: Float64Array) -> Float64Array:
        """Evaluate the splines of these B-spline coefficients, and the base function."""
        parts = np.split(x, range(CHUNK, len(x), CHUNK))
        y = np.concatenate([self._spline_values(arrays[0], part) for part in parts])
        if self.base is not None:
            y += ACTIVATIONS[self.base].function(x) @ arrays[1]
        return y

    def _spline_values(self, coefficients: FloatArray, x: Float64Array) -> Float64Array:
        """Evaluate the splines, with the rule of the layer outside their domains.

        The rule "polynomial" is replaced by the tangent, since polynomials may be huge there.
        """
        y = np.zeros((len(x), self.n_out))
        inside = self._clipped(x)
        beyond = x - inside if self.extrapolation in ("linear", "polynomial") else 0 * x
        start = 0
        for space, column, excess in zip(self.spaces, inside.T, beyond.T, strict=True):
            part = coefficients[start : start + space.dim]
            start += space.dim
            if space.dim < self.n_out:  # fewer basis functions than splines
                y += space.evaluate(np.eye(space.dim), column).T @ part
            else:
                y += space.evaluate(part.T, column).T
            if excess.any():
                y += excess[:, None] * space.evaluate(part.T, column, derivative=1).T
        return y

    def range_wanted(self, behind: Sequence[Layer], width: int, sender: Layer) -> Range | None:
        """Return the domains, with a margin if rounding errors beyond them would be refused."""
        lower, upper = self.box_expected()
        if not self.refuses:
            return lower, upper
        margin = ROUNDING * np.maximum(upper - lower, np.maximum(np.abs(lower), np.abs(upper)))
        margin = np.minimum(margin, (upper - lower) / 4)
        return lower + margin, upper - margin

    def box_expected(self) -> Range:
        """Return the domains."""
        lower, upper = np.array([space.domain for space in self.spaces]).T
        return lower, upper

    def filling(
        self, x: Float64Array, target: Range, share: float, rng: Generator
    ) -> tuple[Arrays, Float64Array]:
        """Return a mixture of a linear map and random splines.

        The linear map fills [-1, 1], and the coefficients of the random splines have the variance
        1 / n_in; then both are mixed by their shares and scaled to the target. The weights of a
        base function are zero.
        """
        if share == 0:
            weights, bias = filling_map(x, target, rng, bias=True)
            return self._with_base(self._linear(weights, bias)), self._clipped(x) @ weights + bias
        unit = np.ones(self.n_out)
        linear = self._linear(*filling_map(x, (-unit, unit), rng, bias=True))
        noise = rng.normal(0.0, 1 / np.sqrt(self.n_in), linear.shape)
        coefficients = (1 - share) * linear + share * noise
        y = self.values(self._with_base(coefficients), x)
        scale, shift = onto(y, target)
        return self._with_base(coefficients * scale + shift / self.n_in), y * scale + shift

    def drawn(self, rng: Generator) -> Arrays:
        """Return small random splines."""
        shape = (sum(space.dim for space in self.spaces), self.n_out)
        return self._with_base(rng.normal(0.0, LAST_LAYER_SCALE / np.sqrt(self.n_in), shape))

    def _with_base(self, coefficients: Float64Array) -> Arrays:
        """Return the coefficients, and zero weights of the base function if there is one."""
        if self.base is None:
            return (coefficients,)
        return coefficients, np.zeros((self.n_in, self.n_out))

    def _linear(self, weights: Float64Array, bias: Float64Array) -> Float64Array:
        """Return the coefficients of the linear map ``x @ weights + bias``."""
        parts = []
        start = 0
        for space, run in groupby(self.spaces):
            stop = start + len(list(run))
            inner = np.lib.stride_tricks.sliding_window_view(space.knots[1:-1], space.degree)
            greville = inner.mean(axis=1)  # the coefficients of the function x
            coefficients = greville[:, None] * weights[start:stop, None] + bias / self.n_in
            parts.append(coefficients.reshape(-1, self.n_out))
            start = stop
        return np.concatenate(parts)

    def _clipped(self, x: Float64Array) -> Float64Array:
        """Return inputs, clipped to the domains."""
        return np.clip(x, *self.box_expected())

    def __repr__(self) -> str:
        one = len(set(self.spaces)) == 1
        space = repr(self.spaces[0]) if one else repr(list(self.spaces))
        options = ", ".join(f"{name}={value!r}" for name, value in self._options().items())
        return f"SplineLayer({self.n_in}, {self.n_out}, {space}, {options})"
