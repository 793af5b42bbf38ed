"""Measure kanml against what can be installed in its place, in one process and one table.

    python bench/compare.py                        about an hour on two cores
    python bench/compare.py --quick                fewer rounds and shorter trainings: some minutes
    python bench/compare.py --only layer,pinn      some of the groups
    python bench/compare.py --only helmholtz,burgers --threads 1    the longest: some forty minutes

The peers are torch, pykan, jaxkan and SciPy; those that are not installed are left out:

    pip install ".[test]" torch jaxkan scipy
    pip install pykan scikit-learn pandas sympy pyyaml matplotlib tqdm    # pykan asks for none

What is compared runs in turn, all of it once in each round, with the same number of threads;
"spread" is the distance of the quartiles, relative to the median. A ratio such as 0.85 is kanml's
time over the other's, one such as 120x is the other's over kanml's. Wherever both compute the same
thing, the results are compared, and a wrong one makes the exit status 1. A missed goal is only
printed. The trainings to an error ("accuracy", "helmholtz", "burgers") are single runs with one
thread, and their seconds are those of the processor. "disturbed" marks a spread above a half, from
other processes mostly: where there are as many threads as processors, one process beside them makes
OpenMP many times slower.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial

from peers import calls, equations, layers, libraries, memory, pinns, splines, training
from peers.table import Options, Table

import kanml

Group = Callable[[Options, Table], None]


def two_threads(options: Options, table: Table) -> None:
    table.title("Two threads against one")
    if len(os.sched_getaffinity(0)) < 2:
        print("  skipped: this process has one processor")
        return
    layers.two_threads(options, table)
    pinns.two_threads(options, table)


GROUPS: dict[str, Group] = {
    "layer": layers.layers,
    "pinn": pinns.pinns,
    "threads": two_threads,
    "regression": training.regression,
    "splines": splines.splines,
    "overhead": calls.calls,
    "memory": memory.memory,
    "accuracy": training.accuracy,
    "helmholtz": partial(equations.solve, equations.HELMHOLTZ),
    "burgers": partial(equations.solve, equations.BURGERS),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 25, with --quick 5")
    parser.add_argument(
        "--threads",
        type=int,
        default=kanml.get_num_threads(),
        metavar="N",
        help="of every library; default: %(default)s",
    )
    parser.add_argument(
        "--only",
        default=",".join(GROUPS),
        metavar="GROUPS",
        help="some of %(default)s, separated by commas",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter trainings")
    given = parser.parse_args()
    given.groups = given.only.split(",")
    for name in given.groups:
        if name not in GROUPS:
            parser.error(f"--only takes {', '.join(GROUPS)}, got {name!r}")
    if given.rounds is None:
        given.rounds = 5 if given.quick else 25
    if given.rounds < 1 or given.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    return given


def main() -> None:
    given = arguments()
    libraries.set_threads(given.threads)
    libraries.describe(given.threads)
    options, table = Options(given.rounds, given.threads, given.quick), Table()
    for name in given.groups:
        libraries.missing.clear()
        GROUPS[name](options, table)
    table.close()
    print(f"\nGoals met: {table.met}. Missed: {len(table.missed)}")
    for what in table.missed:
        print(f"  {what}")
    print(f"Wrong results: {'; '.join(table.wrong) or 'none'}")
    sys.exit(1 if table.wrong else 0)


if __name__ == "__main__":
    main()
