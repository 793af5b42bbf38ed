"""Fixed affine maps, among them those that bring data into the domain of splines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import MAX_SIZE, Float64Array, finite, integer, real_array
from kanml.layers.layer import FixedLayer, Layer, Range
from kanml.layers.parameters import Arrays

__all__ = ["Affine"]


class Affine(FixedLayer):
    """A fixed affine map of every entry: ``y = scale * x + shift``.

    Parameters
    ----------
    scale, shift : float or array_like, shape (width,)
        Finite numbers, which are not trained.

    Raises
    ------
    ValueError
        If they are not finite, or of different shapes.

    Examples
    --------
    >>> import kanml
    >>> kanml.Affine(2.0, [-1.0, 0.0])  # maps (0, 1) to (-1, 1) and to (0, 2)
    Affine([2.0, 2.0], [-1.0, 0.0])
    """

    name = "affine"
    is_affine = True

    def __init__(self, scale: npt.ArrayLike, shift: npt.ArrayLike) -> None:
        arrays = [
            finite(real_array(value, name), name)
            for name, value in (("scale", scale), ("shift", shift))
        ]
        shapes = [array.shape for array in arrays]
        if any(len(shape) > 1 for shape in shapes) or len({s for s in shapes if s}) > 1:
            raise ValueError(
                f"scale and shift must be numbers or have the same shape (width,), got {shapes}"
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

        In front of a network it brings all inputs to the same scale, and decouples the weights of
        the next layer from its bias. A column that is constant up to rounding is only shifted.

        Parameters
        ----------
        x : array_like, shape (N, width), N >= 1

        Returns
        -------
        Affine

        Raises
        ------
        ValueError
            If `x` is empty or not finite, or a column varies so little that its scale is outside
            the range of float64.

        Examples
        --------
        >>> import kanml
        >>> kanml.Affine.standardising([[0.0, 10.0], [2.0, 50.0]])
        Affine([1.0, 0.05], [-1.0, -1.5])
        """
        samples = finite(real_array(x, "x"), "x")
        if samples.ndim != 2 or samples.size == 0:
            raise ValueError(f"x must have shape (N, width), not empty, got {samples.shape}")
        # In units of a power of two near the largest entry, no square overflows or underflows.
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
        """Return the map of a box onto the domain of the splines that follow.

        No point of the box leaves the domain in float64, even with the rounding of the map.

        Parameters
        ----------
        lower, upper : array_like, shape (width,)
            The ends of the range of each input, with lower < upper.
        domain : (float, float)
            The range that each is mapped onto, lower end first.

        Returns
        -------
        Affine

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
                f"lower and upper must have the same shape (width,), with lower < upper: got {low} "
                f"and {high}"
            )
        ends = finite(real_array(domain, "domain"), "domain")
        if ends.shape != (2,) or not ends[0] < ends[1]:
            raise ValueError(f"domain must be two numbers a < b, got {domain!r}")
        maps = [
            _box_onto(*box, *ends.tolist()) for box in zip(low.tolist(), high.tolist(), strict=True)
        ]
        return cls(*np.array(maps).T)

    def core(self, width: int) -> _core.AffineLayer:
        """Return the description for the core, with `width` inputs."""
        scale, shift = (np.broadcast_to(v, width).tolist() for v in (self.scale, self.shift))
        return _core.AffineLayer(scale, shift)

    def description(self) -> dict[str, Any]:
        """Return scale and shift."""
        return {"scale": self.scale.tolist(), "shift": self.shift.tolist()}

    @classmethod
    def from_description(cls, values: Mapping[str, Any]) -> Affine:
        """Return the layer that `description` described."""
        return cls(values["scale"], values["shift"])

    def exported(self, stored: Arrays, read: Arrays, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return scale and shift in a dtype."""
        scale, shift = self.scale.astype(dtype), self.shift.astype(dtype)
        return {"layer": "affine", "scale": scale, "shift": shift}

    def values(self, arrays: Arrays, x: Float64Array) -> Float64Array:
        """Evaluate the map."""
        return np.asarray(x * self.scale + self.shift)

    def range_wanted(self, behind: Sequence[Layer], width: int, sender: Layer) -> Range | None:
        """Return the range that the map takes to the one that the next layer wants."""
        if not behind:
            return None
        after = behind[0].range_wanted(behind[1:], width, sender)
        return None if after is None else self.box_before(after)

    def box_before(self, box: Range) -> Range:
        """Return the box that the map takes to a box."""
        scale = np.where(self.scale == 0, 1.0, self.scale)
        with np.errstate(over="ignore"):  # infinite ends are rejected where they matter
            ends = tuple((end - self.shift) / scale for end in box)
        return np.minimum(*ends), np.maximum(*ends)

    def __reduce__(self) -> tuple[type[Affine], tuple[Float64Array, Float64Array]]:
        return Affine, (self.scale, self.shift)

    def __repr__(self) -> str:
        return f"Affine({self.scale.tolist()}, {self.shift.tolist()})"


def _box_onto(low: float, high: float, a: float, b: float) -> tuple[float, float]:
    """Return scale and shift of a map from [low, high] onto [a, b] whose rounding stays inside.

    The kernels may round the product before the sum, or not (fused multiply-add). The exact map is
    tried first. Then the image shrinks, by a quarter of a rounding error at first and twice as much
    each time, until its ends are inside in both ways of rounding.
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
