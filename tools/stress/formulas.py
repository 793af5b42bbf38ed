"""Random residuals as text: functions of fields, from a grammar.

A plain formula is one that kanml has to trace: arithmetic, functions of NumPy, derivatives,
conditions, numbers. An odd one also has what it may refuse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle import RULES, SYNONYMS

__all__ = ["Formula", "formula"]

FUNCTIONS = [name for name in [*RULES, *SYNONYMS] if SYNONYMS.get(name, name) in RULES]
UNARY = [name for name in FUNCTIONS if getattr(np, name).nin == 1]
BINARY = [name for name in FUNCTIONS if getattr(np, name).nin == 2]
OPERATORS = ["+", "-", "*", "*", "/", "//", "%"]
COMPARISONS = ["<", "<=", ">", ">=", "==", "!="]
EXPONENTS = ["2", "3", "-1", "0.5", "-2", "1.5", "0", "1", "2.0", "np.int64(3)", "-0.5"]
NUMBERS = (
    *("0", "1", "-1", "2", "0.5", "-0.0", "0.0", "1e-3", "3.7", "np.pi", "True", "False"),
    *("np.float32(0.1)", "np.float64(-2.5)", "np.int8(3)", "np.uint64(2**63)", "np.bool_(True)"),
    *("np.array(0.25)", "np.nan", "np.inf", "-np.inf", "1e308", "1e-308", "5e-324", "10**18"),
    *("Fraction(1, 3)", "np.float16(2)", "np.longdouble(1.5)"),
)
# Each is put in place of a number; {0} and {1} are numbers.
ODD_NUMBERS = (
    *("None", "'a'", "b'a'", "1j", "Decimal(1)", "[]", "{{}}", "object()", "10**400", "np.sin"),
    *("np.ones({n} + 1)", "np.ones(({n}, 1))", "np.ones((2, {n}))", "np.ones(0)", "np.ones({n})"),
    *("np.arange({n})", "list(range({n}))", "np.array(['a'] * {n})", "np.array([None] * {n})"),
    *(
        "np.ma.array([1.0] * {n}, mask=[True] * {n})",
        "np.array([1j] * {n})",
        "np.datetime64(0, 's')",
    ),
    *("np.array([True] * {n})", "np.array([np.nan] * {n})", "np.array('x')", "np.full({n}, 'x')"),
    *("float({0})", "int({0})", "complex({0})", "round({0})", "len({0})", "list({0})", "sum({0})"),
    *("max({0}, {1})", "min({0}, 0)", "({0} if {0} > {1} else {1})", "({0} > 0 and {1} > 0)"),
    *("(not {0})", "math.sin({0})", "math.sqrt({0})", "{0}[0]", "{0}[:, 0]", "{0}[None]"),
    *("np.sum({0})", "np.mean({0})", "np.dot({0}, {1})", "np.stack([{0}, {1}])", "np.array({0})"),
    *("np.array([{0}, {1}])", "np.asarray({0})", "np.sin([{0}])", "np.spacing({0})", "{0} @ {1}"),
    *("np.matmul({0}, {1})", "divmod({0}, {1})[0]", "pow({0}, 2, 3)", "np.modf({0})[0]"),
    *(
        "np.add.reduce({0})",
        "np.multiply.outer({0}, {1})",
        "np.add.at({0}, 0, 1)",
        "np.gradient({0})",
    ),
    *("np.sin({0}, out=np.ones({n}))", "np.sin({0}, where=True)", "np.sin({0}, dtype=float)"),
    *(
        "np.where({0})",
        "np.where({0} > 0, 'a', {1})",
        "np.where({0}, {1}, None)",
        "np.where(None, {0}, 1)",
    ),
    *("np.select([{0} > 0], [{1}, {0}])", "np.select([], [], {0})", "np.clip({0}, None, None)"),
    *("np.clip({0}, 'a', 1)", "np.clip({0}, {1}, 0, out=None)", "np.full_like({0}, None)"),
    *(
        "np.zeros_like({0}, dtype=int)",
        "np.linalg.norm({0})",
        "np.round({0})",
        "np.isclose({0}, {1})",
    ),
    *(
        "np.array_equal({0}, {1})",
        "np.nan_to_num({0})",
        "np.real({0})",
        "np.interp({0}, [0, 1], [0, 1])",
    ),
    *("({0} > 0) + ({1} > 0)", "-({0} > 0)", "({0} > 0).x", "abs({0} > 0)", "({0} > 0) ** 2"),
    *("{0} & {1}", "~{0}", "{0} & ({1} > 0)", "{0} << 1", "{0} ^ True", "({0} > 0) * ({1} > 0)"),
    *("{0}.z", "{0}.shape", "{0}.xz", "{0}.T", "{0}.real", "{0}.xxxxx", "{0}.sum()", "{0}._value"),
    *("{0}.__class__()", "{0}.dtype", "{0}.copy()", "{0}(1)", "({0} in [{1}])", "(0 in {0})"),
    *(
        "range({0})",
        "[1, 2][{0}]",
        "({0} in {{}})",
        "str({0})",
        "'{{:.2f}}'.format({0})",
        "(lambda q: q)({0})",
    ),
    *("setattr({0}, 'x', 1)", "(np.ones({n}) * {0}).x", "getattr({0}, '')", "getattr({0}, 'µ')"),
    *("copy.copy({0})", "copy.deepcopy({0})", "pickle.dumps({0})", "np.frompyfunc(abs, 1, 1)({0})"),
    *("np.vectorize(abs)({0})", "np.array([{0}], dtype=object)[0]", "isinstance({0}, float)"),
)
ODD_RETURNS = (
    *(
        "None",
        "()",
        "[]",
        "'r'",
        "True",
        "1j",
        "np.ones({n})",
        "[{0}, None]",
        "({0}, 'a')",
        "{0} > 0",
    ),
    *(
        "{{'r': {0}}}",
        "[[{0}]]",
        "(({0},),)",
        "iter([{0}])",
        "{{{0}}}",
        "3",
        "0.0",
        "np.float64(2)",
    ),
    *("[1.0, {0}]", "np.nan", "print", "({0}, {0} > 0)", "Fraction(1, 2)", "10**400", "np.int8(3)"),
)


@dataclass(frozen=True)
class Formula:
    """The text of a function of u, v, x, y and a, and whether it has anything odd."""

    text: str
    odd: bool


class _Writer:
    def __init__(self, rng: np.random.Generator, n: int, oddness: float) -> None:
        self.rng, self.n, self.oddness, self.odd = rng, n, oddness, False
        self.made: list[str] = []

    def one_of(self, choices: list[str] | tuple[str, ...]) -> str:
        return choices[self.rng.integers(len(choices))]

    def derivative(self, most: int) -> str:
        letters = self.rng.choice(
            ["x", "y", "p"], self.rng.integers(1, most + 1), p=[0.5, 0.4, 0.1]
        )
        return "." + "".join(letters)

    def leaf(self) -> str:
        which = self.rng.integers(10)
        if which < 3:
            return self.one_of(["u", "v"])
        if which < 6:
            return self.one_of(["u", "v"]) + self.derivative(3)
        if which < 8 and self.made:
            return self.one_of(self.made)
        return self.one_of(["x", "y", "a"])

    def number(self, depth: int) -> str:
        """Return a number that is made of a field."""
        if self.rng.random() < self.oddness:
            self.odd = True
            parts = [self.number(depth - 1) for _ in range(2)]
            return "(" + self.one_of(ODD_NUMBERS).format(*parts, n=self.n) + ")"
        which = self.rng.integers(12) if depth > 0 else 0
        if which < 2:
            return self.leaf()
        if which < 4:
            return f"np.{self.one_of(UNARY)}({self.number(depth - 1)})"
        if which < 7:
            sides = [self.number(depth - 1), self.operand(depth - 1)]
            left, right = sides if self.rng.integers(3) else sides[::-1]
            return f"({left} {self.one_of(OPERATORS)} {right})"
        if which == 7:
            return f"{self.number(depth - 1)} ** {self.one_of(EXPONENTS)}".join("()")
        if which == 8:
            return f"np.{self.one_of(BINARY)}({self.number(depth - 1)}, {self.operand(depth - 1)})"
        if which == 9:
            a, b = self.operand(depth - 1), self.operand(depth - 1)
            return f"np.where({self.condition(depth)}, {a}, {b})"
        if which == 10:
            return self.number(depth - 1) + self.derivative(2)
        return self.rest(depth)

    def rest(self, depth: int) -> str:
        a, b, c = self.number(depth - 1), self.operand(depth - 1), self.operand(depth - 1)
        return self.one_of(
            [
                f"np.clip({a}, {b}, {c})",
                f"np.select([{self.condition(depth)}, {self.condition(depth)}], [{a}, {b}], {c})",
                f"({self.condition(depth)}) * {a}",
                f"abs({a})",
                f"(-{a})",
                f"np.full_like({a}, {b})",
                f"(np.ones_like({a}) + np.zeros_like({a}) * {b})",
            ]
        )

    def operand(self, depth: int) -> str:
        """Return a number, perhaps one that is written as such."""
        return self.one_of(NUMBERS) if self.rng.random() < 0.35 else self.number(depth)

    def condition(self, depth: int) -> str:
        which = self.rng.integers(8)
        if which < 5:
            return (
                f"({self.number(depth - 1)} {self.one_of(COMPARISONS)} {self.operand(depth - 1)})"
            )
        if which == 5:
            return f"np.{self.one_of(['isnan', 'isfinite', 'isinf'])}({self.number(depth - 1)})"
        parts = [f"({self.number(depth - 1)} {self.one_of(COMPARISONS)} 0)" for _ in range(2)]
        return f"({parts[0]} {self.one_of(['&', '|', '^'])} ~{parts[1]})"

    def function(self) -> str:
        lines = ["def residual(u, v, x, y, a):"]
        for i in range(self.rng.integers(0, 4)):
            lines.append(f"    t{i} = {self.number(3)}")
            self.made.append(f"t{i}")
            if self.rng.random() < self.oddness:
                self.odd = True
                lines.append(f"    t{i} {self.one_of(OPERATORS)}= {self.operand(1)}")
        result = ", ".join(self.number(3) for _ in range(self.rng.integers(1, 3)))
        if self.rng.random() < self.oddness:
            self.odd = True
            result = self.one_of(ODD_RETURNS).format(self.number(2), n=self.n)
        return "\n".join([*lines, f"    return {result}"])


def formula(rng: np.random.Generator, n: int) -> Formula:
    """Return a random residual for n points; about half of them have something odd."""
    writer = _Writer(rng, n, oddness=0.08 if rng.integers(2) else 0.0)
    return Formula(writer.function(), writer.odd)
