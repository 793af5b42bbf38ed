"""A term with a traced residual: the derivatives it needs, and the programs that evaluate it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kanml._core import OutsideDomain
from kanml._validation import FloatArray, real_array
from kanml.expressions import (
    Expression,
    Leaf,
    Program,
    Recording,
    Trace,
    as_number,
    identifier,
    leaves,
    partials,
    record,
)
from kanml.network import Network
from kanml.network.derivatives import DirectionSet, Word
from kanml.problems.pinn.collocation import Collocation
from kanml.problems.pinn.fields import Fields
from kanml.problems.pinn.term import Term

__all__ = ["Place", "TracedTerm", "prefixed", "word"]

PARTNER = "_partner"


class Place:
    """The fields that a residual needs at the points of a term, or at their partners.

    Parameters
    ----------
    needed : sequence of Leaf
        The leaves of the residual.
    fields : Fields
    suffix : str
        The suffix of the names at these points.
    """

    def __init__(self, needed: Sequence[Leaf], fields: Fields, suffix: str) -> None:
        self.outputs = {f"{name}{suffix}": i for i, name in enumerate(fields.outputs)}
        self.inputs = {f"{name}{suffix}": i for i, name in enumerate(fields.inputs)}
        self.derivatives = [
            leaf for leaf in needed if leaf.kind == "derivative" and leaf.name in self.outputs
        ]
        self.coordinates = [
            leaf for leaf in needed if leaf.kind == "coordinate" and leaf.name in self.inputs
        ]
        self.along = DirectionSet(word(leaf) for leaf in self.derivatives)


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
    slopes : list of (int, Leaf, float or None)
        The partial derivatives that are not 0: the component, the field with respect to which it is
        differentiated, and the value; None for those that `program` returns after the components.
    places : list of Place
        The points, and the partners if there are any.
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
            raise prefixed(error, where) from error

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
        if sampler and trace.points is not None:
            raise ValueError(
                "arrays with one entry a point need given points: a Sampler draws new ones"
            )
        self.text = repr(self.components)
        needed = leaves(self.components)
        self._differentiate(needed)
        self.letters = _vectors(fields.inputs, self.term.directions)
        suffixes = [""] if partner is None else ["", PARTNER]
        self.places = [Place(needed, fields, suffix) for suffix in suffixes]

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

    def _differentiate(self, needed: Sequence[Leaf]) -> None:
        varying = [leaf for leaf in needed if leaf.kind != "coordinate"]
        slopes = [partials(component, varying) for component in self.components]
        self.slopes = [
            (c, leaf, as_number(slope))
            for c, row in enumerate(slopes)
            for leaf, slope in zip(varying, row, strict=True)
            if as_number(slope) != 0
        ]
        computed = [slope for row in slopes for slope in row if as_number(slope) is None]
        self.value_program = Program(self.components)
        self.program = Program([*self.components, *computed])

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

    def factor(self, count: float, stands_for: float) -> float:
        """Return the factor of the sum of squares over `count` points; see `Samples`."""
        if self.term.reduction == "mean":
            return self.term.weight / count
        return self.term.weight * stands_for

    @property
    def planes(self) -> int:
        """The number of Taylor coefficients that a point and its partner need."""
        return sum(place.along.n_planes for place in self.places)

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


def prefixed(error: Exception, where: str, behind: str = "") -> Exception:
    """Return an error of the same type whose message begins with the name of a term."""
    kinds = (OutsideDomain, ValueError, AttributeError, TypeError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    return kind(f"{where}{error}{behind}")


def word(leaf: Leaf) -> Word:
    """Return the letters of a derivative."""
    return tuple(leaf.letters)
