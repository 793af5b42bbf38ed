"""Interrupt trainings with Ctrl-C at random moments, and look at what comes back.

    python tools/stress/interrupts.py 2000

Each training gets a real SIGINT from another thread, at a random moment from before its start to
after its end. Whatever that hits (set-up, an evaluation, a refinement, the writing of a
checkpoint), no KeyboardInterrupt may come out of the run and the result has to be whole. A Ctrl-C
of yours is one more of these. To end the command, press Ctrl-\\.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import kanml
import search

X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
Y = np.sin(3 * X[:, :1]) * X[:, 1:]
SCHEDULE = [6, 5, 4]
WHOLE = kanml.Regression(X, Y)
PART, HELD_OUT = kanml.Regression(X[:200], Y[:200]), kanml.Regression(X[200:], Y[200:])
BATCHES = kanml.Regression(X, Y, batch_size=50)
NET = kanml.KAN([2, 3, 1], degree=3, intervals=2, activation="tanh", data=X)


def equation() -> kanml.PINN:
    points = kanml.Sampler([-1, -1], [1, 1], 100, every=3)
    term = kanml.Term("pde", points, lambda u, a: u.xx + a * u.yy + u, attention=kanml.RBA(0.1))
    data = kanml.Term("data", X, lambda u, x, y: u - np.sin(3 * x) * y, batch_size=60)
    return kanml.PINN("xy", [term, data], unknowns={"a": 1.0})


EQUATION = equation()


def trainings(folder: Path) -> dict[str, Callable[[], kanml.Result]]:
    """Return the kinds of training by name."""

    def train(problem: Any, *arguments: Any, **options: Any) -> Callable[[], kanml.Result]:
        return lambda: kanml.train(NET, problem, SCHEDULE, *arguments, progress=False, **options)

    early = [kanml.EarlyStopping(3)]
    written = [kanml.Checkpoint(folder / "checkpoint", every=2)]
    return {
        "regression": train(WHOLE),
        "minibatches": train(BATCHES, kanml.Adam(1e-2)),
        "validation": train(PART, validation=HELD_OUT, callbacks=early),
        "checkpoint": train(WHOLE, callbacks=written),
        "pinn": train(EQUATION),
    }


def require_whole(name: str, result: kanml.Result, folder: Path) -> None:
    """Raise AssertionError unless a result is a moment that the run had."""
    history = result.history
    assert {len(column) for column in history.arrays().values()} == {len(history)}
    assert len(history) >= 1
    assert result.status in ("completed", "interrupted")
    assert history.last["step"] == history.step[-1]
    assert np.isfinite(result.network.parameters).all()
    assert np.isfinite(list(result.unknowns.values())).all()
    assert result.levels[-1] is result.network
    level = len(result.levels) - 1
    assert level == history.level[-1] or (name == "validation" and level < history.level[-1])
    intervals = [layer.spaces[0].intervals for layer in result.network.layers[::2]]
    assert intervals == [2 * 2**level] * 2
    if name == "validation":
        loss, recorded = loss_of(HELD_OUT, result), history.validation.min()
    elif name in ("regression", "checkpoint") and result.status == "interrupted":
        loss, recorded = loss_of(WHOLE, result), history.loss.min()
    else:
        loss, recorded = loss_of(result.problem, result), history.loss[-1]
    assert np.isclose(loss, recorded, rtol=1e-9), (loss, recorded)
    if name == "checkpoint":
        path = folder / "checkpoint"
        again = kanml.train(NET, WHOLE, SCHEDULE, progress=False, resume=path)
        assert again.status == "completed"
        np.testing.assert_array_equal(again.history.loss[: len(history)], history.loss)
        path.unlink()


def loss_of(problem: Any, result: kanml.Result) -> float:
    unknowns = [result.unknowns] if result.unknowns else []
    loss: float = problem.value_and_gradient(result.network, *unknowns)[0]
    return loss


def interrupted(train: Callable[[], kanml.Result], delay: float) -> tuple[Any, float]:
    """Train with a SIGINT after `delay` seconds; return the result and the seconds of the training.

    The result is None if the signal came before or after the training.
    """
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    result, start = None, time.perf_counter()
    end = start
    try:
        timer.start()
        result = train()
        end = time.perf_counter()
        timer.join()
        time.sleep(0.001)  # a signal is dealt with between two lines
    except KeyboardInterrupt as escaped:
        files = {Path(frame.filename).name for frame in traceback.extract_tb(escaped.__traceback__)}
        if "run.py" in files:
            raise AssertionError("a KeyboardInterrupt came out of the run") from escaped
        timer.join()
    return result, end - start


def main() -> int:
    """Run the command line."""
    parser = search.parser(__doc__)
    parser.add_argument("number", type=search.count, nargs="?", default=100, help="trainings")
    options = parser.parse_args()
    found = search.Search(options)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.setswitchinterval(1e-4)  # for the timer; trainings take some milliseconds
    with search.folder() as name:
        folder = Path(name)
        for kind, train in trainings(folder).items():
            lengths: set[int] = set()
            case = partial(interrupt, kind, train, duration(train), folder, lengths)
            found.run(kind, case, -(-options.number // 5))
            print(f"{kind}: {len(lengths)} different lengths of the history")
    return found.end()


def duration(train: Callable[[], kanml.Result]) -> list[float]:
    """Return the seconds of a few trainings, the first one not counted."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        train()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def interrupt(
    kind: str,
    train: Callable[[], kanml.Result],
    seconds: list[float],
    folder: Path,
    lengths: set[int],
    rng: np.random.Generator,
) -> str:
    """Interrupt a training, and look at the result; `seconds` has those of earlier ones."""
    result, took = interrupted(train, rng.uniform(0, 1.1 * statistics.median(seconds[-9:])))
    if result is not None and result.status == "completed":
        seconds.append(took)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if result is None:
        return "without a result"
    require_whole(kind, result, folder)
    lengths.add(len(result.history))
    return result.status


if __name__ == "__main__":
    sys.exit(main())
