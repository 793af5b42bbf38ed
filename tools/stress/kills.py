"""Kill processes that train or save, and continue where they were.

    python tools/stress/kills.py 200

A process trains with a checkpoint and a log, and gets SIGKILL at a random moment. After each kill
the log must have a line for each step that was over, and the checkpoint must be whole. The next
process continues from it. In the end the parameters, the history and the log must be those of a run
that was never killed, and no other file may be left. Other processes save two networks in turn to
one file, which has to hold the one or the other after each kill.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import kanml
import search
from kanml.network import files

SCHEDULE = [40, 30, 30]
LIVES = 10  # of a run: kills until it may end
SECONDS = 60  # then a process hangs
KINDS = ("L-BFGS", "SSBroyden", "minibatches", "residuals")


def training(kind: str) -> tuple[kanml.Network, Any, Any]:
    """Return a network, a problem and an optimizer."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (300, 2))
    y = np.sin(3 * x[:, :1]) * x[:, 1:]
    net = kanml.KAN([2, 3, 1], degree=4, intervals=3, activation="tanh", seed=1)
    if kind == "residuals":
        points = kanml.Sampler([-1, -1], [1, 1], 100, every=3)
        pde = kanml.Term("pde", points, lambda u, a: u.xx + a * u.yy, attention=kanml.RBA(0.1))
        data = kanml.Term("data", x, lambda u, x, y: u - np.sin(3 * x) * y, batch_size=60)
        return net, kanml.PINN("xy", [pde, data], unknowns={"a": 1.0}), kanml.Adam(1e-2)
    optimizer = {
        "L-BFGS": kanml.LBFGS(memory=5),
        "SSBroyden": kanml.SSBroyden(),
        "minibatches": kanml.Adam(kanml.Ramp(1e-3, 1e-2, steps=10)),
    }[kind]
    batch = 70 if kind == "minibatches" else None
    return net, kanml.Regression(x, y, batch_size=batch, seed=5), optimizer


def train(kind: str, every: int, folder: Path, after: Any = lambda state: None) -> None:
    """Train, or continue; call a function after each step, and write the result."""
    net, problem, optimizer = training(kind)
    checkpoint = folder / "checkpoint"
    logger = kanml.Logger(folder / "log", metrics={"size": lambda net: float(net.parameters.max())})
    result = kanml.train(
        net,
        problem,
        SCHEDULE,
        optimizer,
        callbacks=[kanml.Checkpoint(checkpoint, every), logger, after],
        resume=checkpoint if checkpoint.exists() else None,
        progress=False,
    )
    arrays = {**result.history.arrays(), "parameters": result.network.parameters}
    arrays["unknowns"] = np.array(list(result.unknowns.values()))
    arrays.pop("seconds")
    files.write(folder / "result", {"kind": "result", "status": result.status}, arrays)


def networks() -> tuple[kanml.Network, kanml.Network]:
    """Return two networks that are saved in turn."""
    return kanml.KAN([3, 40, 5], intervals=20), kanml.KAN([2, 3, 1])


def save(folder: Path) -> None:
    """Save two networks in turn, for ever; print a line for each."""
    while True:
        for i, net in enumerate(networks()):
            net.save(folder / "network")
            print(i)


class Killer:
    """Starts processes and kills them.

    Attributes
    ----------
    kills, writing : int
        How many were killed, and how many of these left a file that they were writing.
    """

    def __init__(self) -> None:
        self.kills = self.writing = 0

    def life(self, folder: Path, lines: float, pause: float, *arguments: object) -> list[str]:
        """Start a process, kill it some time after a number of lines; return what it printed."""
        command = [sys.executable, "-u", __file__, "--child", *map(str, arguments), str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            end, printed = time.monotonic() + SECONDS, []
            while len(printed) < lines and (line := process.stdout.readline()):
                printed.append(line.strip())
                assert time.monotonic() < end, "the process hangs"
            if len(printed) >= lines:
                time.sleep(pause)
                process.kill()
            printed += process.stdout.read().split()
        assert process.returncode in (0, -9), process.returncode
        if process.returncode == -9:
            self.kills += 1
            self.writing += any(path.suffix == ".tmp" for path in folder.iterdir())
        return printed

    def train(self, kind: str, wholes: dict[str, Path], rng: np.random.Generator) -> str:
        """Kill a run several times, and compare its end with that of a run that was not killed."""
        every = int(rng.choice([1, 7]))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for _ in range(LIVES):
                lines = int(rng.integers(0, 2 * sum(SCHEDULE) // LIVES))
                printed = self.life(folder, lines, rng.uniform(0, 0.02), kind, every)
                if (folder / "result").exists():
                    break
                require_files(folder, every, printed)
            else:
                self.life(folder, np.inf, 0.0, kind, every)
            require_same(folder, wholes[kind])
        return "the bits of a run without kills"

    def save(self, rng: np.random.Generator) -> str:
        """Kill a process that saves; load what it left."""
        expected = [(repr(net.layers), net.parameters.tobytes()) for net in networks()]
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "network"
            for _ in range(2):
                self.life(Path(name), int(rng.integers(1, 20)), rng.uniform(0, 0.02), "save")
                net = kanml.load(path)
                assert (repr(net.layers), net.parameters.tobytes()) in expected
            net.save(path)
            assert [entry.name for entry in Path(name).iterdir()] == ["network"]
        return "one network or the other"


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the whole lines of a log, without what differs from run to run."""
    text = (folder / "log").read_text()
    table = list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in table]


def require_files(folder: Path, every: int, printed: list[str]) -> None:
    """Raise AssertionError unless the log and the checkpoint have all steps that were over."""
    over = int(printed[-1]) if printed else 0
    if over:
        steps = [int(row["step"]) for row in rows(folder)]
        assert set(range(over + 1)) <= set(steps), f"step {over} is not in the log of {steps}"
    checkpoint = folder / "checkpoint"
    if over >= every:
        assert checkpoint.exists(), f"step {over} is over, but there is no checkpoint"
    if checkpoint.exists():
        step = files.read(checkpoint, "checkpoint")[0]["state"]["step"]
        if over:  # else it is that of an earlier process
            assert over - over % every <= step <= over + 1, f"{step} is kept, step {over} was over"


def require_same(folder: Path, whole: Path) -> None:
    """Raise AssertionError unless two runs ended with the same bits and files."""
    assert {p.name for p in folder.iterdir()} == {"checkpoint", "log", "result"}
    (got, arrays), (expected, columns) = (
        files.read(one / "result", "result") for one in (folder, whole)
    )
    assert got == expected
    assert arrays.keys() == columns.keys()
    for name, array in arrays.items():
        assert array.tobytes() == columns[name].tobytes(), name
    assert rows(folder) == rows(whole)


def main() -> int:
    """Run the command line."""
    parser = search.parser(__doc__)
    parser.add_argument(
        "number", type=search.count, nargs="?", default=20, help="kills, at the least"
    )
    options = parser.parse_args()
    found, killer = search.Search(options, limit=10 * SECONDS), Killer()
    with tempfile.TemporaryDirectory() as name:
        wholes = {kind: Path(name) / kind for kind in KINDS}
        for kind, folder in wholes.items():
            folder.mkdir()
            train(kind, 1000, folder)
        share = -(-options.number // (len(KINDS) + 1))
        for kind in KINDS:
            found.run(kind, partial(killer.train, kind, wholes), -(-share // (LIVES - 2)))
        found.run("save", killer.save, -(-share // 2))
    print(f"{killer.kills} kills, {killer.writing} of them while a file was written")
    return found.end()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        if sys.argv[2] == "save":
            save(Path(sys.argv[3]))
        kind, every, folder = sys.argv[2:]
        train(kind, int(every), Path(folder), lambda state: print(state.step))
    else:
        sys.exit(main())
