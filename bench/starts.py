"""Compare ways to start: the study behind the default, its table and what it must show.

    python bench/starts.py              89 functions and networks, 10 seeds, six equations: an hour
    python bench/starts.py --seeds 3    fewer seeds
    python bench/starts.py --table      print what is done so far, run nothing

Finished runs are kept in a folder, in a file of this revision of the code: an interrupted study
continues. Each run has one thread; as many run side by side as there are processors. Networks are
trained on 3000 points of a function with 200 + 200 + 200 steps of L-BFGS on 4, 8 and 16 intervals;
the error is relative, in the root of the mean square over 3000 fresh points.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from initial.candidates import CANDIDATES
from initial.functions import CASES, FIRST_ROWS, Case
from initial.runs import EQUATION_CANDIDATES, Job, error, jobs
from store import Store

from kanml.experiments.settings import SETTINGS
from kanml.experiments.tables import heading

BEFORE, NOW = "linear", "default"
STARTS = [name for name, candidate in CANDIDATES.items() if candidate.work == 1]
RESAMPLES = 4000
Errors = dict[str, npt.NDArray[np.float64]]  # by candidate, over the seeds


def job_and_error(job: Job) -> tuple[Job, float]:
    return job, error(job)


def found(store: Store[Job], what: str) -> Errors:
    """Return the errors of a case by candidate: those of the seeds that all candidates have."""
    of: dict[str, dict[int, float]] = defaultdict(dict)
    for job, value in store.results.items():
        if job.what == what:
            of[job.candidate][job.seed] = value
    common = sorted(set.intersection(*(set(values) for values in of.values()))) if of else []
    return {name: np.array([values[s] for s in common]) for name, values in of.items()}


def resampled_ratio(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]) -> list[float]:
    """Return the 5th and the 95th percentile of the ratio of medians, by the bootstrap."""
    rng = np.random.default_rng(0)
    medians = [
        np.median(rng.choice(errors, (RESAMPLES, errors.size)), axis=1) for errors in (above, below)
    ]
    return np.percentile(medians[0] / medians[1], [5, 95]).tolist()


def geometric_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def print_cases(errors: dict[Case, Errors]) -> None:
    line = "{:46s}{:9.1e}{:9.1e}{:9.1e}  {:20s}{:13.3f}{:12.2f}"
    names = ("median relative error", "before", "now", "best", "of", "now / before", "now / best")
    print(heading(line, names) + "  (5 % to 95 %)")
    for case, of in errors.items():
        median = {name: float(np.median(values)) for name, values in of.items()}
        best = min(STARTS, key=median.__getitem__)
        low, high = resampled_ratio(of[NOW], of[best])
        errors_of = [median[name] for name in (BEFORE, NOW, best)]
        ratios = [median[NOW] / median[name] for name in (BEFORE, best)]
        row = line.format(str(case), *errors_of, best, *ratios)
        print(f"{row}  ({low:.2f} to {high:.2f})")


def print_candidates(errors: dict[Case, Errors]) -> None:
    line = "{:24s}{:10.1e}{:11.3f}{:9.2f}{:15.1f}"
    names = ("geometric means over all", "median", "of before", "of best", "worst of best")
    print("\n" + heading(line, names))
    medians = [{name: float(np.median(v)) for name, v in of.items()} for of in errors.values()]
    for name, candidate in CANDIDATES.items():
        to_best = [median[name] / min(median[each] for each in STARTS) for median in medians]
        mean = geometric_mean([m[name] for m in medians])
        to_before = geometric_mean([m[name] / m[BEFORE] for m in medians])
        row = line.format(name, mean, to_before, geometric_mean(to_best), max(to_best))
        print(f"{row}   {candidate.about}")
    for degree in sorted({case.degree for case in errors}):
        ratios = [
            m[NOW] / m[BEFORE]
            for case, m in zip(errors, medians, strict=True)
            if case.degree == degree
        ]
        print(f"degree {degree}: now / before {geometric_mean(ratios):.3f} over {len(ratios)}")
    first = [m[NOW] for case, m in zip(errors, medians, strict=True) if case in FIRST_ROWS]
    if first:
        print(f"the {len(first)} rows of the first trial: now {geometric_mean(first):.1e}")


def print_equations(store: Store[Job]) -> None:
    line = "{:24s}" + "{:>22s}" * len(EQUATION_CANDIDATES)
    print("\n" + heading(line, ("equation, relative L2", *EQUATION_CANDIDATES)))
    for equation in SETTINGS:
        of = found(store, equation)
        cells = [
            f"{np.median(of[n]):.1e} of {of[n].size}" if n in of and of[n].size else ""
            for n in EQUATION_CANDIDATES
        ]
        print(line.format(equation, *cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="default: 10")
    parser.add_argument("--folder", type=Path, default=Path("starts-study"), metavar="DIR")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--table", action="store_true", help="print what is done, run nothing")
    arguments = parser.parse_args()
    store = Store(arguments.folder, Job, "bench/initial")
    if not arguments.table:
        store.complete(jobs(arguments.seeds), job_and_error, arguments.processes)
    errors = {case: of for case in CASES if len(of := found(store, str(case))) == len(CANDIDATES)}
    errors = {case: of for case, of in errors.items() if of[NOW].size}
    print(f"{store.revision}: {len(store.results)} runs\n")
    if errors:
        print_cases(errors)
        print_candidates(errors)
    print_equations(store)


if __name__ == "__main__":
    main()
