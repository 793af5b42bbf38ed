"""What depends on the points alone as columns, and other leaves in place of leaves."""

from __future__ import annotations

import numpy as np
import pytest
from traces import N, U, derivative, traced

from helpers import same_bits
from kanml.expressions import Leaf, Program, leaves, partials, replaced, split

RNG = np.random.default_rng(0)
DATA, MASK = RNG.normal(size=N), RNG.random(N) < 0.5


def values_of(program, fields):
    return program.evaluate({leaf: fields[str(leaf)] for leaf in program.leaves}, N)


def column(name, condition=False):
    return Leaf("column", name, condition=condition)


CASES = {  # the residual, the number of columns, and the operations that are left
    "waves": (lambda u, t, x: u.t - np.sin(x) * np.exp(-t) * 2, 1, ["subtract"]),
    "coordinates": (lambda u, t, x: x * u + t, 2, ["multiply", "add"]),
    "shared": (lambda u, t, x: np.sin(x) * u + np.exp(np.sin(x)), 2, ["multiply", "add"]),
    "arrays": (lambda u, t, x: u * DATA + np.exp(DATA) * x, 2, ["multiply", "add"]),
    "conditions": (lambda u, t, x: np.where((x > t) & MASK, u, x + t), 2, ["where"]),
    "as numbers": (
        lambda u, t, x: np.where(x > 0, u, 0) + u * (x > 0),
        2,  # a leaf for the condition, and one for the number
        ["where", "multiply", "add"],
    ),
    "of conditions": (
        lambda u, t, x: np.where((x > 0) & (u > 0), u, 1),
        1,
        ["greater", "logical_and", "where"],
    ),
    "none": (lambda u, t, x: u * u.x + 1, 0, ["multiply", "add"]),
    "only": (lambda u, t, x: np.sin(x) + t, 1, []),
    "number": (lambda u, t, x: 3 + 0 * u, 0, []),
}


@pytest.mark.parametrize("case", CASES)
def test_splitting(case):
    function, n_columns, operations = CASES[case]
    u, t, x = traced("u t x")
    residual = function(u, t, x)
    rest, columns = split([residual])
    assert len(columns) == n_columns
    assert [leaf.name for leaf in columns] == [str(i) for i in range(n_columns)]
    kinds = {(leaf.condition, repr(part)) for leaf, part in columns.items()}
    assert len(kinds) == n_columns  # each part once
    assert not [leaf for leaf in leaves(columns.values()) if leaf.kind != "coordinate"]
    assert not [leaf for leaf in leaves(rest) if leaf.kind == "coordinate"]
    program = Program(rest)
    assert sorted(program.operations) == sorted(operations)
    assert not [what for what in program.inputs if not isinstance(what, Leaf)]  # no arrays

    fields = {name: RNG.normal(size=N) for name in ("u", "u.x", "u.t", "x", "t")}
    named = {f"[{i}]": v for i, v in enumerate(values_of(Program([*columns.values()]), fields))}
    [expected] = values_of(Program([residual]), fields)
    [got] = values_of(program, fields | named)
    assert same_bits(got, expected)


def test_columns_are_shared_by_expressions():
    u, t, x = traced("u t x")
    inner = np.sin(x + t)
    residual = inner * np.where(x > t, u, inner**2)
    rest, columns = split([residual, *partials(residual, [U]), inner])
    texts = ["sin(x + t)", "where(x > t, 1, 0)", "sin(x + t)**2", "sin(x + t)*where(x > t, 1, 0)"]
    assert columns[column("0")] is inner
    assert list(map(repr, columns.values())) == texts
    assert list(map(repr, rest)) == ["[0]*where([1], u, [2])", "[3]", "[0]"]
    assert set(leaves(rest)) == {U, column("0"), column("1", True), column("2"), column("3")}


def test_nothing_is_split_from_nothing():
    assert split([]) == ([], {})


def test_columns_and_planes_have_no_derivative():
    trace, u = traced("trace u")
    for kind in ("column", "plane"):
        with pytest.raises(TypeError, match=f"the {kind} .* no derivative along x"):
            _ = (u * trace.leaf(Leaf(kind, "0"))).x


def test_replacing_leaves():
    trace, u, x = traced("trace u x")
    planes = [trace.leaf(Leaf("plane", str(i))) for i in range(3)]
    residual = u.x + np.sin(u.xx * x) - u
    changes = {
        U: planes[0],
        derivative("u", "x"): planes[1] - planes[0],
        derivative("u", "xx"): 2 * planes[2],
    }
    [result] = replaced([residual], changes)
    assert result is planes[1] - planes[0] + np.sin(2 * planes[2] * x) - planes[0]
    # Expressions without these leaves stay, and simplifications apply to the others.
    zero = trace.constant(0.0)
    same, value, simple = replaced([x + 1, u, u * np.exp(x) + x], {U: zero})
    assert same is x + 1
    assert value is zero
    assert simple is x
    [slope] = partials(result, [Leaf("plane", "2")])
    assert slope is np.cos(2 * planes[2] * x) * x * 2
