"""Derivatives of expressions: along letters, and by their leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from kanml.expressions.operations import Operation

if TYPE_CHECKING:
    from kanml.expressions.graph import Expression
    from kanml.expressions.nodes import Leaf

__all__ = ["below", "leaves", "partials", "total"]

ByLeaf: TypeAlias = "dict[int, Expression]"
"""Derivatives by leaves, under the numbers of these; those that are missing are 0."""


def below(
    roots: Iterable[Expression], follow: Callable[[Expression], Iterable[Expression]] | None = None
) -> list[Expression]:
    """Return what the roots are made of and the roots, arguments before results.

    Parameters
    ----------
    roots : iterable of Expression
    follow : callable, optional
        Which arguments to go on to; all by default.
    """
    found: dict[int, Expression] = {}
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node._number not in found:
            found[node._number] = node
            waiting.extend(node._arguments if follow is None else follow(node))
    return [found[number] for number in sorted(found)]


def leaves(expressions: Iterable[Expression]) -> tuple[Leaf, ...]:
    """Return what has to be known to evaluate the expressions, in the order it was first used."""
    return tuple(
        node._what
        for node in below(expressions)
        if isinstance(node._what, tuple)  # a Leaf
    )


def total(expression: Expression, letter: str) -> Expression:
    """Return the derivative along a letter, all outputs of the network depending on the inputs."""
    trace = expression._trace
    for node in below([expression], _smooth_arguments):
        if (node._number, letter) not in trace._totals:
            trace._totals[node._number, letter] = _total(node, letter)
    return trace._totals[expression._number, letter]


def _total(node: Expression, letter: str) -> Expression:
    """Return the derivative of a node whose arguments have theirs."""
    trace, operation = node._trace, node._what
    if not isinstance(operation, Operation):
        return trace._derivative_of_leaf(node, letter)
    derivatives = [trace.constant(0.0)] * len(node._arguments)
    for i in operation.differentiable:
        derivatives[i] = trace._totals[node._arguments[i]._number, letter]
    if operation.choose is not None:
        return trace.expression(operation.choose(node._arguments, derivatives))
    result = trace.constant(0.0)
    for rule, derivative in zip(operation.rules, derivatives, strict=True):
        if rule is not None and not _is_zero(derivative):
            result = result + trace.expression(rule(derivative, node, *node._arguments))
    return result


def partials(expression: Expression, by: Iterable[Leaf]) -> list[Expression]:
    """Return the derivative by each leaf, the other leaves being held.

    One sweep goes backwards through the graph. A branch of a `where` is swept by itself, and the
    choice is made between the results, so that nothing of the other branch enters.
    """
    trace = expression._trace
    wanted = [trace.leaf(leaf)._number for leaf in by]
    active: set[int] = set(wanted)
    choices: dict[int, ByLeaf] = {}
    for node in below([expression], _smooth_arguments):
        arguments = _smooth_arguments(node)
        if any(argument._number in active for argument in arguments):
            active.add(node._number)
            if isinstance(node._what, Operation) and node._what.choose is not None:
                choices[node._number] = _through_choice(node, active, choices)
    result = _swept(expression, active, choices)
    return [result.get(number, trace.constant(0.0)) for number in wanted]


def _swept(root: Expression, active: set[int], choices: dict[int, ByLeaf]) -> ByLeaf:
    """Return the derivatives of `root` by all leaves, those of the choices below it being known."""

    def follow(node: Expression) -> list[Expression]:
        if node._number in choices:
            return []
        return [argument for argument in _smooth_arguments(node) if argument._number in active]

    result: ByLeaf = {}
    if root._number not in active:
        return result
    adjoint: ByLeaf = {root._number: root._trace.constant(1.0)}
    for node in reversed(below([root], follow)):
        g = adjoint.pop(node._number)
        if node._number in choices:
            for number, derivative in choices[node._number].items():
                _add_to(result, number, g * derivative)
        elif isinstance(node._what, Operation):
            for rule, argument in zip(node._what.rules, node._arguments, strict=True):
                if rule is not None and argument._number in active:
                    term = g._trace.expression(rule(g, node, *node._arguments))
                    _add_to(adjoint, argument._number, term)
        else:
            _add_to(result, node._number, g)
    return result


def _through_choice(node: Expression, active: set[int], choices: dict[int, ByLeaf]) -> ByLeaf:
    """Return the derivatives of an operation that chooses, by all leaves."""
    operation, trace = node._what, node._trace
    assert isinstance(operation, Operation)
    assert operation.choose is not None
    branches: list[ByLeaf] = [{} for _ in node._arguments]
    for i in operation.differentiable:
        branches[i] = _swept(node._arguments[i], active, choices)
    zero = trace.constant(0.0)
    return {
        number: trace.expression(
            operation.choose(node._arguments, [branch.get(number, zero) for branch in branches])
        )
        for number in sorted(set().union(*branches))
    }


def _add_to(sums: ByLeaf, number: int, term: Expression) -> None:
    sums[number] = sums[number] + term if number in sums else term


def _smooth_arguments(node: Expression) -> Sequence[Expression]:
    """Return the arguments by which a node has a derivative that is not 0 everywhere."""
    if not isinstance(node._what, Operation):
        return ()
    return [node._arguments[i] for i in node._what.differentiable]


def _is_zero(node: Expression) -> bool:
    return isinstance(node._what, float) and node._what == 0.0
