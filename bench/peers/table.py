"""How results are checked, and how rows are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from timing import spread

DISTURBED = 0.5  # a spread that says more about other processes than about what is timed

WIDTHS = (42, 12, 8, 33, 11, 8, 10)
COLUMNS = ("what", "kanml", "spread", "against", "time", "spread", "ratio")


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    rounds: int
    threads: int
    quick: bool

    @property
    def slow_rounds(self) -> int:
        """For what takes a large part of a second."""
        return max(3, self.rounds // 5)


def spread_cell(times: np.ndarray) -> str:
    return f"{spread(times):.0%}" if len(times) > 1 else ""


# Goals


@dataclass(frozen=True)
class AtMost:
    """A bound of kanml's time over the other's."""

    bound: float
    remark: str = ""

    def __str__(self) -> str:
        return f"<= {self.bound:g}" + (f" ({self.remark})" if self.remark else "")

    def met(self, ours: float, theirs: float) -> bool:
        return ours <= self.bound * theirs


@dataclass(frozen=True)
class Faster:
    """How many times faster kanml is to be."""

    factor: float

    def __str__(self) -> str:
        return f">= {self.factor:g}x"

    def met(self, ours: float, theirs: float) -> bool:
        return theirs >= self.factor * ours


@dataclass(frozen=True)
class Within:
    """A bound of kanml's time itself."""

    seconds: float

    def __str__(self) -> str:
        return f"<= {duration(self.seconds)}"

    def met(self, ours: float, theirs: float) -> bool:
        return ours <= self.seconds


Goal = AtMost | Faster | Within


# The table


def duration(seconds: float) -> str:
    for unit, factor in (("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 99.5 else f"{seconds:.0f} s"


@dataclass
class Table:
    """Prints rows as they are measured; counts goals, and keeps what was wrong."""

    met: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    agreed: dict[str, float] = field(default_factory=dict)

    def title(self, text: str) -> None:
        self.close()
        print(f"\n{text}\n" + self._cells(COLUMNS) + "  goal", flush=True)

    def close(self) -> None:
        """Say what was checked since the title."""
        if self.agreed:
            text = "; ".join(f"{name} {error:.0e}" for name, error in self.agreed.items())
            print(f"  checked, greatest relative differences: {text}", flush=True)
        self.agreed.clear()

    def times(
        self,
        what: str,
        ours: np.ndarray,
        against: str = "",
        theirs: np.ndarray | None = None,
        goal: Goal | None = None,
        factor: bool = False,
    ) -> None:
        """Print a row of times; the ratio is ours over theirs, as a factor theirs over ours."""
        mine = float(np.median(ours))
        cells = [what, duration(mine), spread_cell(ours)]
        other = float("nan")
        disturbed = spread(ours) > DISTURBED
        if theirs is not None:
            other = float(np.median(theirs))
            disturbed |= spread(theirs) > DISTURBED
            factor = factor or isinstance(goal, Faster)
            ratio = f"{other / mine:.3g}x" if factor else f"{mine / other:.2f}"
            cells += [against, duration(other), spread_cell(theirs), ratio]
        self.row(cells, goal, goal is None or goal.met(mine, other), disturbed)

    def row(
        self, cells: Sequence[str], goal: Any = None, met: bool = True, disturbed: bool = False
    ) -> None:
        """Print a row of ready cells, and whether its goal is met."""
        verdict = ""
        if goal is not None:
            verdict = f"  {goal}: {'met' if met else 'missed'}"
            if met:
                self.met += 1
            else:
                self.missed.append(cells[0] + (f", against {cells[3]}" if cells[3:] else ""))
        remark = "  (disturbed)" if disturbed else ""
        print((self._cells(cells) + verdict).rstrip() + remark, flush=True)

    def check(
        self, what: str, against: str, pairs: Mapping[str, tuple[Any, Any]], tolerance: float
    ) -> bool:
        """Compare arrays in the Euclidean norm, relative to the second of each pair.

        Return whether they agree: what is wrong is not worth timing.
        """
        errors = {name: difference(*pair) for name, pair in pairs.items()}
        if all(error <= tolerance for error in errors.values()):
            self.agreed[against] = max(self.agreed.get(against, 0.0), *errors.values())
            return True
        text = ", ".join(f"{name} {error:.0e}" for name, error in errors.items())
        print(f"  WRONG: {what}, against {against}: differences {text}", flush=True)
        self.wrong.append(f"{what}, against {against}")
        return False

    @staticmethod
    def _cells(cells: Sequence[str]) -> str:
        text = ""
        for i, width in enumerate(WIDTHS):
            cell = cells[i] if i < len(cells) else ""
            text += f"  {cell:<{width - 2}s}" if i in (0, 3) else f"{cell:>{width}s}"
        return text


def difference(value: Any, expected: Any) -> float:
    """The norm of the difference, relative to what is expected; NaN counts as infinite."""
    a, b = (np.asarray(array, dtype=np.float64).ravel() for array in (value, expected))
    if a.shape != b.shape:
        return float("inf")
    error = float(np.linalg.norm(a - b) / np.linalg.norm(b))
    return error if np.isfinite(error) else float("inf")
