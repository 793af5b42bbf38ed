"""Physics-informed networks: residuals of differential equations at collocation points."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, choice, finite, integer, number, real_array
from kanml.derivatives import DerivativePlan, Word
from kanml.network import Network
from kanml.problems.expression import Expression, Leaf, Program, Trace, as_number, leaves, partials
from kanml.problems.points import Sampler

__all__ = ["PINN", "RBA", "Term"]

CHUNK = 4096  # points that are in memory together
Residual: TypeAlias = Callable[..., Any]
Unknowns: TypeAlias = Mapping[str, float] | npt.ArrayLike


@dataclass(frozen=True)
class RBA:
    """Residual-based attention: one weight a point, which grows where the residual stays large.

    After each accepted step ``weight = (1 - mu) * weight + mu * |e| / max|e|``, with e the
    residual; the loss has ``weight * e`` in the place of e. All weights are 1 at first, and again
    where points are drawn anew.

    Parameters
    ----------
    mu : float
        Between 0 and 1.

    Notes
    -----
    S. J. Anagnostopoulos, J. D. Toscano, N. Stergiopulos and G. E. Karniadakis, Residual-based
    attention in physics-informed neural networks, Comput. Methods Appl. Mech. Engrg. 421, 2024.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> points = np.linspace(0, 1, 9)[:, None]
    >>> term = kanml.Term("ode", points, lambda u: u.x + u, attention=kanml.RBA(mu=0.1))
    """

    mu: float = 1e-4

    def __post_init__(self) -> None:
        number(self.mu, "mu", "a number between 0 and 1", lambda mu: 0 <= mu <= 1)


@dataclass(frozen=True, eq=False)
class Term:
    """One term of a loss: a residual at points.

    Parameters
    ----------
    name : str
        For messages and the history.
    points : array_like, shape (N, d), or Sampler
        Where the residual is taken; each point holds the inputs of the network.
    residual : callable
        Ordinary NumPy arithmetic on the fields it names as arguments: outputs, inputs and unknowns
        of the `PINN`. ``u`` is a value, ``u.t``, ``u.xx``, ``u.tx`` are its derivatives. It is
        called once, to be traced, and may return a tuple of several residuals.
    weight : float
        Positive.
    reduction : {"mean", "sum"}
        Of the squares over the points.
    attention : RBA, optional
    directions : mapping of str to array_like, shape (d,) or (N, d), optional
        Further letters, each differentiating along a vector of the inputs: with an input
        ``z = |x|``, ``{"p": (1, 0, 1), "m": (1, 0, -1)}`` differentiate along x from either side.
    partner : array_like, shape (N, d), optional
        A second point for each point. The output u there, with its derivatives, is the field
        ``u_partner``: ``lambda u, u_partner: (u - u_partner, u.x - u_partner.x)`` makes a solution
        periodic. Not with a `Sampler`.
    batch_size : int, optional
        Points of a minibatch; all by default. Each pass goes through them in a new random order.
    seed : int
        For the order of the minibatches.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> points = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    >>> term = kanml.Term("pde", points, lambda u, t, x: u.t + u * u.x - 0.01 * u.xx)
    """

    name: str
    points: npt.ArrayLike | Sampler
    residual: Residual
    weight: float = 1.0
    reduction: str = "mean"
    attention: RBA | None = None
    directions: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    partner: npt.ArrayLike | None = None
    batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"the name of a term must be a string, got {self.name!r}")
        where = f"term {self.name!r}: "
        if not callable(self.residual):
            raise TypeError(f"{where}residual must be callable, got {self.residual!r}")
        number(self.weight, f"{where}weight", "a number > 0", lambda weight: weight > 0)
        choice(self.reduction, f"{where}reduction", ("mean", "sum"))
        if self.attention is not None and not isinstance(self.attention, RBA):
            raise TypeError(f"{where}attention must be an RBA or None, got {self.attention!r}")


class _Points:
    """The points of a term as they are now, and what changes them."""

    def __init__(self, term: Term, n_inputs: int) -> None:
        self.where = f"term {term.name!r}: "
        self.sampler = term.points if isinstance(term.points, Sampler) else None
        given = self.sampler.points if self.sampler else term.points
        points = finite(real_array(given, f"{self.where}points"), f"{self.where}points")
        if points.ndim != 2 or points.shape[1] != n_inputs or len(points) == 0:
            raise ValueError(
                f"{self.where}points must have shape (N, {n_inputs}) with N >= 1, one column for "
                f"each input, got shape {points.shape}"
            )
        self.all = points.copy()
        self.partner = self._partner(term, points.shape)
        n = len(points)
        size = n if term.batch_size is None else term.batch_size
        self.batch_size = integer(size, f"{self.where}batch_size", 1, n)
        self.rng = np.random.default_rng(integer(term.seed, f"{self.where}seed", 0))
        self.order = self.rng.permutation(n) if self.batch_size < n else None
        self.position = 0
        self.steps = 0
        self.draws = 0

    def _partner(self, term: Term, shape: tuple[int, ...]) -> Float64Array | None:
        if term.partner is None:
            return None
        if self.sampler is not None:
            raise ValueError(f"{self.where}partner needs given points, got the {self.sampler!r}")
        partner = finite(real_array(term.partner, f"{self.where}partner"), f"{self.where}partner")
        if partner.shape != shape:
            raise ValueError(
                f"{self.where}partner must have the shape {shape} of the points, got "
                f"{partner.shape}"
            )
        return partner.copy()

    @property
    def rows(self) -> npt.NDArray[np.int64] | slice:
        """The points of the present batch."""
        if self.order is None:
            return slice(0, len(self.all))
        return self.order[self.position : self.position + self.batch_size]

    def advance(self, magnitude: Callable[[Float64Array], Float64Array]) -> bool:
        """Go on by a step; return whether points were drawn anew."""
        self.steps += 1
        if self.order is not None:
            self.position += self.batch_size
            if self.position + self.batch_size > len(self.all):
                self.order = self.rng.permutation(len(self.all))
                self.position = 0
        if self.sampler is None or self.steps % self.sampler.every:
            return False
        self.draws += 1
        self.all = self.sampler.draw(self.draws, magnitude)
        return True

    def state(self) -> dict[str, Any]:
        drawn = self.sampler is not None and self.sampler.adaptive
        return {
            "generator": self.rng.bit_generator.state,
            "order": None if self.order is None else self.order.tolist(),
            "position": self.position,
            "steps": self.steps,
            "draws": self.draws,
            "points": self.all.tolist() if drawn else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.rng.bit_generator.state = state["generator"]
        if state["order"] is not None:
            self.order = np.array(state["order"], dtype=np.int64)
        self.position = int(state["position"])
        self.steps = int(state["steps"])
        self.draws = int(state["draws"])
        if state["points"] is not None:
            self.all = np.array(state["points"], dtype=np.float64)
        elif self.sampler is not None:
            self.all = self.sampler.draw(self.draws)


class _Place:
    """What is needed of the network at the points of a term, or at their partners.

    Parameters
    ----------
    fields : sequence of Leaf
        Of the residual.
    names : sequence of str
        What the outputs are called here.
    """

    def __init__(self, fields: Sequence[Leaf], names: Sequence[str]) -> None:
        self.columns = {name: i for i, name in enumerate(names)}
        self.fields = [leaf for leaf in fields if leaf.name in self.columns]
        self.plan = DerivativePlan(_word(leaf) for leaf in self.fields)


class _Expansion:
    """Taylor coefficients of the network at some points, and cotangents of them."""

    def __init__(
        self, place: _Place, x: FloatArray, vectors: FloatArray, planes: FloatArray, tape: Any
    ) -> None:
        self.place, self.x, self.vectors, self.planes = place, x, vectors, planes
        self.tape = tape
        self.cotangents: FloatArray | None = None

    def fields(self) -> dict[Leaf, FloatArray]:
        """Return the derivatives that the residual needs."""
        plan, columns = self.place.plan, self.place.columns
        return {
            leaf: np.ascontiguousarray(
                plan.derivative(_word(leaf), self.planes)[:, columns[leaf.name]]
            )
            for leaf in self.place.fields
        }

    def add_cotangent(self, leaf: Leaf, cotangent: FloatArray) -> None:
        """Add the cotangent of a field, if it is one of these."""
        if leaf.name not in self.place.columns:
            return
        if self.cotangents is None:
            self.cotangents = np.zeros_like(self.planes)
        column = self.cotangents[:, :, self.place.columns[leaf.name]]
        self.place.plan.add_cotangent(_word(leaf), cotangent, column)

    def gradient(self, net: Network, num_threads: int | None) -> FloatArray | float:
        """Return the gradient by the parameters."""
        if self.cotangents is None:
            return 0.0
        orders = self.place.plan.orders
        by_parameters, _ = net._planes_vjp(
            self.x, orders, self.vectors, self.cotangents, False, num_threads, self.tape
        )
        return by_parameters


class _Traced:
    """A term whose residual has been traced: what it needs, and how it is evaluated."""

    def __init__(self, term: Term, problem: PINN) -> None:
        self._tapes: dict[tuple[int, str], Any] = {}
        self.term = term
        self.points = _Points(term, len(problem.inputs))
        self.unknowns = tuple(problem.unknowns)
        self.where = f"term {term.name!r}: "
        try:
            self._trace(problem)
        except (TypeError, ValueError, AttributeError) as error:
            raise type(error)(f"{self.where}{error}") from error
        self.attention: Float64Array | None = None
        if term.attention is not None:
            self.attention = np.ones((len(self.points.all), len(self.components)))
        self.tried = False

    def _trace(self, problem: PINN) -> None:
        given = None if self.points.sampler else len(self.points.all)
        trace = Trace(problem.inputs, self.term.directions, given)
        fields: dict[str, Expression] = dict(zip(problem.inputs, trace.coordinates, strict=True))
        fields |= {name: trace.unknown(name) for name in self.unknowns}
        raw = {name: trace.output(name) for name in problem.outputs}
        if problem.transform is not None:
            made = trace.components(_called(problem.transform, fields | raw, "transform"))
            if len(made) != len(raw):
                raise ValueError(
                    f"transform must return {len(raw)} expressions, one for each of "
                    f"{', '.join(raw)}, got {len(made)}"
                )
            raw = dict(zip(raw, made, strict=True))
        partners = {f"{name}_partner": name for name in raw}
        if self.points.partner is None:
            partners = {}
        elif problem.transform is not None:
            raise ValueError("partner and transform do not go together")
        for name in partners:
            if name in fields or name in raw:
                raise ValueError(f"{name!r} is the field at the partner, and another name too")
        there = {name: trace.output(name) for name in partners}
        residual = _called(self.term.residual, fields | raw | there, "residual")
        self.components = trace.components(residual)
        if self.points.sampler and trace.points is not None:
            raise ValueError(
                "arrays with one entry a point need given points: those of a Sampler are drawn anew"
            )
        self.text = repr(self.components)
        self.fields = [leaf for leaf in leaves(self.components) if leaf.kind == "derivative"]
        varying = [leaf for leaf in leaves(self.components) if leaf.kind != "coordinate"]
        slopes = [partials(component, varying) for component in self.components]
        # Partial derivatives that do not vanish: numbers, and those that the program computes.
        self.slopes = [
            (c, leaf, as_number(slope))
            for c, row in enumerate(slopes)
            for leaf, slope in zip(varying, row, strict=True)
            if as_number(slope) != 0
        ]
        computed = [slope for row in slopes for slope in row if as_number(slope) is None]
        self.value_program = Program(self.components)
        self.program = Program([*self.components, *computed])
        self.coordinates = [leaf for leaf in self.program.leaves if leaf.kind == "coordinate"]
        d = len(problem.inputs)
        self.letters: dict[str, FloatArray] = dict(zip(problem.inputs, np.eye(d), strict=True))
        for letter, vector in self.term.directions.items():
            self.letters[letter] = real_array(vector, f"the direction {letter!r}").copy()
        self.places = [_Place(self.fields, problem.outputs)]
        if partners:
            self.places.append(_Place(self.fields, tuple(partners)))
        self.inputs = problem.inputs

    @property
    def scale(self) -> float:
        """What the sum of squares over the batch is multiplied with, for one process."""
        count = self.points.batch_size if self.term.reduction == "mean" else 1
        return self.term.weight / count

    def require_fit(self, net: Network) -> None:
        """Check that the network has the derivatives that the residual needs."""
        for leaf in self.fields:
            if leaf.letters:
                net._order(len(leaf.letters), f"{self.where}the order of {leaf}")

    def chunks(self) -> Iterator[npt.NDArray[np.int64] | slice]:
        """Return the rows of the present batch, in parts of limited size."""
        rows, n = self.points.rows, self.points.batch_size
        for start in range(0, n, CHUNK):
            stop = min(start + CHUNK, n)
            yield slice(start, stop) if isinstance(rows, slice) else rows[start:stop]

    def expansions(
        self, net: Network, x: FloatArray, rows: Any, num_threads: int | None, taped: bool = False
    ) -> list[_Expansion]:
        """Return the network's Taylor coefficients at some points, and at their partners.

        Those whose gradient is wanted are taped.
        """
        letters = {
            letter: vector[rows] if vector.ndim == 2 else vector
            for letter, vector in self.letters.items()
        }
        result = []
        for i, place in enumerate(self.places):
            if i > 0 and self.points.partner is not None:
                x = self.points.partner[rows].astype(net.dtype)
            vectors = place.plan.vectors(letters, net.n_in, net.dtype)
            try:
                tape = self._tape(i, net) if taped else None
                planes = net._planes(x, place.plan.orders, vectors, num_threads, tape)
            except ValueError as error:  # which counts the samples of this chunk
                whole = isinstance(rows, slice)
                counted = f"sample 0 is point {rows.start}" if whole else "samples of a minibatch"
                raise ValueError(f"{self.where}{error} ({counted})") from error
            result.append(_Expansion(place, x, vectors, planes, tape))
        return result

    def _tape(self, place: int, net: Network) -> Any:
        """Return memory for one chunk, the same at every call."""
        key = (place, net.dtype.char)
        if key not in self._tapes:
            self._tapes[key] = net._tape()
        return self._tapes[key]

    def values(
        self, x: FloatArray, expansions: Sequence[_Expansion], unknowns: Float64Array
    ) -> dict[Leaf, FloatArray | float]:
        """Return what the programs are given at some points."""
        values: dict[Leaf, FloatArray | float] = {}
        for expansion in expansions:
            values.update(expansion.fields())
        for leaf in self.coordinates:
            values[leaf] = np.ascontiguousarray(x[:, self.inputs.index(leaf.name)])
        for name, value in zip(self.unknowns, unknowns, strict=True):
            values[Leaf("unknown", name)] = float(value)
        return values

    def weighted(self, residuals: Sequence[FloatArray], rows: Any) -> Sequence[FloatArray]:
        """Return residuals times their attention."""
        if self.attention is None:
            return residuals
        attention = self.attention[rows].astype(residuals[0].dtype)
        return [attention[:, c] * r for c, r in enumerate(residuals)]

    def residuals_at(
        self,
        net: Network,
        unknowns: Float64Array,
        points: Float64Array,
        rows: Any,
        num_threads: int | None,
    ) -> list[FloatArray]:
        """Return the components of the residual at a chunk of points, without attention."""
        x = points.astype(net.dtype)
        values = self.values(x, self.expansions(net, x, rows, num_threads), unknowns)
        return self.value_program.evaluate(values, rows, net.dtype)

    def residuals(
        self,
        net: Network,
        unknowns: Float64Array,
        points: Float64Array | None = None,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return the residuals (n, components), without attention, of the batch or at points."""
        if points is None:
            parts = [(rows, self.points.all[rows]) for rows in self.chunks()]
        else:
            starts = range(0, len(points), CHUNK)
            parts = [(slice(i, min(i + CHUNK, len(points))), points[i : i + CHUNK]) for i in starts]
        results = [
            np.stack(self.residuals_at(net, unknowns, part, rows, num_threads), axis=1)
            for rows, part in parts
        ]
        return np.concatenate(results)

    def squares(self, net: Network, unknowns: Float64Array, num_threads: int | None) -> float:
        """Return the sum of squares over the batch, as `sums` does."""
        total = 0.0
        for rows in self.chunks():
            points = self.points.all[rows]
            residuals = self.residuals_at(net, unknowns, points, rows, num_threads)
            total += _sum_of_squares(self.weighted(residuals, rows))
        return total

    def sums(
        self, net: Network, unknowns: Float64Array, num_threads: int | None
    ) -> tuple[float, Float64Array, FloatArray | None]:
        """Return the sum of squares over the batch, its gradient, and what attention grows by.

        The last are the residuals, None if the term has no attention.
        """
        total = 0.0
        found = []
        gradient = np.zeros(net.n_parameters + len(unknowns))
        n, count = net.n_parameters, len(self.components)
        for rows in self.chunks():
            x = self.points.all[rows].astype(net.dtype, copy=False)
            expansions = self.expansions(net, x, rows, num_threads, taped=True)
            values = self.values(x, expansions, unknowns)
            results = self.program.evaluate(values, rows, net.dtype)
            residuals, computed = results[:count], iter(results[count:])
            self._try(residuals, expansions, x)
            if self.attention is not None:
                found.append(np.stack(residuals, axis=1))
            weighted = self.weighted(residuals, rows)
            total += _sum_of_squares(weighted)
            cotangents = [2 * e for e in self.weighted(weighted, rows)]
            for c, leaf, slope in self.slopes:
                factor = next(computed) if slope is None else net.dtype.type(slope)
                by_leaf = cotangents[c] * factor
                if leaf.kind == "unknown":
                    by_unknown = np.sum(by_leaf, dtype=np.float64)
                    gradient[n + self.unknowns.index(leaf.name)] += by_unknown
                else:
                    for expansion in expansions:
                        expansion.add_cotangent(leaf, by_leaf)
            for expansion in expansions:
                gradient[:n] += expansion.gradient(net, num_threads)
        self.tried = True
        return total, gradient, np.concatenate(found) if found else None

    def _try(
        self, residuals: Sequence[FloatArray], expansions: Sequence[_Expansion], x: FloatArray
    ) -> None:
        """Refuse, at first sight, a residual that is not finite though its fields are."""
        if self.tried or not all(np.isfinite(e.planes).all() for e in expansions):
            return
        for c, r in enumerate(residuals):
            (bad,) = np.nonzero(~np.isfinite(r))
            if bad.size:
                i = int(bad[0])
                raise ValueError(
                    f"{self.where}the residual {self.components[c]!r} is {r[i]} at the point "
                    f"{x[i].tolist()}, where the network and its derivatives are finite"
                )


@dataclass(frozen=True)
class _Evaluation:
    """What `PINN.sums` found, for `losses` and `advance`, which come at the same parameters."""

    net: Network
    unknowns: Float64Array
    squares: Mapping[str, float]
    residuals: Mapping[str, FloatArray | None]

    def was_of(self, net: Network, unknowns: Float64Array) -> bool:
        return self.net._same_as(net) and np.array_equal(self.unknowns, unknowns)


class PINN:
    """A loss made of residuals of differential equations, boundary and initial conditions.

    ``loss = sum over terms of weight * mean (or sum) over points of |residual|^2``.

    A residual is written once, as NumPy arithmetic on fields. Which derivatives it needs is found
    by tracing it, and its partial derivatives are exact; the derivatives of the network are Taylor
    coefficients, computed together. Points are processed in chunks. What grows with their number is
    the copy of them that is held, and for a term with attention its weights and last residuals.

    Parameters
    ----------
    inputs : str
        A letter for each input of the network, as "tx".
    terms : sequence of Term
        At least one.
    outputs : str or sequence of str
        The outputs of the network: a letter each, or names.
    unknowns : mapping of str to float
        Scalars of the equations that are trained with the network, and where they start. Residuals
        receive them by name; `Result.unknowns` holds what they became. Methods take their values
        as `unknowns`.
    transform : callable, optional
        Makes the solution of the network's outputs, for conditions that hold exactly:
        ``lambda u, t, x: -np.sin(np.pi * x) + t * (1 - x**2) * u``. Called with outputs, inputs and
        unknowns by name; returns one expression, or a tuple with one for each output. Residuals
        see its results in the place of the outputs. `solution` and `evaluate` apply it.
    reduce : callable, optional
        Maps the dictionary of sums (see `sums`) before means are taken; for samples that live in
        several processes. The identity by default.

    Examples
    --------
    Burgers' equation:

    >>> import kanml
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> points = rng.uniform([0, -1], [1, 1], (500, 2))
    >>> start = np.stack([np.zeros(50), np.linspace(-1, 1, 50)], axis=1)
    >>> problem = kanml.PINN("tx", [
    ...     kanml.Term("pde", points, lambda u: u.t + u * u.x - 0.1 * u.xx),
    ...     kanml.Term("initial", start, lambda u, x: u + np.sin(np.pi * x)),
    ... ])
    >>> net = kanml.KAN([2, 4, 1], degree=3, intervals=4, seed=0)
    >>> loss, gradient = problem.value_and_gradient(net)
    >>> list(problem.losses(net))
    ['pde', 'initial']
    """

    def __init__(
        self,
        inputs: str,
        terms: Sequence[Term],
        *,
        outputs: str | Sequence[str] = "u",
        unknowns: Mapping[str, float] | None = None,
        transform: Residual | None = None,
        reduce: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        if not isinstance(inputs, str) or not inputs:
            raise TypeError(f"inputs must be a string, a letter for each input, got {inputs!r}")
        if unknowns is not None and not isinstance(unknowns, Mapping):
            raise TypeError(f"unknowns must map names to numbers, got {unknowns!r}")
        self.inputs = inputs
        self.outputs = tuple(outputs)
        self.unknowns = {
            name: number(value, f"unknowns[{name!r}]", "a finite number", lambda value: True)
            for name, value in (unknowns or {}).items()
        }
        names = [*self.inputs, *self.outputs, *self.unknowns]
        for name in names:
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(f"inputs, outputs and unknowns must be names, got {name!r}")
            if names.count(name) > 1:
                hint = ""
                if isinstance(outputs, str) and len(outputs) > 1:
                    hint = f"; a single output of this name is outputs=[{outputs!r}]"
                raise ValueError(
                    f"{name!r} stands twice among inputs {inputs!r}, outputs {self.outputs} and "
                    f"unknowns {tuple(self.unknowns)}{hint}"
                )
        self.transform = transform
        self.reduce = reduce if reduce is not None else lambda sums: sums
        if not isinstance(terms, Sequence):
            raise TypeError(f"terms must be a sequence of Terms, got {terms!r}")
        terms = tuple(terms)
        if not terms:
            raise ValueError("terms must hold at least one Term, got none")
        for i, term in enumerate(terms):
            if not isinstance(term, Term):
                raise TypeError(f"terms[{i}] must be a Term, got {term!r}")
        labels = [term.name for term in terms]
        if len(set(labels)) < len(labels):
            raise ValueError(f"terms must have different names, got {labels}")
        self.terms = terms
        self._traced = tuple(_Traced(term, self) for term in terms)
        self._fingerprint = self._digest()  # now: the arrays of a term are the caller's
        self._last: _Evaluation | None = None

    def value_and_gradient(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        *,
        num_threads: int | None = None,
    ) -> tuple[float, FloatArray]:
        """Return the loss and its gradient. Pure: points and weights stay as they are.

        Parameters
        ----------
        net : Network
        unknowns : array_like, shape (number of unknowns,), or mapping of str to float
            Needed if the problem has any.

        Returns
        -------
        value : float
        gradient : ndarray, shape (net.n_parameters + number of unknowns,)
        """
        sums = self.sums(net, unknowns, num_threads=num_threads)
        value, gradient = 0.0, np.zeros(net.n_parameters + len(self.unknowns))
        for traced in self._traced:
            part = sums[traced.term.name]
            factor = _factor(traced.term, part["count"])
            value += factor * part["squares"]
            gradient += factor * part["gradient"]
        return value, gradient.astype(net.dtype)

    def sums(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        *,
        num_threads: int | None = None,
    ) -> dict[str, Any]:
        """Return what the loss is made of, term by term, passed through `reduce`.

        For each term "squares", the sum of squares over the points at hand, "count", their number,
        and "gradient", of that sum.
        """
        values = self._values(net, unknowns)
        result = {}
        squares: dict[str, float] = {}
        residuals: dict[str, FloatArray | None] = {}
        for traced in self._traced:
            name, count = traced.term.name, traced.points.batch_size
            squares[name], gradient, residuals[name] = traced.sums(net, values, num_threads)
            result[name] = {"squares": squares[name], "count": count, "gradient": gradient}
        self._last = _Evaluation(net, values, squares, residuals)
        return self.reduce(result)

    def _known(self, net: Network, values: Float64Array) -> _Evaluation | None:
        """Return the last evaluation if it was of this network."""
        return self._last if self._last is not None and self._last.was_of(net, values) else None

    def losses(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        *,
        num_threads: int | None = None,
    ) -> dict[str, float]:
        """Return what each term contributes to the loss.

        Parameters
        ----------
        net : Network
        unknowns : array_like or mapping of str to float
            Needed if the problem has any, as `Result.unknowns`.
        """
        values = self._values(net, unknowns)
        known = self._known(net, values)
        result = {}
        for traced in self._traced:
            name = traced.term.name
            squares = known.squares[name] if known else traced.squares(net, values, num_threads)
            result[name] = traced.scale * squares
        return result

    def residuals(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        *,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return the vector r of all terms, scaled such that ``r @ r`` is the loss.

        Parameters
        ----------
        net : Network
        unknowns : array_like or mapping of str to float
            Needed if the problem has any, as `Result.unknowns`.
        """
        values = self._values(net, unknowns)
        parts = []
        for traced in self._traced:
            residuals = traced.residuals(net, values, num_threads=num_threads).astype(np.float64)
            if traced.attention is not None:
                residuals *= traced.attention[traced.points.rows]
            parts.append((math.sqrt(traced.scale) * residuals).ravel())
        return np.concatenate(parts).astype(net.dtype)

    def solution(
        self,
        net: Network,
        points: npt.ArrayLike,
        unknowns: Unknowns | None = None,
        *,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return the solution at points, the transform applied.

        Parameters
        ----------
        net : Network
        points : array_like, shape (N, d)
        unknowns : array_like or mapping of str to float
            Needed if the problem has any, as `Result.unknowns`.

        Returns
        -------
        ndarray, shape (N, number of outputs)
        """

        def outputs(**fields: Expression) -> tuple[Expression, ...]:
            return tuple(fields[name] for name in self.outputs)

        return self.evaluate(net, points, outputs, unknowns, num_threads=num_threads)

    def evaluate(
        self,
        net: Network,
        points: npt.ArrayLike,
        function: Residual,
        unknowns: Unknowns | None = None,
        *,
        directions: Mapping[str, npt.ArrayLike] | None = None,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return an expression of the solution and its derivatives at points.

        Parameters
        ----------
        net : Network
        points : array_like, shape (N, d)
        function : callable
            As the residual of a `Term`: ``lambda u: (u.x, u.xx)``, or a residual at other points.
        unknowns : array_like or mapping of str to float
            Needed if the problem has any, as `Result.unknowns`.
        directions : mapping of str to array_like, shape (d,) or (N, d), optional
            Further letters, as those of a `Term`.

        Returns
        -------
        ndarray, shape (N, number of expressions)

        Examples
        --------
        >>> import kanml
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 9)[:, None]
        >>> problem = kanml.PINN(
        ...     "x", [kanml.Term("ode", x, lambda u: u.x - u)], transform=lambda u, x: 1 + x * u
        ... )
        >>> net = kanml.KAN([1, 1], domain=(0, 1))
        >>> result = kanml.train(net, problem, [20, 20], progress=False)
        >>> slope = problem.evaluate(result.network, [[1.0]], lambda u: u.x)
        >>> bool(abs(slope[0, 0] - np.e) < 1e-4)
        True
        """
        values = self._values(net, unknowns)
        term = Term("at points", points, function, directions=directions or {})
        traced = _Traced(term, self)
        traced.require_fit(net)
        return traced.residuals(net, values, num_threads=num_threads)

    def advance(self, net: Network, unknowns: Unknowns | None = None) -> bool:
        """Take note of an accepted step: attention, minibatches, points drawn anew.

        Returns
        -------
        bool
            Whether the loss is another function now.
        """
        values = self._values(net, unknowns)
        known = self._known(net, values)
        changed = False
        for traced in self._traced:
            rule, points = traced.term.attention, traced.points
            if rule is not None and traced.attention is not None:
                found = known.residuals[traced.term.name] if known else None
                e = np.abs(traced.residuals(net, values) if found is None else found)
                greatest = float(e.max())
                if math.isfinite(greatest) and greatest > 0:
                    rows = points.rows
                    kept = (1 - rule.mu) * traced.attention[rows]
                    traced.attention[rows] = kept + rule.mu * e.astype(np.float64) / greatest
                changed = True
            drawn = points.advance(
                lambda x, t=traced: np.linalg.norm(t.residuals(net, values, x), axis=1)  # type: ignore[misc]
            )
            if drawn and traced.attention is not None:
                traced.attention = np.ones_like(traced.attention)
            changed |= drawn or points.batch_size < len(points.all)
        if changed:
            self._last = None
        return changed

    def state(self) -> dict[str, Any]:
        """Return all that `advance` changes, as values that JSON can hold."""
        return {
            traced.term.name: {
                "points": traced.points.state(),
                "attention": None if traced.attention is None else traced.attention.tolist(),
            }
            for traced in self._traced
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that `state` returned."""
        for traced in self._traced:
            own = state[traced.term.name]
            traced.points.restore(own["points"])
            if own["attention"] is not None:
                traced.attention = np.array(own["attention"], dtype=np.float64)
        self._last = None

    def fingerprint(self) -> str:
        """Return a digest of residuals, points and all options."""
        return self._fingerprint

    def _digest(self) -> str:
        names = f"PINN {self.inputs} {self.outputs} {self.unknowns}"
        digest = hashlib.sha256(names.encode())
        for traced in self._traced:
            term = traced.term
            options = (term.name, term.weight, term.reduction, term.attention, term.batch_size)
            digest.update(repr((options, term.seed, traced.text)).encode())
            if isinstance(term.points, Sampler):
                digest.update(repr(term.points).encode())
            else:
                digest.update(traced.points.all.ravel().data)
            if traced.points.partner is not None:
                digest.update(b"partner")
                digest.update(traced.points.partner.ravel().data)
            for letter, vector in term.directions.items():
                digest.update(letter.encode() + np.asarray(vector, dtype=np.float64).tobytes())
        return digest.hexdigest()

    def _values(self, net: Network, unknowns: Unknowns | None) -> Float64Array:
        """Check the network, and return the values of the unknowns."""
        if net.n_in != len(self.inputs) or net.n_out != len(self.outputs):
            raise ValueError(
                f"a network with {net.n_in} inputs and {net.n_out} outputs does not fit a problem "
                f"with inputs {self.inputs!r} and outputs {', '.join(self.outputs)}"
            )
        for traced in self._traced:
            traced.require_fit(net)
        if unknowns is None:
            unknowns = {}
        if isinstance(unknowns, Mapping):
            if unknowns.keys() != self.unknowns.keys():
                needed, given = ", ".join(self.unknowns), ", ".join(unknowns)
                raise ValueError(
                    f"unknowns must give {needed or 'nothing'}, for instance by result.unknowns, "
                    f"got {given or 'nothing'}"
                )
            unknowns = [unknowns[name] for name in self.unknowns]
        values = np.asarray(real_array(unknowns, "unknowns"), dtype=np.float64)
        if values.shape != (len(self.unknowns),):
            raise ValueError(
                f"unknowns must have shape ({len(self.unknowns)},), got {values.shape}"
            )
        return values


def _factor(term: Term, count: float) -> float:
    return term.weight / count if term.reduction == "mean" else term.weight


def _sum_of_squares(columns: Iterable[FloatArray]) -> float:
    """Return the sum over all entries, in double precision."""
    wide = (column.astype(np.float64, copy=False) for column in columns)
    return sum(float(np.dot(column, column)) for column in wide)


def _word(leaf: Leaf) -> Word:
    return tuple(leaf.letters)


def _called(function: Residual, fields: Mapping[str, Expression], what: str) -> Any:
    """Call a function with the fields that it names as arguments."""
    arguments: dict[str, Expression] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            arguments |= fields
        elif name in fields:
            arguments[name] = fields[name]
        elif parameter.default is inspect.Parameter.empty:
            hint = "; partner= of the term is missing" if name.endswith("_partner") else ""
            known = ", ".join(fields)
            raise TypeError(f"the {what} asks for {name!r}, which is none of {known}{hint}")
    return function(**arguments)
