"""Derivatives of expressions: along letters, and with respect to their leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from kanml.expressions.expression import Expression
from kanml.expressions.nodes import Leaf, as_number, below
from kanml.expressions.operations import Operation

__all__ = ["partials", "total"]

ByLeaf: TypeAlias = dict[int, Expression]
"""Derivatives with respect to leaves, by the numbers of the leaves; missing ones are 0."""


def total(
    expression: Expression,
    of_leaf: Callable[[Expression], Expression],
    known: dict[int, Expression],
) -> Expression:
    """Return the derivative along a direction, on which all leaves may depend.

    Parameters
    ----------
    expression : Expression
    of_leaf : callable
        Returns the derivative of a leaf, of data or of a number.
    known : dict
        The derivatives found earlier, by the numbers of the expressions; those found now are added.
    """
    for node in below([expression], _smooth_arguments):
        if node._number not in known:
            known[node._number] = (
                _total(node, known) if isinstance(node._what, Operation) else of_leaf(node)
            )
    return known[expression._number]


def _total(node: Expression, known: dict[int, Expression]) -> Expression:
    """Return the derivative of an operation, given those of its arguments."""
    graph, operation = node._graph, node._what
    assert isinstance(operation, Operation)
    derivatives = [graph.expression(0.0)] * len(node._arguments)
    for i in operation.differentiable:
        derivatives[i] = known[node._arguments[i]._number]
    if operation.choose is not None:
        return graph.expression(operation.choose(node._arguments, derivatives))
    result = graph.expression(0.0)
    for rule, derivative in zip(operation.rules, derivatives, strict=True):
        if rule is not None and as_number(derivative) != 0.0:
            result = result + graph.expression(rule(derivative, node, *node._arguments))
    return result


def partials(expression: Expression, by: Iterable[Leaf]) -> list[Expression]:
    """Return the derivative with respect to each leaf, with the other leaves held constant.

    One sweep goes backwards through the graph. Each branch of a `where` is swept by itself, and the
    choice is made between the results, so the other branch has no effect.
    """
    numbers = {node._what: node._number for node in below([expression])}
    wanted = [numbers.get(leaf, -1) for leaf in by]  # -1: it is not in the expression
    active = set(wanted)
    choices: dict[int, ByLeaf] = {}
    for node in below([expression], _smooth_arguments):
        arguments = _smooth_arguments(node)
        if any(argument._number in active for argument in arguments):
            active.add(node._number)
            if isinstance(node._what, Operation) and node._what.choose is not None:
                choices[node._number] = _through_choice(node, active, choices)
    result = _swept(expression, active, choices)
    zero = expression._graph.expression(0.0)
    return [result.get(number, zero) for number in wanted]


def _swept(root: Expression, active: set[int], choices: dict[int, ByLeaf]) -> ByLeaf:
    """Return the derivatives of `root` with respect to all leaves.

    The derivatives of choices below it are given.
    """

    def follow(node: Expression) -> list[Expression]:
        if node._number in choices:
            return []
        return [argument for argument in _smooth_arguments(node) if argument._number in active]

    result: ByLeaf = {}
    if root._number not in active:
        return result
    adjoint: ByLeaf = {root._number: root._graph.expression(1.0)}
    for node in reversed(below([root], follow)):
        g = adjoint.pop(node._number)
        if node._number in choices:
            for number, derivative in choices[node._number].items():
                _add_to(result, number, g * derivative)
        elif isinstance(node._what, Operation):
            for rule, argument in zip(node._what.rules, node._arguments, strict=True):
                if rule is not None and argument._number in active:
                    part = g._graph.expression(rule(g, node, *node._arguments))
                    _add_to(adjoint, argument._number, part)
        else:
            _add_to(result, node._number, g)
    return result


def _through_choice(node: Expression, active: set[int], choices: dict[int, ByLeaf]) -> ByLeaf:
    """Return the derivatives of an operation that chooses, with respect to all leaves."""
    operation, graph = node._what, node._graph
    assert isinstance(operation, Operation)
    assert operation.choose is not None
    branches: list[ByLeaf] = [{} for _ in node._arguments]
    for i in operation.differentiable:
        branches[i] = _swept(node._arguments[i], active, choices)
    zero = graph.expression(0.0)
    return {
        number: graph.expression(
            operation.choose(node._arguments, [branch.get(number, zero) for branch in branches])
        )
        for number in sorted(set().union(*branches))
    }


def _add_to(sums: ByLeaf, number: int, part: Expression) -> None:
    sums[number] = sums[number] + part if number in sums else part


def _smooth_arguments(node: Expression) -> Sequence[Expression]:
    """Return the arguments whose derivatives are not 0 everywhere."""
    if not isinstance(node._what, Operation):
        return ()
    return [node._arguments[i] for i in node._what.differentiable]
