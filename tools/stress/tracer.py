"""Give random residuals to kanml.PINN, and compare what it finds with numbers.

    python tools/stress/tracer.py 10000

Half of the residuals are made of what can be traced: they have to be, whether there is a transform
or not. The other half has odd things too: wrong types and shapes, branches on fields, functions
that cannot be traced. Each residual has to be traced and give the values and the gradient of the
loss that numbers in place of the fields give (`oracle.py`, with the derivatives of the network by
power series), or to raise one of the documented errors with a message that names the term.
"""

from __future__ import annotations

import copy
import fractions
import itertools
import math
import pickle
import sys
import traceback
import warnings
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import kanml
import search
from formulas import Formula, formula
from oracle import WIDE, Number, World

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from helpers import reference_layers, with_random_parameters
from reference import series

# Exact in float64; with ties between inputs, zeros, and a corner of the splines' domain.
POINTS = np.array([[0.0, 0.0], [0.5, -0.25], [-0.75, 0.5], [1.0, 1.0], [0.375, 0.375]])
DIRECTIONS = {"x": (1.0, 0.0), "y": (0.0, 1.0), "p": (1.0, -0.5)}
ORDER = 4
UNKNOWN, CHANGE = 0.75, -0.5  # its value, and its rate along the direction "e"
OF_NETWORK = 1e-11  # the error of a network's derivatives, relative to the largest
TRANSFORMS = (
    None,
    lambda u, v, x, y: (x * u - y, np.exp(-x) * v + u),
    lambda u, v, x, y: (np.sin(3.0 * x) + (1.0 - x**2) * u, np.where(x > 0.1, u * v, v)),
)
REFUSALS = (TypeError, ValueError, AttributeError)
CONTENT = {"np": np, "math": math, "copy": copy, "pickle": pickle, "Decimal": Decimal}
NAMES = {**CONTENT, "Fraction": fractions.Fraction}


class Known:
    """A network whose derivatives at the points are known, also their change along a direction."""

    def __init__(self, seed: int) -> None:
        net = kanml.KAN([2, 3, 2], degree=5, intervals=3, activation="tanh", seed=seed)
        self.net = with_random_parameters(net, seed)
        self.change = np.random.default_rng(seed).normal(size=net.n_parameters)
        steps = np.clongdouble(self.net.parameters) + 1e-40j * self.change
        names = ["x" * i + "y" * j for i, j in itertools.product(range(ORDER + 1), repeat=2)]
        names = [name for name in names if len(name) <= ORDER]
        layers = reference_layers(self.net, steps)
        at_points = np.clongdouble(POINTS)
        self.table = {
            name: series.derivatives(layers, at_points, [name], "xy")[name] for name in names
        }

    def fields(self) -> tuple[World, dict[str, Number]]:
        """Return numbers in place of the fields of the problem."""
        world = World(len(POINTS), "xy", {**DIRECTIONS, "e": (0.0, 0.0)})
        fields = {
            "u": self._output(world, 0, ""),
            "v": self._output(world, 1, ""),
            "x": world.coordinate("x", POINTS[:, 0]),
            "y": world.coordinate("y", POINTS[:, 1]),
        }
        change = {"e": CHANGE}
        fields["a"] = world.given(
            np.full(len(POINTS), UNKNOWN), lambda letter: world.constant(change.get(letter, 0.0))
        )
        return world, fields

    def _output(self, world: World, i: int, letters: str) -> Number:
        values = self._values(letters)
        if values is None:
            world.unknown_order = True
            values = np.full((len(POINTS), 2), np.nan)
        column = values[:, i]
        scale = OF_NETWORK * abs(column.real).max()

        def derivative(letter: str) -> Number:
            if letter != "e":
                return self._output(world, i, letters + letter)
            change = column.imag / WIDE(1e-40)
            return world.given(change, _never, OF_NETWORK * abs(change).max())

        return world.given(column.real, derivative, np.inf if np.isnan(scale) else scale)

    def _values(self, letters: str) -> Any:
        if "p" in letters:
            rest = letters.replace("p", "", 1)
            x, y = self._values(rest + "x"), self._values(rest + "y")
            return None if x is None else DIRECTIONS["p"][0] * x + DIRECTIONS["p"][1] * y
        return self.table.get("".join(sorted(letters)))


def _never(letter: str) -> Number:
    raise AssertionError(f"a change has no derivative along {letter}")


def problem_of(function: Any, transform: Any) -> kanml.PINN:
    """Return the problem of a residual, whose residuals have no factor."""
    directions = {"p": DIRECTIONS["p"]}
    term = kanml.Term("it", POINTS, function, reduction="sum", directions=directions)
    return kanml.PINN("xy", [term], outputs="uv", unknowns={"a": UNKNOWN}, transform=transform)


def compiled(written: Formula) -> Any:
    """Return the function of a formula."""
    names: dict[str, Any] = dict(NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of [][1j] and the like
        exec(written.text, names)
    return names["residual"]


def expected(function: Any, transform: Any, known: Known) -> tuple[World, list[Number] | None]:
    """Return the components of a residual as numbers, or None if it refuses numbers too."""
    world, fields = known.fields()
    if transform is not None:
        outputs = transform(**{name: fields[name] for name in "uvxy"})
        fields |= dict(zip("uv", outputs, strict=True))
    try:
        returned = function(**fields)
        parts = returned if isinstance(returned, (tuple, list)) else [returned]
        numbers = [world.number(part) for part in parts]
        if not numbers or any(number._condition for number in numbers):
            return world, None
    except RecursionError:  # the oracle forgets nothing, and high derivatives are deep
        world.unknown_order = True
        return world, None
    except Exception:
        return world, None
    return world, numbers


def require_close(got: np.ndarray, wanted: np.ndarray, error: np.ndarray, what: str) -> int:
    """Raise AssertionError where values differ; return how many were certain enough to compare."""
    certain = np.isfinite(error) & (error <= 1e-3 * np.maximum(1e-3, abs(wanted)))
    certain |= (error == 0) & ~np.isfinite(wanted)
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        close = same | (abs(got - wanted) <= 20 * error)
    wrong = certain & ~close
    assert not wrong.any(), f"{what}: got {got[wrong]}, expected {wanted[wrong]} +- {error[wrong]}"
    return int(certain.sum())


def require_values(problem: kanml.PINN, known: Known, numbers: list[Number]) -> str:
    """Compare residuals, the loss and its gradient; return what could be compared."""
    got = problem.residuals(known.net, problem.unknowns).reshape(len(POINTS), -1)
    assert got.shape[1] == len(numbers)
    compared = sum(
        require_close(got[:, c], number._value, number._error, f"component {c}")
        for c, number in enumerate(numbers)
    )
    result = "values compared" if compared else "too sensitive to compare"
    try:
        found = problem.evaluation(known.net, problem.unknowns)
    except ValueError as error:
        assert not np.isfinite(got).all(), "refused, but finite"
        assert "the residual" in str(error), error
        assert "at the point" in str(error), error
        return result
    if not np.isfinite(found.value):
        return result
    assert np.isclose(found.value, (got**2).sum(), rtol=1e-12, atol=0)
    slope, error = WIDE(0.0), WIDE(0.0)
    for number in numbers:
        change = number._along("e")
        with np.errstate(all="ignore"):
            slope += (2 * number._value * change._value).sum()
            error += (abs(number._error * change._value) + abs(number._value * change._error)).sum()
    parts = found.gradient * [*known.change, CHANGE]
    with np.errstate(over="ignore"):
        scale = abs(parts).sum()
    if not (np.isfinite(slope) and np.isfinite(error)) or max(abs(slope), scale) > 1e290:
        return result
    bound = 2 * error + OF_NETWORK * scale
    require_close(np.array([parts.sum()]), np.array([slope]), np.array([bound]), "the slope")
    return "values and gradient compared" if bound <= 1e-3 * max(1e-3, abs(slope)) else result


def case(known: list[Known], rng: np.random.Generator) -> str:
    """Trace a random residual and compare it, or look at the error that it raises."""
    written = formula(rng, len(POINTS))
    try:
        transform = TRANSFORMS[rng.integers(len(TRANSFORMS))]
        return outcome(written, transform, known[rng.integers(len(known))], rng.integers(4) == 0)
    except BaseException:
        print(f"\n{written.text}\n", file=sys.stderr)
        raise


def outcome(written: Formula, transform: Any, known: Known, pickled: bool) -> str:
    """Return what became of a formula."""
    function = compiled(written)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numbers that Python computes itself
        world, numbers = expected(function, transform, known)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            problem = problem_of(function, transform)
        except Exception as error:
            assert written.odd or numbers is None, f"refused: {error}"
            if comes_from(function, error):
                return "wrong without kanml"
            assert isinstance(error, REFUSALS), f"no documented error: {error!r}"
            assert str(error).startswith("term 'it': "), error
            assert len(str(error)) > len("term 'it': ") + 10, error
            return "refused"
        try:
            problem.residuals(known.net, problem.unknowns)
        except ValueError as error:
            assert world.unknown_order or numbers is None, error
            assert "the order of" in str(error), error
            return "order too high"
        if numbers is None:
            assert written.odd or world.unknown_order, "traced, although numbers are refused"
            return "traced, but not compared"
        if pickled:
            again = pickle.loads(pickle.dumps(problem))
            assert again.fingerprint() == problem.fingerprint()
            residuals = [p.residuals(known.net, p.unknowns) for p in (problem, again)]
            assert residuals[0].tobytes() == residuals[1].tobytes()
        return require_values(problem, known, numbers)


def comes_from(function: Any, error: BaseException) -> bool:
    """Say whether an error was raised by a function, and by nothing of kanml that it called."""
    own = function.__code__.co_filename
    files = [
        frame.filename for frame in traceback.extract_tb((error.__cause__ or error).__traceback__)
    ]
    below = files[len(files) - files[::-1].index(own) :] if own in files else [kanml.__file__]
    return not any(Path(kanml.__file__).parent in Path(file).parents for file in below)


def main() -> int:
    """Run the command line."""
    parser = search.parser(__doc__)
    parser.add_argument("number", type=search.count, nargs="?", default=1000, help="residuals")
    options = parser.parse_args()
    found = search.Search(options, limit=20.0)
    known = [Known(seed) for seed in range(3)]
    found.run("residual", partial(case, known), options.number)
    return found.end()


if __name__ == "__main__":
    sys.exit(main())
