"""What the commands of this folder share: numbered cases, lines of progress, and how they end.

Each case has a name, such as "network 517", and random numbers of its own, which depend on this
name and on `--seed` alone. So a case that failed can be repeated without those before it.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import itertools
import math
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

Case = Callable[[np.random.Generator], str]
"""Does what a case is, with its random numbers; returns how it ended. What it raises is a fault."""

FAULTS = 10  # after which a command gives up
BETWEEN_LINES = 10.0  # seconds of silence


class Stopped(SystemExit):
    """Ctrl-C. It is no KeyboardInterrupt, of which `kanml.train` would make a result."""


def _stop(number: int, frame: object) -> None:
    raise Stopped(130)


def count(text: str) -> int:
    """Return a number of cases, or a seed, from the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {text!r}")
    return int(text)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of all commands; `description` is a docstring."""
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--seed", type=count, default=0, help="of the random numbers (default: 0)")
    result.add_argument("--case", metavar="NAME", help="repeat this case alone, such as 'any 517'")
    return result


class Search:
    """A search for faults in many cases. Ctrl-C ends it with the figures so far.

    Parameters
    ----------
    options : argparse.Namespace
        With `seed` and `case`.
    limit : float
        The seconds that a case may take. One that takes longer hangs: the process then ends.
    """

    def __init__(self, options: argparse.Namespace, limit: float = 60.0) -> None:
        self.seed, self.only, self.limit = options.seed, options.case, limit
        self.faults = self.cases = 0
        self._started = self._said = time.monotonic()
        self._begun: tuple[str, float] | None = None
        self._first = ""  # the name of the cases that run first
        signal.signal(signal.SIGINT, _stop)
        threading.Thread(target=self._watch, daemon=True).start()

    def run(
        self, name: str, case: Case, number: int | None = None, minutes: float | None = None
    ) -> collections.Counter[str]:
        """Run a number of cases, or cases for some minutes; return how many ended how."""
        counts: collections.Counter[str] = collections.Counter()
        self._first = self._first or name
        start = time.monotonic()
        end = math.inf if minutes is None else start + 60 * minutes
        numbers = itertools.count() if number is None else range(number)
        if self.only is not None:
            kind, _, i = self.only.rpartition(" ")
            numbers, end = (int(i),) if kind == name and i.isdecimal() else (), math.inf
        try:
            for i in numbers:
                if not time.monotonic() < end:
                    break
                counts[self._run_one(f"{name} {i}", case)] += 1
                if time.monotonic() > self._said + BETWEEN_LINES:
                    self._say(name, counts, f"of {number}" if number is not None else "cases")
        except Stopped:
            self._sum_up(name, counts, start)
            self.end()
            raise
        self._sum_up(name, counts, start)
        return counts

    def _sum_up(self, name: str, counts: collections.Counter[str], start: float) -> None:
        if counts:
            said = ", ".join(f"{n} {how}" for how, n in sorted(counts.items()))
            print(f"{name}: {said}, in {time.monotonic() - start:.0f} s", flush=True)

    def end(self) -> int:
        """Print what was found; return the exit status."""
        self._begun = None
        seconds = time.monotonic() - self._started
        if self.only is not None and self.cases == 0:
            print(f"no case {self.only!r}, expected one such as '{self._first} 0'", file=sys.stderr)
        print(f"{self.cases} cases in {seconds:.0f} s, {self.faults} failed", flush=True)
        return int(self.faults > 0 or self.cases == 0)

    def _run_one(self, label: str, case: Case) -> str:
        rng = np.random.default_rng([self.seed, zlib.crc32(label.encode())])
        self._begun = label, time.monotonic()
        try:
            result = case(rng)
            self.cases += 1
            return result
        except Stopped:
            raise
        except BaseException as error:
            self.cases += 1
            traceback.print_exc()
            print(self._again(label), file=sys.stderr, flush=True)
            self.faults += 1
            if self.faults >= FAULTS or not isinstance(error, Exception):
                sys.exit(f"gave up after {self.faults} faults in {self.cases} cases")
            return "failed"
        finally:
            self._begun = None

    def _again(self, label: str) -> str:
        return f"to repeat it: {sys.argv[0]} --seed {self.seed} --case {label!r}"

    def _say(self, name: str, counts: collections.Counter[str], whole: str) -> None:
        self._said = time.monotonic()
        seconds = self._said - self._started
        print(
            f"{name}: {counts.total()} {whole}, {self.faults} failed, {seconds:.0f} s", flush=True
        )

    def _watch(self) -> None:
        """End the process where a case hangs, also one that keeps Python's lock."""
        while True:
            faulthandler.dump_traceback_later(self.limit + 60.0, exit=True)
            time.sleep(1.0)
            begun = self._begun
            if begun is not None and time.monotonic() > begun[1] + self.limit:
                faulthandler.dump_traceback()
                print(f"{begun[0]!r} hangs\n{self._again(begun[0])}", file=sys.stderr, flush=True)
                os._exit(3)


def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is removed at its end, in memory if the system has such a place.

    Nothing in it has to outlive the machine, and disks take most of the time.
    """
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)
