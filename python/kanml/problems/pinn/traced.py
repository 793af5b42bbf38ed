"""A term with a traced residual, in the form that the core evaluates."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, real_array
from kanml.expressions import (
    Expression,
    Leaf,
    Recording,
    Trace,
    identifier,
    leaves,
    record,
)
from kanml.network import Network
from kanml.problems.fresh import between
from kanml.problems.pinn.collocation import Collocation, Samples
from kanml.problems.pinn.fields import Fields
from kanml.problems.pinn.term import Term
from kanml.problems.point_loss import PointLoss
from kanml.problems.point_program import Place, PointArrays, PointProgram
from kanml.problems.point_rows import PointRows
from kanml.problems.reduction import Reduction, Summand
from kanml.problems.stacked_rows import RowsOfTerm

__all__ = ["TracedTerm", "require_finite"]

PARTNER = "_partner"


class TracedTerm:
    """A term with its points and its traced residual. It is immutable; stages hold what changes.

    Parameters
    ----------
    term : Term
    fields : Fields
    where : str
        The beginning of messages.
    what : str
        The name of the residual in messages.

    Attributes
    ----------
    components : tuple of Expression
    unknowns : tuple of str
    loss : PointLoss
        The sum of the squares of the components, times their attention; 0 for a function that is
        only evaluated.
    letters : dict of str to ndarray
        The direction of each letter.
    """

    def __init__(self, term: Term, fields: Fields, where: str, what: str = "residual") -> None:
        self.term, self.where, self.unknowns = term, where, fields.unknowns
        self.collocation = Collocation(term, len(fields.inputs), where)
        self.transform: Recording | None = None
        try:
            self._trace(fields, what)
        except (TypeError, ValueError, AttributeError) as error:
            raise _prefixed(error, where) from error
        self._rows: PointRows | None = None  # made when they are first needed
        self._tracing = threading.Lock()
        # The latest points of each program in each dtype, with what the core reads of them.
        self._latest: dict[tuple[PointProgram, str], tuple[Float64Array, PointArrays]] = {}

    def _trace(self, fields: Fields, what: str) -> None:
        sampler, partner = self.collocation.sampler, self.collocation.partner
        n_points = None if sampler else len(self.collocation.points)
        trace = Trace(fields.inputs, self.term.directions, n_points)
        given: dict[str, Expression] = dict(zip(fields.inputs, trace.coordinates, strict=True))
        given |= {name: trace.unknown(name) for name in fields.unknowns}
        given |= self._outputs(trace, fields, given)
        if partner is not None:
            given |= _partners(trace, fields, given)
        self.residual = record(trace, self.term.residual, given, what)
        self.components = trace.components(self.residual.returned, what)
        self.reads_arrays = trace.has_data
        if sampler and self.reads_arrays:
            raise ValueError(
                "arrays with one entry a point need given points: a Sampler draws new ones"
            )
        self.text = repr(self.components)
        self.letters = _vectors(fields.inputs, self.term.directions)
        needed = leaves(self.components)
        self.places = [
            Place(
                needed,
                {f"{name}{suffix}": i for i, name in enumerate(fields.outputs)},
                {f"{name}{suffix}": i for i, name in enumerate(fields.inputs)},
            )
            for suffix in ([""] if partner is None else ["", PARTNER])
        ]
        self._weighted: list[Expression] = []
        self._attention: list[Leaf] = []
        loss = trace.constant(0.0)
        for c, component in enumerate(self.components if what == "residual" else ()):
            weighted = component
            if self.term.attention is not None:
                self._attention.append(Leaf("column", f"attention {c}"))
                weighted = trace.leaf(self._attention[-1]) * component
            self._weighted.append(weighted)
            loss = loss + weighted**2
        self.loss = PointLoss(loss, self.components, *self._reads())

    def _reads(self) -> tuple[list[Place], tuple[str, ...], list[Leaf]]:
        return self.places, self.unknowns, self._attention

    @property
    def rows(self) -> PointRows:
        """The components, times their attention, whose squares are the loss."""
        with self._tracing:  # the graph is not for several threads
            if self._rows is None:
                self._rows = PointRows(self._weighted, *self._reads())
            return self._rows

    def _outputs(
        self, trace: Trace, fields: Fields, given: dict[str, Expression]
    ) -> dict[str, Expression]:
        """Return the outputs that residuals receive."""
        raw = {name: trace.output(name) for name in fields.outputs}
        if fields.transform is None:
            return raw
        self.transform = record(trace, fields.transform, given | raw, "transform")
        made = trace.components(self.transform.returned, "transform")
        if len(made) != len(raw):
            raise ValueError(
                f"transform must return {len(raw)} expressions, one for each of {', '.join(raw)}, "
                f"got {len(made)}"
            )
        return dict(zip(raw, made, strict=True))

    def core(self, program: PointProgram, samples: Samples, dtype: np.dtype[Any]) -> Any:
        """Return the term at samples, for the core; the program is `loss` or `rows`."""
        attention = samples.attention
        columns = [] if attention is None else [*attention.astype(dtype, copy=False).T]
        arrays = self._arrays(program, samples, dtype)
        return program.term(arrays, samples.rows, columns, self.where)

    def _arrays(self, program: PointProgram, samples: Samples, dtype: np.dtype[Any]) -> PointArrays:
        """Return what the core reads of points; it is computed once for points and dtype."""
        key = program, dtype.char
        known = self._latest.get(key)
        if known is not None and known[0] is samples.points:
            return known[1]
        places = [samples.points]
        if samples.partner is not None:
            places.append(samples.partner)
        values = {
            Leaf("coordinate", name): points[:, i]
            for place, points in zip(self.places, places, strict=True)
            for name, i in place.inputs.items()
        }
        arrays = program.arrays(places, self.letters, values, dtype)
        self._latest = {**self._latest, key: (samples.points, arrays)}
        return arrays

    def require_fit(self, net: Network) -> None:
        """Check that the network has the derivatives that the residual needs."""
        for leaf in (leaf for place in self.places for leaf in place.derivatives):
            order = len(leaf.letters)
            if order == 0:
                continue
            net._order(order, f"{self.where}the order of {leaf}")
            for i, layer in enumerate(net.layers):
                if layer.smooth_order is not None and order > layer.smooth_order:
                    raise ValueError(
                        f"{self.where}the order of {leaf} must be at most {layer.smooth_order} for "
                        f"this network, whose higher derivatives vanish: order {order} needs a "
                        f"smooth activation, such as 'tanh' or 'silu', but layers[{i}] is {layer!r}"
                    )

    def summand(self, samples: Samples, dtype: np.dtype[Any]) -> Summand:
        """Return the term at samples, in the form in which a loss is evaluated."""
        return Summand(
            self.term.name,
            [self.core(self.loss, samples, dtype)],
            partial(self._rows_at, samples, dtype),
            samples.count,
            self.term.weight,
            mean=self.term.reduction == "mean",
            represents=samples.represents,
            keeps=samples.attention is not None,
        )

    def _rows_at(self, samples: Samples, dtype: np.dtype[Any]) -> RowsOfTerm:
        rows = self.rows
        core = self.core(rows, samples, dtype)
        return RowsOfTerm([core], [rows.n_rows * samples.count], rows.is_affine)

    def residuals(
        self,
        samples: Samples,
        net: Network,
        unknowns: Sequence[float],
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return the residuals (n, components), without attention."""
        summand = replace(self.summand(samples, net.dtype), keeps=True)
        found = Reduction([summand]).evaluate(net, unknowns, "value", num_threads)
        residuals = found.terms[self.term.name].residuals
        assert residuals is not None
        return residuals

    def magnitude(
        self, points: Float64Array, net: Network, unknowns: Sequence[float]
    ) -> Float64Array:
        """Return the magnitude (m,) of the residual at other points (m, d)."""
        samples = Samples(points, slice(0, len(points)))
        if self.term.attention is not None:
            samples = replace(samples, attention=np.ones((len(points), len(self.components))))
        residuals = self.residuals(samples, net, unknowns)
        norms: Float64Array = np.linalg.norm(residuals.astype(np.float64), axis=1)
        return norms

    def planes(
        self, samples: Samples, net: Network, num_threads: int | None
    ) -> Iterator[FloatArray]:
        """Yield the Taylor coefficients (planes, n, n_out) at each place."""
        for x, orders, vectors in self._arrays(self.loss, samples, net.dtype).places:
            one_a_point = vectors.ndim == 3
            along = vectors[:, samples.rows] if one_a_point else vectors
            chosen = np.ascontiguousarray(x[samples.rows])
            yield net._planes(chosen, orders, np.ascontiguousarray(along), num_threads)

    def recorded_at(self, points: Float64Array, count: int) -> Term:
        """Return the term as a mean over other points, which stand for `count` of them."""
        return dataclasses.replace(
            self.recorded(),
            points=points,
            weight=self.term.weight * (count if self.term.reduction == "sum" else 1),
            reduction="mean",
            attention=None,
            batch_size=None,
        )

    def fresh_points(self, stream: int) -> Float64Array | None:
        """Return points of the residual that training has not seen; None if there are none."""
        if self.collocation.sampler is not None:
            return self.collocation.sampler.fresh(stream)
        if self.reads_arrays or self.collocation.partner is not None:
            return None
        return between(self.collocation.points)

    def add_to(self, digest: hashlib._Hash) -> None:
        """Add everything that determines the loss to a digest."""
        term, collocation = self.term, self.collocation
        options = (term.name, term.weight, term.reduction, term.attention, term.batch_size)
        digest.update(repr((options, term.seed, self.text)).encode())
        if collocation.sampler is not None:
            digest.update(repr(collocation.sampler).encode())
        else:
            digest.update(collocation.points.ravel().data)
        if collocation.partner is not None:
            digest.update(b"partner")
            digest.update(collocation.partner.ravel().data)
        for letter, vector in term.directions.items():
            digest.update(letter.encode() + np.asarray(vector, dtype=np.float64).tobytes())

    def recorded(self) -> Term:
        """Return the term with copies of its arrays, and the recording of its residual."""
        collocation = self.collocation
        return dataclasses.replace(
            self.term,
            points=collocation.sampler or collocation.points,
            residual=self.residual.function(f"{self.where}the residual"),
            directions={
                letter: self.letters[identifier(letter)] for letter in self.term.directions
            },
            partner=collocation.partner,
        )


def _vectors(inputs: str, directions: Mapping[str, npt.ArrayLike]) -> dict[str, FloatArray]:
    """Return the direction of each letter: of the inputs, and of the additional ones."""
    vectors: dict[str, FloatArray] = dict(zip(inputs, np.eye(len(inputs)), strict=True))
    for letter, vector in directions.items():
        vectors[identifier(letter)] = real_array(vector, f"the direction {letter!r}").copy()
    return vectors


def _partners(trace: Trace, fields: Fields, given: dict[str, Expression]) -> dict[str, Expression]:
    """Return the fields at the partners: inputs and outputs."""
    if fields.transform is not None:
        raise ValueError("partner and transform do not go together")
    there = {f"{name}{PARTNER}": trace.output(f"{name}{PARTNER}") for name in fields.outputs}
    coordinates = trace.coordinates_at(PARTNER)
    there |= {
        f"{name}{PARTNER}": node for name, node in zip(fields.inputs, coordinates, strict=True)
    }
    for name in there:
        if name in given:
            raise ValueError(
                f"{name!r} is the name of a field at the partner, and of another field"
            )
    return there


def require_finite(
    traced: TracedTerm,
    samples: Samples,
    net: Network,
    unknowns: Sequence[float],
    num_threads: int | None,
) -> None:
    """Raise ValueError for a residual that is not finite although its fields are."""
    residuals = traced.residuals(samples, net, unknowns, num_threads)
    rows, columns = np.nonzero(~np.isfinite(residuals))
    if not rows.size:
        return
    points = samples.points[samples.rows]
    if all(np.isfinite(planes).all() for planes in traced.planes(samples, net, num_threads)):
        i, c = int(rows[0]), int(columns[0])
        raise ValueError(
            f"{traced.where}the residual {traced.components[c]!r} is {residuals[i, c]} at the "
            f"point {points[i].astype(net.dtype).tolist()}, where the network and its derivatives "
            "are finite"
        )


def _prefixed(error: Exception, where: str) -> Exception:
    """Return an error of the same type whose message begins with the name of a term."""
    kind = next(kind for kind in (ValueError, AttributeError, TypeError) if isinstance(error, kind))
    return kind(f"{where}{error}")
