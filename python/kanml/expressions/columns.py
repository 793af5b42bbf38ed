"""Expressions with other leaves: columns for what depends on the points alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kanml.expressions.expression import Expression
from kanml.expressions.nodes import Leaf, below, is_condition
from kanml.expressions.operations import WHERE, Operation

__all__ = ["replaced", "split"]


def split(
    expressions: Sequence[Expression],
) -> tuple[list[Expression], dict[Leaf, Expression]]:
    """Separate what depends on the points alone, which needs to be computed only once.

    Parameters
    ----------
    expressions : sequence of Expression

    Returns
    -------
    expressions : list of Expression
        The same with a leaf in place of each maximal part that is made of coordinates, arrays and
        numbers, of the kind "column".
    columns : dict of Leaf to Expression
        These parts by their leaves. Conditions are 1 where they hold and 0 elsewhere; one that is
        also used as a number has two leaves.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.expressions import Trace
    >>> trace = Trace("tx")
    >>> u, (t, x) = trace.output("u"), trace.coordinates
    >>> [rest], columns = split([u.t - np.sin(x) * np.exp(-t) + np.where(x > t, u, x)])
    >>> rest
    u.t - [1] + where([2], u, [0])
    >>> list(columns.values())
    [x, sin(x)*exp(-t), where(x > t, 1, 0)]
    """
    columns: dict[Leaf, Expression] = {}
    known: dict[int, Expression] = {}
    for part in _parts_of_points(expressions):
        graph, condition = part._graph, is_condition(part)
        leaf = Leaf("column", str(len(columns)), condition=condition)
        columns[leaf] = graph.apply(WHERE, part, 1.0, 0.0) if condition else part
        known[part._number] = graph.leaf(leaf)
    return _rebuilt(expressions, known), columns


def replaced(
    expressions: Sequence[Expression], leaves: Mapping[Leaf, Expression]
) -> list[Expression]:
    """Return the expressions with other expressions in place of leaves, simplified if possible.

    >>> from kanml.expressions import Trace
    >>> trace = Trace("x")
    >>> u, [x] = trace.output("u"), trace.coordinates
    >>> replaced([u.x + x * u], {Leaf("derivative", "u"): x - 1, Leaf("derivative", "u", "x"): x})
    [x + x*(x - 1)]
    """
    known = {
        node._number: leaves[node._what]
        for node in below(expressions)
        if isinstance(node._what, Leaf) and node._what in leaves
    }
    return _rebuilt(expressions, known)


def _parts_of_points(expressions: Sequence[Expression]) -> list[Expression]:
    """Return the parts that depend on the points alone and are in no larger one."""
    nodes = below(expressions)
    of_points: set[int] = set()  # also numbers
    used = {expression._number for expression in expressions}  # elsewhere than in these
    for node in nodes:
        what = node._what
        arguments = {argument._number for argument in node._arguments}
        unknown = isinstance(what, Leaf) and what.kind != "coordinate"
        if not unknown and arguments <= of_points:
            of_points.add(node._number)
        else:
            used |= arguments
    parts = of_points & used
    return [
        node
        for node in nodes
        if node._number in parts and not isinstance(node._what, (float, bool))
    ]


def _rebuilt(expressions: Sequence[Expression], known: dict[int, Expression]) -> list[Expression]:
    """Return expressions where some nodes, by their numbers, are others."""
    known = known.copy()
    for node in below(expressions, lambda node: () if node._number in known else node._arguments):
        if node._number not in known:
            known[node._number] = _with_arguments(
                node, [known[argument._number] for argument in node._arguments]
            )
    return [known[expression._number] for expression in expressions]


def _with_arguments(node: Expression, arguments: Sequence[Expression]) -> Expression:
    same = all(new is old for new, old in zip(arguments, node._arguments, strict=True))
    if same or not isinstance(node._what, Operation):
        return node
    return node._graph.apply(node._what, *arguments)
