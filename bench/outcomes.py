"""What the runs of methods.py found: a table, verdicts on coarse to fine, and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kanml.experiments.tables import heading
from kanml.plotting import figure

GRIDS = ("multilevel", "single")
LINES = {"multilevel": "-", "single": "--"}


class Job(NamedTuple):
    """What is trained; `seconds` are the times of the measurements, written one after another."""

    problem: str
    size: int
    grid: str
    optimizer: str
    seed: int
    seconds: str

    @property
    def times(self) -> list[float]:
        return [float(s) for s in self.seconds.split()]


class Measurement(NamedTuple):
    """What was found at a time."""

    parameters: int
    steps: int
    loss: float
    error: float


@dataclass(frozen=True)
class Outcome:
    """The runs of all seeds that are done.

    Attributes
    ----------
    job : Job
        That of seed 0.
    found : ndarray, shape (seeds, times, 4)
        The fields of each `Measurement`.
    """

    job: Job
    found: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Those of each seed at each time."""
        return self.found[:, :, 3]

    def at(self, seconds: float) -> np.ndarray:
        """Return the measurements of each seed at a time, shape (seeds, 4)."""
        return self.found[:, self.job.times.index(seconds)]

    def after(self, steps: float) -> np.ndarray:
        """Return the error of each seed after some steps, between measurements in logarithms."""
        return np.array(
            [
                np.exp(np.interp(steps, run[:, 1], np.log(errors)))
                for run, errors in zip(self.found, self.errors, strict=True)
            ]
        )


def outcomes(results: Mapping[Job, Any], wanted: Sequence[Job]) -> list[Outcome]:
    """Gather the results that are there, seeds together."""
    found = []
    for job in wanted:
        same = [other for other in wanted if other._replace(seed=0) == job]
        done = [results[other] for other in same if other in results]
        if done:
            found.append(Outcome(job, np.array(done)))
    return found


def print_errors(found: Sequence[Outcome], seconds: Sequence[float]) -> None:
    """Print medians over the seeds, with the steps and the loss at the last of some times."""
    line = "{:12s}{:12s}{:>12s}  {:20s}{:8.0f}{:10.1e}" + "{:10.1e}" * len(seconds)
    names = ("problem", "grid", "parameters", "optimizer", "steps", "loss")
    print(heading(line, (*names, *(f"{s:g} s" for s in seconds))))
    for outcome in found:
        _, steps, loss, _ = np.median(outcome.at(seconds[-1]), axis=0)
        errors = [np.median(outcome.at(s)[:, 3]) for s in seconds]
        size = f"{outcome.at(seconds[-1])[0, 0]:.0f}"
        job = outcome.job
        print(line.format(job.problem, job.grid, size, job.optimizer, steps, loss, *errors))


# Coarse to fine, against the finest grid alone


def pairs(found: Iterable[Outcome]) -> Iterator[tuple[Outcome, Outcome]]:
    """Return the runs of the same network by the same optimizer on both `GRIDS`."""
    by_job = {outcome.job: outcome for outcome in found}
    for job, multilevel in by_job.items():
        single = by_job.get(job._replace(grid="single"))
        if job.grid == "multilevel" and single is not None:
            yield multilevel, single


class Gain(NamedTuple):
    """What coarse to fine gains."""

    factor: float
    clear: bool

    @classmethod
    def of(cls, multilevel: np.ndarray, single: np.ndarray) -> Gain:
        """Divide medians; a gain or loss is clear if every seed of one is better than the other."""
        apart = multilevel.max() < single.min() or multilevel.min() > single.max()
        return cls(float(np.median(single) / np.median(multilevel)), bool(apart))

    @property
    def wins(self) -> bool:
        return self.clear and self.factor > 1

    @property
    def loses(self) -> bool:
        return self.clear and self.factor < 1

    def __str__(self) -> str:
        return f"{self.factor:.2g}{' ' if self.clear else '?'}"


def verdict(in_time: Gain, in_steps: Gain) -> str:
    """Say where coarse to fine wins."""
    if in_time.wins:
        return "wins in time"
    if in_steps.wins:
        return "wins in steps only"
    return "loses" if in_time.loses else "no clear difference"


def print_verdicts(found: Sequence[Outcome], seconds: Sequence[float]) -> None:
    """Print the factors that coarse to fine gains, at equal times and at equal steps.

    Equal steps are those that both have taken by that time.
    """
    line = "{:12s}{:20s}{:>5s}{:10.1e}{:10.1e}{:>9s}{:>8.0f}{:10.1e}{:10.1e}{:>9s}  {:20s}"
    names = ("problem", "optimizer", "s", "multi", "single", "gain")
    print(heading(line, (*names, "steps", *names[3:], "coarse to fine")))
    for multilevel, single in pairs(found):
        for s in seconds:
            in_time = [outcome.at(s)[:, 3] for outcome in (multilevel, single)]
            steps = min(np.median(outcome.at(s)[:, 1]) for outcome in (multilevel, single))
            in_steps = [outcome.after(steps) for outcome in (multilevel, single)]
            gains = Gain.of(*in_time), Gain.of(*in_steps)
            cells: list[Any] = [multilevel.job.problem, multilevel.job.optimizer, f"{s:g}"]
            cells += [*map(np.median, in_time), str(gains[0])]
            cells += [steps, *map(np.median, in_steps), str(gains[1]), verdict(*gains)]
            print(line.format(*cells).rstrip())


def draw(found: Sequence[Outcome], picture: Path) -> None:
    """Draw errors against seconds, a panel for each problem that has runs on both `GRIDS`."""
    both = [outcome for pair in pairs(found) for outcome in pair]
    if not both:
        raise SystemExit("--picture draws what is done on both grids, and there is nothing yet")
    problems = list(dict.fromkeys(outcome.job.problem for outcome in both))
    optimizers = list(dict.fromkeys(outcome.job.optimizer for outcome in both))
    canvas = figure(4 * len(problems), 4.5)
    panels = canvas.subplots(1, len(problems), squeeze=False)[0]
    for axes, problem in zip(panels, problems, strict=True):
        for outcome in both:
            if outcome.job.problem == problem:
                _draw_curve(axes, outcome, f"C{optimizers.index(outcome.job.optimizer)}")
        n = max(o.found[:, :, 0].max() for o in both if o.job.problem == problem)
        axes.set_title(f"{problem}, {n:.0f} parameters")
        axes.set_xlabel("seconds of the processor")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("error: median and range over starts")
    for i, optimizer in enumerate(optimizers):
        panels[0].plot([], [], color=f"C{i}", label=optimizer)
    for grid in GRIDS:
        panels[0].plot([], [], LINES[grid], color="black", label=grid)
    canvas.legend(loc="outside lower center", ncols=len(optimizers) + len(GRIDS))
    canvas.savefig(picture, dpi=150)


def _draw_curve(axes: Any, outcome: Outcome, colour: str) -> None:
    times, errors = outcome.job.times, outcome.errors
    axes.loglog(times, np.median(errors, axis=0), LINES[outcome.job.grid], color=colour)
    axes.fill_between(times, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.12, lw=0)
