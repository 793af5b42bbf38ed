"""How calls are timed in turn, how results are checked, and how rows are printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

Key = TypeVar("Key")

PAUSE = 0.05  # seconds
WARM_UP = 0.01
SLOW = 0.5
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


# Time


def in_turn(calls: Mapping[Key, Callable[[], object]], rounds: int) -> dict[Key, np.ndarray]:
    """Seconds of each call, all called once in each round.

    The threads of a library wait actively after a call, OpenMP's for about a millisecond and those
    of XLA for tens after a long one, and would take a processor from the next library. So every
    call is preceded by a pause in which they fall asleep, and by untimed calls that wake the
    library's own threads and fill its caches. That is the state of a training loop: torch's Linear
    takes the same time so as when it runs alone, and twice as long without. OMP_WAIT_POLICY is left
    as it is: with passive waiting the Linear would take 1.4 times as long.
    """
    seconds = {key: timed(call) for key, call in calls.items()}
    times: dict[Key, list[float]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            time.sleep(PAUSE)
            if seconds[key] < SLOW:
                warm_up(call)
            seconds[key] = timed(call)
            times[key].append(seconds[key])
    return {key: np.array(values) for key, values in times.items()}


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def warm_up(call: Callable[[], object]) -> None:
    start = time.perf_counter()
    while time.perf_counter() < start + WARM_UP:
        call()


def spread(times: np.ndarray) -> float:
    """The distance of the quartiles, relative to the median."""
    lower, upper = np.percentile(times, [25, 75])
    return float((upper - lower) / np.median(times))


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
