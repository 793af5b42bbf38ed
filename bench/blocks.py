"""Evaluate a loss on more samples than fit into memory, and compare with those in memory.

    python bench/blocks.py --folder /tmp               20 GB, some minutes
    python bench/blocks.py --folder /tmp --size 2      in GB

Writes a file of random samples, and evaluates loss and gradient over all of it as a `numpy.memmap`.
A limit of the system keeps the program's own memory below 1 GB (Linux counts no pages of files). On
the first million samples the same is computed from memory and from blocks, in turn: values have to
agree, or the exit status is 1. The file is removed at the end.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from timing import in_turn

import kanml

COLUMNS = 11  # ten inputs and a target
PART = 1_000_000
LIMIT = 10**9
ROWS = 2**17  # written at a time


def write(path: Path, samples: int) -> np.memmap:
    """Write random samples, and return them."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for first in range(0, samples, ROWS):
            table = rng.uniform(-1, 1, (min(ROWS, samples - first), COLUMNS))
            table[:, -1] = np.exp(np.sin(3 * table[:, 0]) + table[:, 1:3].prod(axis=1))
            file.write(table.tobytes())
            show("written", first + len(table), samples)
    return np.memmap(path, np.float64, "r", shape=(samples, COLUMNS))


def show(what: str, done: int, samples: int) -> None:
    """Show progress."""
    end = "\n" if done == samples else "\r"
    print(f"{what} {100 * done / samples:3.0f} %", end=end, file=sys.stderr, flush=True)


def problem_of(table: np.ndarray) -> kanml.Regression:
    """Return the regression on a table."""
    return kanml.Regression(table[:, :-1], table[:, -1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=float, default=20.0, help="GB")
    parser.add_argument("--folder", type=Path, help="where the file is written")
    options = parser.parse_args()
    samples = int(options.size * 1e9 / (8 * COLUMNS))
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    net = kanml.KAN([COLUMNS - 1, 5, 1], intervals=8, seed=0)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        table = write(Path(folder) / "samples", samples)
        part = table[:PART]
        kinds = {"in memory": problem_of(np.array(part)), "in blocks": problem_of(part)}
        calls = {kind: partial(of.value_and_gradient, net) for kind, of in kinds.items()}
        for kind, seconds in in_turn(calls, 7).items():
            print(f"{len(part)} samples {kind}: {1e9 * np.median(seconds) / len(part):.1f} ns each")
        (loss, gradient), (value, slope) = (call() for call in calls.values())
        error = max(abs(value / loss - 1), abs(slope - gradient).max() / abs(gradient).max())
        print(f"largest relative difference of losses and gradients: {error:.1e}")
        start = time.perf_counter()
        loss, _ = problem_of(table).value_and_gradient(net)
        taken = time.perf_counter() - start
        gigabytes = table.nbytes / 1e9
        print(
            f"{gigabytes:.1f} GB, {samples} samples, with less than {LIMIT / 1e9:g} GB of memory: "
            f"loss {loss:.6f} with its gradient in {taken:.1f} s, "
            f"{1e9 * taken / samples:.1f} ns each"
        )
    return 0 if error <= 1e-12 else 1


if __name__ == "__main__":
    sys.exit(main())
