"""Print and draw what the basis of a spline space costs at points, computed in three ways.

    python bench/basis_cost.py                     runs kanml_bench, some minutes
    python bench/basis_cost.py --results FILE      what it printed with --benchmark_format=json

The comparison is that of Figure 3 of arXiv:2603.04827; basis_cost.cpp says what is timed. The
picture is written to basis-cost.png; it needs matplotlib. Times are of the processor, medians of
repetitions that are run in random order.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from timing import spread

from kanml.experiments.tables import heading
from kanml.plotting import figure

METHODS = {
    "dense_recursion": "dense recursion",
    "relu_powers": "ReLU powers",
    "local_evaluation": "local evaluation",
}
NAME = re.compile(r"basis_by_(?P<method>\w+)/n:(?P<n>\d+)/degree:(?P<degree>\d+)")
BINARY = Path("build/bench/bench/kanml_bench")


@dataclass
class Cost:
    """Nanoseconds a point of every repetition, and the greatest error of a value."""

    times: list[float] = field(default_factory=list)
    error: float = 0.0

    @property
    def median(self) -> float:
        return float(np.median(self.times))


Costs = dict[tuple[str, int, int], Cost]  # by method, degree and n


def run(binary: Path, repetitions: int) -> str:
    command = [
        str(binary),
        "--benchmark_filter=^basis_by_",
        "--benchmark_format=json",
        "--benchmark_min_time=0.02",
        f"--benchmark_repetitions={repetitions}",
        "--benchmark_enable_random_interleaving=true",
    ]
    print(*command, flush=True)
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if finished.returncode != 0:
        sys.exit(finished.returncode)  # it has said why
    return finished.stdout


def read(results: str) -> Costs:
    costs: Costs = defaultdict(Cost)
    for entry in json.loads(results)["benchmarks"]:
        name = NAME.match(entry["name"])
        if name is None or entry["run_type"] != "iteration":
            continue
        if entry.get("error_occurred"):
            sys.exit(f"{entry['name']}: {entry['error_message']}")
        cost = costs[name["method"], int(name["degree"]), int(name["n"])]
        cost.times.append(1e9 / entry["items"])
        cost.error = max(cost.error, entry["error"])
    if not costs:
        sys.exit("the results have no benchmark basis_by_*")
    return dict(costs)


def print_table(costs: Costs) -> None:
    print(f"{'':12s}{'nanoseconds a point':^27s}{'against local':>18s}{'greatest error':>18s}")
    line = "{:6d}{:6d}{:10.1f}{:8.1f}{:9.1f}{:12.1f}{:6.1f}{:11.0e}{:9.0e}"
    ways = ("recursion", "ReLU", "local")
    print(heading(line, ("degree", "n", *ways, *ways[:2], *ways[1:])))
    for degree, n in sorted({key[1:] for key in costs}):
        recursion, relu, local = (costs[method, degree, n] for method in METHODS)
        times = (recursion.median, relu.median, local.median)
        ratios = (recursion.median / local.median, relu.median / local.median)
        print(line.format(degree, n, *times, *ratios, relu.error, local.error))
    spreads = [spread(np.array(cost.times)) for cost in costs.values()]
    print(
        f"Distance of the quartiles, relative to the median: {np.median(spreads):.0%} typically, "
        f"{max(spreads):.0%} at most."
    )


def draw(costs: Costs, intervals: int, picture: Path) -> None:
    """Draw time against n for every degree, and against the degree for one n."""
    degrees = sorted({degree for _, degree, _ in costs})
    sizes = sorted({n for _, _, n in costs})
    columns = 3
    rows = -(-(len(degrees) + 1) // columns)
    canvas = figure(4 * columns, 3.2 * rows)
    panels = canvas.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, degree in zip(panels, degrees, strict=False):
        for method, label in METHODS.items():
            times = [costs[method, degree, n].median for n in sizes]
            axes.plot(sizes, times, "o-", ms=3, label=label)
        axes.set_title(f"k = {degree}")
        axes.set_xlabel("intervals n")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(n) for n in sizes])
    last = panels[len(degrees)]
    for method, label in METHODS.items():
        times = [costs[method, degree, intervals].median for degree in degrees]
        last.plot(degrees, times, "o-", ms=3, label=label)
    last.set_title(f"n = {intervals}")
    last.set_xlabel("degree k")
    last.set_xticks(degrees)
    for axes in panels[: len(degrees) + 1]:
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
    for axes in panels[len(degrees) + 1 :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel("nanoseconds a point")
    panels[0].legend()
    canvas.savefig(picture, dpi=150)
    print(f"wrote {picture}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--binary", type=Path, default=BINARY, metavar="FILE", help=f"default: {BINARY}"
    )
    source.add_argument("--results", type=Path, metavar="FILE", help="read instead of run")
    parser.add_argument("--repetitions", type=int, default=9, metavar="N", help="default: 9")
    parser.add_argument(
        "--intervals", type=int, default=64, metavar="N", help="n against k; default: 64"
    )
    parser.add_argument(
        "--picture",
        type=Path,
        default=Path("basis-cost.png"),
        metavar="FILE",
        help="default: basis-cost.png",
    )
    options = parser.parse_args()
    if options.results:
        results = options.results.read_text()
    else:
        results = run(options.binary, options.repetitions)
    costs = read(results)
    if options.intervals not in {n for _, _, n in costs}:
        parser.error(f"--intervals {options.intervals} is not among those measured")
    print_table(costs)
    draw(costs, options.intervals, options.picture)


if __name__ == "__main__":
    main()
