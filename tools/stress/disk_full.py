"""Train and save on a disk that is full at random moments.

    python tools/stress/disk_full.py 200

The disk is a file system of one megabyte in memory, if the user may mount one: a file fills it, or
leaves some room, or goes. Otherwise, and in half of the cases, the size of files is limited, as by
`ulimit -f`. What docs/guarantees.md promises under "A full disk" must hold: a run that finds no
room for its checkpoint is refused before its first step; later there are warnings that name the
file, the run has the bits that it has on an empty disk, and each file is the last one that was
written whole. When there is room at the end, the log has all its rows. `Network.save` raises an
error and leaves the old file.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import kanml
import search
from kanml.network import files

X = np.random.default_rng(0).uniform(-1, 1, (200, 2))
PROBLEM = kanml.Regression(X, np.sin(3 * X[:, :1]) * X[:, 1:])
SCHEDULE = [5, 4, 3]
CAPACITY = 2**20
CLONE_NEWNS = 0x00020000  # a process with mounts of its own
OPTIMIZERS = (kanml.LBFGS(memory=4), kanml.Adam(1e-2), kanml.GradientDescent(1e-3))

Room = Callable[[int | None], None]
"""Leaves room for some bytes, or for all (None)."""


class Run:
    """A run whose disk is filled between its steps.

    Parameters
    ----------
    folder : Path
    room : callable
    rng : numpy.random.Generator
    """

    def __init__(self, folder: Path, room: Room, rng: np.random.Generator) -> None:
        self.folder, self.room, self.rng = folder, room, rng
        self.checkpoint, self.log = folder / "checkpoint", folder / "log"
        self.written = b""  # the checkpoint that was there last
        self.warned: list[warnings.WarningMessage] = []
        self.failures = self.steps = 0

    def train(self, net: kanml.Network, optimizer: Any, every: int, **options: Any) -> kanml.Result:
        """Train; the disk changes before each step."""
        callbacks = [kanml.Checkpoint(self.checkpoint, every), kanml.Logger(self.log), self.look]
        return kanml.train(
            net, PROBLEM, SCHEDULE, optimizer, callbacks=callbacks, progress=False, **options
        )

    def look(self, state: Any) -> None:
        """Look at the files after a step, and fill the disk for the next one, or make room."""
        self.steps += 1
        self.require_checkpoint(state.step)
        if state.step == sum(SCHEDULE):  # what is written at the end has room
            self.room(None)
        elif self.rng.integers(2):
            self.room(None if self.rng.integers(2) else int(self.rng.integers(0, 20_000)))

    def require_checkpoint(self, step: int) -> None:
        """Raise AssertionError unless the checkpoint is the old one, or that of this step."""
        new, self.warned[:] = list(self.warned), []
        for warning in new:
            assert warning.category is RuntimeWarning, warning
            named = (repr(str(self.checkpoint)), repr(str(self.log)))
            assert any(name in str(warning.message) for name in named), warning
        failed = any(repr(str(self.checkpoint)) in str(warning.message) for warning in new)
        self.failures += len(new)
        content = self.checkpoint.read_bytes() if self.checkpoint.exists() else b""
        if content != self.written:
            assert not failed
            assert files.read(self.checkpoint, "checkpoint")[0]["state"]["step"] == step
        self.written = content


def network(rng: np.random.Generator) -> kanml.Network:
    """Return a network whose checkpoints have some 5 to 200 kB."""
    return kanml.KAN([2, int(rng.choice([2, 8, 20])), 1], intervals=int(rng.integers(2, 8)), seed=1)


def case(disk: Callable[[], Any], rng: np.random.Generator) -> str:
    """Train on a disk that fills up, or begin on one that is full, or save a network."""
    with disk() as (folder, room):
        return CASES[rng.integers(len(CASES))](folder, room, rng)


def later(folder: Path, room: Room, rng: np.random.Generator) -> str:
    """Fill the disk while a run is under way."""
    net, optimizer = network(rng), OPTIMIZERS[rng.integers(len(OPTIMIZERS))]
    every = int(rng.choice([1, 3]))
    whole = kanml.train(net, PROBLEM, SCHEDULE, optimizer, progress=False)
    run = Run(folder, room, rng)
    with warnings.catch_warnings(record=True) as run.warned:
        warnings.simplefilter("always")
        result = run.train(net, optimizer, every)
        run.require_checkpoint(sum(SCHEDULE))
    assert bits(result) == bits(whole)
    assert {path.name for path in folder.iterdir()} - {"filler"} == {"checkpoint", "log"}
    again = Run(folder, room, rng).train(net, optimizer, every, resume=run.checkpoint)
    assert bits(again) == bits(whole)
    rows = list(csv.DictReader(run.log.read_text().splitlines()))
    steps = [int(row["step"]) for row in rows]
    assert steps == whole.history.step.tolist(), steps
    assert [float(row["loss"]) for row in rows] == whole.history.loss.tolist()
    return "trained, with warnings" if run.failures else "trained, without warnings"


def first(folder: Path, room: Room, rng: np.random.Generator) -> str:
    """Begin a run on a disk that is full."""
    net = network(rng)
    room(int(rng.integers(0, 3000)))
    run = Run(folder, room, rng)
    try:
        run.train(net, None, 1)
    except OSError as error:
        assert run.steps == 0
        assert repr(str(run.checkpoint)) in str(error), error
        assert {path.name for path in folder.iterdir()} <= {"filler"}
        return "refused at the beginning"
    raise AssertionError("a run without room for its checkpoint began")


def saving(folder: Path, room: Room, rng: np.random.Generator) -> str:
    """Save a network on a disk that may be full."""
    path, old, new = folder / "network", network(rng), network(rng)
    old.save(path)
    content = path.read_bytes()
    room(int(rng.integers(0, 60_000)))
    expected, outcome = new, "saved"
    try:
        new.save(path)
    except OSError:
        assert path.read_bytes() == content
        expected, outcome = old, "refused to save"
    loaded = kanml.load(path)
    assert loaded.parameters.tobytes() == expected.parameters.tobytes()
    assert {entry.name for entry in folder.iterdir()} - {"filler"} == {"network"}
    return outcome


CASES = (later, later, first, saving)


def bits(result: kanml.Result) -> list[bytes]:
    """Return what two equal runs have in common."""
    history = result.history
    arrays = [result.network.parameters, history.loss, history.step, history.evaluations]
    return [result.status.encode(), *(array.tobytes() for array in arrays)]


# Disks


@contextlib.contextmanager
def limited() -> Iterator[tuple[Path, Room]]:
    """Give a folder where files end at a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def room(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if size is None else size, before[1]))

    with tempfile.TemporaryDirectory() as name:
        try:
            yield Path(name), room
        finally:
            room(None)


@contextlib.contextmanager
def small(mounted: Path) -> Iterator[tuple[Path, Room]]:
    """Give an empty folder on a small file system."""
    filler = mounted / "filler"

    def room(size: int | None) -> None:
        filler.unlink(missing_ok=True)
        if size is not None:
            system = os.statvfs(mounted)
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                file.write(bytes(max(0, system.f_bfree * system.f_frsize - size)))

    try:
        yield mounted, room
    finally:
        for path in mounted.iterdir():
            path.unlink()


def mount(folder: Path) -> str | None:
    """Mount a small file system, which ends with this process; return why it cannot be mounted."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return os.strerror(ctypes.get_errno())
    new = ["mount", "-t", "tmpfs", "-o", f"size={CAPACITY}", "kanml", str(folder)]
    for command in (["mount", "--make-rprivate", "/"], new):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            return str(error)
        if done.returncode != 0:
            return done.stderr.strip()
    return None


def main() -> int:
    """Run the command line."""
    parser = search.parser(__doc__)
    parser.add_argument("number", type=search.count, nargs="?", default=40, help="cases")
    options = parser.parse_args()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing raises an error instead
    found, half = search.Search(options, limit=300.0), -(-options.number // 2)
    found.run("limit", partial(case, limited), half)
    with tempfile.TemporaryDirectory() as name:
        disk = Path(name) / "disk"
        disk.mkdir()
        if (reason := mount(disk)) is None:
            try:
                found.run("small disk", partial(case, partial(small, disk)), half)
            finally:
                subprocess.run(["umount", str(disk)], check=True)
        else:
            print(f"small disk: skipped, since none can be mounted: {reason}")
    return found.end()


if __name__ == "__main__":
    sys.exit(main())
