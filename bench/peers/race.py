"""How long trainings take to an error."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from peers.table import Table, duration


class Finished(Exception):
    """A training has reached its goal, or used its time."""


@dataclass
class Stopwatch:
    """Errors against seconds of the processor, which are those of the one thread that trains.

    The clock stands still while an error is measured.
    """

    name: str
    goal: float
    cap: float
    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    start: float = field(default_factory=time.process_time)

    @property
    def now(self) -> float:
        return time.process_time() - self.start

    def note(self, error: Callable[[], float], every: float = 0.0) -> None:
        """Measure the error, if time has grown by this part since; raise if training may end."""
        now = self.now
        if not self.seconds or now >= (1 + every) * self.seconds[-1] or now > self.cap:
            self.seconds.append(now)
            self.errors.append(error())
            self.start += self.now - now
        if now > self.cap or self.errors[-1] < self.goal:
            raise Finished

    def first(self, bound: float) -> float | None:
        """Seconds until an error was below a bound."""
        below = (s for s, e in zip(self.seconds, self.errors, strict=True) if e < bound)
        return next(below, None)

    @property
    def summary(self) -> str:
        return f"  {self.name}: least error {min(self.errors):.1e} in {duration(self.seconds[-1])}"


Training = Callable[[Stopwatch], None]


def race(
    table: Table, trainings: dict[str, Training], bounds: Sequence[float], cap: float, error: str
) -> None:
    """Run every training, the first of which is kanml's; print when it was below each bound.

    All end at the last bound, and all but the first when their time is over.
    """
    ours: Stopwatch | None = None
    for name, train in trainings.items():
        watch = Stopwatch(name, bounds[-1], cap if ours else float("inf"))
        with contextlib.suppress(Finished):
            train(watch)
        for bound in bounds:
            what, theirs = f"{error} < {bound:.0e}", watch.first(bound)
            if ours is None:
                table.row([what, _cell(theirs)])
                continue
            mine = ours.first(bound)
            ratio = f"{theirs / mine:.3g}x" if mine and theirs else ""
            if mine or theirs:
                table.row([what, _cell(mine), "", name, _cell(theirs), "", ratio])
        print(watch.summary, flush=True)
        ours = ours or watch


def _cell(seconds: float | None) -> str:
    return "never" if seconds is None else duration(seconds)
