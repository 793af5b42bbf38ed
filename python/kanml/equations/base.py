"""What the reference problems share: points, terms for training, and the errors of a network."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, finite, integer, number, real_array
from kanml.equations.conditions import Condition
from kanml.problems.pinn.pinn import PINN
from kanml.problems.pinn.term import RBA, Term
from kanml.problems.points import Sampler

__all__ = ["ReferenceProblem", "cospi", "sinpi"]


class ReferenceProblem(ABC):
    """A partial differential equation with a known solution.

    Subclasses are frozen dataclasses of the parameters of the equation. Two with the same
    parameters are equal, and share the computed solutions.

    Attributes
    ----------
    inputs, outputs : str
        One letter for each column of the points, and of the solution.
    domain : tuple of (float, float)
        The ends of each input, in the order of `inputs`.
    """

    inputs: ClassVar[str]
    outputs: ClassVar[str] = "u"
    domain: ClassVar[tuple[tuple[float, float], ...]]

    def solution(self, points: npt.ArrayLike) -> Float64Array:
        """Return the solution at points of the domain.

        Parameters
        ----------
        points : array_like, shape (N, d)
            One column for each letter of `inputs`.

        Returns
        -------
        ndarray, shape (N, 1)

        Raises
        ------
        ValueError
            If `points` has another shape, or a point is not in the domain.
        """
        return self._values(*self._columns(points))[:, None]

    def grid(self, n: int | Sequence[int] = 201) -> Float64Array:
        """Return the points of an equispaced grid that includes the boundary.

        Parameters
        ----------
        n : int, or one int for each input
            The number of points in each direction, at least two.

        Returns
        -------
        ndarray, shape (N, d)
            The last input varies fastest.
        """
        axes = [
            np.linspace(*ends, count)
            for ends, count in zip(self.domain, self._counts(n), strict=True)
        ]
        return product(axes)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The names of the conditions on the solution, such as "volume", "initial", "boundary"."""
        return tuple(self._conditions())

    def equispaced(self, condition: str, n: int) -> Float64Array:
        """Return equispaced points at which a condition holds.

        Parameters
        ----------
        condition : str
            One of `conditions`.
        n : int
            The number of points along each input that varies, including both ends, in each part
            of the domain where the condition holds: with two inputs, n on each side of a boundary.

        Returns
        -------
        ndarray, shape (N, d)

        Raises
        ------
        ValueError
            If there is no such condition, or n is less than 2.
        """
        parts = []
        for part in self._condition(condition).parts:
            axes = [
                np.array([part[letter]])
                if letter in part
                else np.linspace(*ends, integer(n, "n", 2))
                for letter, ends in zip(self.inputs, self.domain, strict=True)
            ]
            parts.append(product(axes))
        return np.concatenate(parts)

    @property
    def network_inputs(self) -> str:
        """One letter for each input of a network; `inputs` by default."""
        return self.inputs

    def network_points(self, points: npt.ArrayLike) -> Float64Array:
        """Return the inputs of a network at points of the domain: by default the points.

        Parameters
        ----------
        points : array_like, shape (N, d)

        Returns
        -------
        ndarray, shape (N, len(network_inputs))

        Raises
        ------
        ValueError
            As in `solution`.
        """
        return np.stack(self._columns(points), axis=1)

    def terms(
        self,
        points: Mapping[str, int | npt.ArrayLike | Sampler],
        *,
        weights: Mapping[str, float] | None = None,
        attention: Mapping[str, RBA] | None = None,
        reduction: str = "mean",
        seed: int = 0,
    ) -> list[Term]:
        """Return the terms of a loss that vanishes at the solution.

        Parameters
        ----------
        points : mapping
            The points of each of `conditions` that the loss includes: an array (N, d), a number of
            uniformly random points, divided among the parts of the domain where the condition
            holds, or, in the volume, a `Sampler`. The points of an array must lie where the
            condition holds, up to rounding, those of a periodic condition on the side that
            `equispaced` gives.
        weights : mapping of str to float, optional
            Weights by condition; 1 by default.
        attention : mapping of str to RBA, optional
            Attention by condition; none by default.
        reduction : {"mean", "sum"}
            See `Term`.
        seed : int
            The seed of the random points.

        Returns
        -------
        list of Term

        Raises
        ------
        ValueError
            If a mapping has a name that is not one of `conditions`, a point does not lie where its
            condition holds, or the box of a `Sampler` is not in the domain.
        TypeError
            If an argument by condition is not a mapping.

        Examples
        --------
        >>> from kanml.equations import Burgers
        >>> from kanml.problems import RBA
        >>> terms = Burgers().terms(
        ...     {"volume": 1000, "initial": [[0.0, -0.5], [0.0, 0.5]], "boundary": 100},
        ...     weights={"initial": 10.0},
        ...     attention={"volume": RBA(mu=1e-3)},
        ... )
        >>> [(term.name, len(term.points), term.weight) for term in terms]
        [('volume', 1000, 1.0), ('initial', 2, 10.0), ('boundary', 100, 1.0)]
        """
        weights, attention = weights or {}, attention or {}
        for what, mapping in (("points", points), ("weights", weights), ("attention", attention)):
            if not isinstance(mapping, Mapping):
                raise TypeError(f"{what} must be a mapping by condition, got {mapping!r}")
            for name in mapping:
                self._condition(name, what)
        rng = np.random.default_rng(integer(seed, "seed", 0))
        terms = []
        for name, given in points.items():
            condition = self._condition(name)
            options: dict[str, Any] = {}
            if isinstance(given, Sampler):
                self._require_sampler_for(condition, name, given)
                options["points"] = given
            else:
                at = self._points(condition, name, given, rng)
                options["points"] = self.network_points(at)
                if condition.directions is not None:
                    options["directions"] = condition.directions(at)
                if condition.opposite is not None:
                    opposite = at.copy()
                    for letter, value in condition.opposite.items():
                        opposite[:, self.inputs.index(letter)] = value
                    options["partner"] = self.network_points(opposite)
            terms.append(
                Term(
                    name,
                    residual=condition.residual,
                    weight=weights.get(name, 1.0),
                    attention=attention.get(name),
                    reduction=reduction,
                    **options,
                )
            )
        return terms

    def pinn(
        self,
        points: Mapping[str, int | npt.ArrayLike | Sampler],
        *,
        weights: Mapping[str, float] | None = None,
        attention: Mapping[str, RBA] | None = None,
        reduction: str = "mean",
        seed: int = 0,
        transform: Callable[..., Any] | None = None,
    ) -> PINN:
        """Return the `PINN` of the `terms`, to be minimised by training.

        Parameters
        ----------
        points, weights, attention, reduction, seed
            See `terms`.
        transform : callable, optional
            See `PINN`. Conditions that it satisfies exactly need no points.

        Returns
        -------
        PINN

        Raises
        ------
        ValueError, TypeError
            As in `terms` and `PINN`.

        Examples
        --------
        >>> import kanml
        >>> from kanml.equations import Helmholtz
        >>> helmholtz = Helmholtz(a1=1, a2=1)
        >>> problem = helmholtz.pinn(
        ...     {"volume": 400}, transform=lambda u, x, y: (1 - x**2) * (1 - y**2) * u
        ... )
        >>> net = kanml.KAN([2, 3, 1], intervals=4)
        >>> result = kanml.train(net, problem, [100, 100], progress=False)
        >>> from functools import partial
        >>> helmholtz.relative_l2(partial(problem.solution, result.network)) < 0.05
        True
        """
        terms = self.terms(
            points, weights=weights, attention=attention, reduction=reduction, seed=seed
        )
        return PINN(self.network_inputs, terms, outputs=self.outputs, transform=transform)

    def relative_l2(
        self, net: Callable[[Float64Array], FloatArray], n: int | Sequence[int] = 201
    ) -> float:
        """Return ``||net - u|| / ||u||``, in the Euclidean norm over the points of ``grid(n)``.

        Parameters
        ----------
        net : Network, or any callable
            Maps the result of `network_points` to values of shape (N, 1). For a `PINN` with a
            transform this is ``partial(problem.solution, net)``.
        n : int, or one int for each input
            As in `grid`.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If `net` returns another shape.
        """
        error, exact = self._errors(net, n)
        return float(np.linalg.norm(error) / np.linalg.norm(exact))

    def maximum_error(
        self, net: Callable[[Float64Array], FloatArray], n: int | Sequence[int] = 201
    ) -> float:
        """Return the largest ``|net - u|`` over the points of ``grid(n)``.

        Parameters
        ----------
        net, n
            See `relative_l2`.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If `net` returns another shape.
        """
        error, _ = self._errors(net, n)
        return float(abs(error).max())

    @abstractmethod
    def _values(self, *columns: Float64Array) -> Float64Array:
        """Return the solution, shape (N,), at the columns of valid points."""

    @abstractmethod
    def _conditions(self) -> dict[str, Condition]:
        """Return the conditions on the solution, "volume" first."""

    def _condition(self, name: str, argument: str = "condition") -> Condition:
        conditions = self._conditions()
        if name not in conditions:
            raise ValueError(f"{argument} must name {', '.join(conditions)}, got {name!r}")
        return conditions[name]

    def _points(
        self,
        condition: Condition,
        name: str,
        given: int | npt.ArrayLike,
        rng: np.random.Generator,
    ) -> Float64Array:
        """Return the given points of a condition, or draw the given number of them."""
        if not isinstance(given, (int, np.integer)):
            at = np.stack(self._columns(given, f"points[{name!r}]"), axis=1)
            condition.require_points(at, f"points[{name!r}]", self.inputs)
            return at
        n = integer(given, f"points[{name!r}]", 1)
        low, high = np.array(self.domain).T
        points: Float64Array = rng.uniform(low, high, (n, len(low)))
        for rows, part in zip(
            np.array_split(np.arange(n), len(condition.parts)), condition.parts, strict=True
        ):
            for letter, value in part.items():
                points[rows, self.inputs.index(letter)] = value
        return points

    def _require_sampler_for(self, condition: Condition, name: str, sampler: Sampler) -> None:
        """Raise ValueError if the points of a sampler do not fit a condition."""
        if condition.parts != ({},) or condition.directions is not None:
            raise ValueError(
                f"points[{name!r}] must be an array or a number of points, since this condition "
                f"depends on where they lie, got {sampler!r}"
            )
        low, high = np.array(self.domain).T
        inside = sampler.lower.shape == low.shape and (
            (sampler.lower >= low).all() and (sampler.upper <= high).all()
        )
        if not inside:
            box = " x ".join(f"[{a:g}, {b:g}]" for a, b in self.domain)
            raise ValueError(f"points[{name!r}] must be drawn in {box}, got {sampler!r}")

    def _errors(
        self, net: Callable[[Float64Array], FloatArray], n: int | Sequence[int]
    ) -> tuple[Float64Array, Float64Array]:
        points, exact = _on_grid(self, self._counts(n))
        given = self.network_points(points)
        values = real_array(net(given), "the values of net")
        if values.shape != exact.shape:
            raise ValueError(
                f"net must return an array of shape {exact.shape} for points of shape "
                f"{given.shape}, got shape {values.shape}"
            )
        return values - exact, exact

    def _counts(self, n: int | Sequence[int]) -> tuple[int, ...]:
        counts = tuple(n) if isinstance(n, Sequence) else (n,) * len(self.domain)
        if len(counts) != len(self.domain):
            raise ValueError(f"n must hold {len(self.domain)} integers, got {n!r}")
        return tuple(integer(count, "n", 2) for count in counts)

    def _columns(self, points: npt.ArrayLike, name: str = "points") -> tuple[Float64Array, ...]:
        """Return the columns of points that lie in the domain."""
        array = real_array(points, name)
        if array.ndim != 2 or array.shape[1] != len(self.inputs):
            raise ValueError(
                f"{name} must have shape (N, {len(self.inputs)}), a column for each of "
                f"{', '.join(self.inputs)}, got shape {array.shape}"
            )
        finite(array, name)
        for i, (letter, (low, high)) in enumerate(zip(self.inputs, self.domain, strict=True)):
            outside = np.flatnonzero((array[:, i] < low) | (array[:, i] > high))
            if outside.size:
                row = outside[0]
                raise ValueError(
                    f"{name} must have {letter} in [{low:g}, {high:g}], "
                    f"got {name}[{row}, {i}] = {array[row, i]}"
                )
        return tuple(np.ascontiguousarray(array[:, i]) for i in range(array.shape[1]))

    def _require_positive(self, *names: str) -> None:
        """Convert fields of the dataclass to floats, or raise unless they are positive."""
        for name in names:
            value = number(getattr(self, name), name, "a positive number", lambda v: v > 0)
            object.__setattr__(self, name, value)

    def _require_integer(self, name: str, minimum: int = 1) -> None:
        """Convert a field of the dataclass to an int, or raise unless it is at least `minimum`."""
        object.__setattr__(self, name, integer(getattr(self, name), name, minimum))


@functools.lru_cache(maxsize=8)
def _on_grid(
    problem: ReferenceProblem, counts: tuple[int, ...]
) -> tuple[Float64Array, Float64Array]:
    """Return the points of a grid and the solution there, both read-only."""
    points = problem.grid(counts)
    exact = problem.solution(points)
    for array in (points, exact):
        array.setflags(write=False)
    return points, exact


def product(axes: Sequence[Float64Array]) -> Float64Array:
    """Return all combinations of coordinates, shape (N, d); the last axis varies fastest."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def sinpi(x: Float64Array) -> Float64Array:
    """Return sin(pi x), exactly zero at integers and with a small relative error near them."""
    rest = x - 2 * np.rint(x / 2)  # in [-1, 1], without rounding
    folded = np.where(abs(rest) > 0.5, np.copysign(1.0, rest) - rest, rest)
    values: Float64Array = np.sin(math.pi * folded)
    return values


def cospi(x: Float64Array) -> Float64Array:
    """Return cos(pi x), exactly 1 or -1 at integers."""
    rest = abs(x - 2 * np.rint(x / 2))  # in [0, 1]
    return sinpi(0.5 - rest)
