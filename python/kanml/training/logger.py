"""A callback that writes the history of a run where it can be followed."""

from __future__ import annotations

import csv
import io
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import TypeAlias

import numpy as np

from kanml._validation import integer, path_in_folder, warn
from kanml.network import Network, files
from kanml.training.callbacks import Callback, TrainingState
from kanml.training.history import History

__all__ = ["Logger"]

Metric: TypeAlias = Callable[[Network], float]
Values: TypeAlias = dict[str, float]
Measured: TypeAlias = dict[tuple[int, int, float], Values]
"""Metrics by the step, level and loss of their row, which tell it from rows of other runs."""


class Logger(Callback):
    """A callback that writes rows of the history to a file, or to a logger of Python.

    Parameters
    ----------
    target : path-like or logging.Logger
        A path is that of a file of comma-separated values, which begins with the names of the
        columns. Its folder must exist. A new run replaces the file of another one, which is any
        with the columns step, level and loss. A resumed run replaces the rows after the step from
        which it continues. In `march` each slab has a file of its own: "run.csv" stands for
        "run-slab-1.csv" and so on. A logger gets a readable line at the level INFO for each row.
    every : int
        The number of steps between two rows. The first and the last row are always written.
    metrics : dict of str to callable, optional
        What else to measure: functions of the network that return a number, by the names of their
        columns. They are called when a row is due; what they raise ends `train`. The row of a
        refinement, where the function is still that of the row before, has NaN.

    Raises
    ------
    ValueError
        If the folder does not exist, the file is not a log, an argument is not as described, or a
        metric is too large for a float.
    TypeError
        If an argument has another type, or a metric returns anything but a real number.
    RuntimeError
        If a run begins while the Logger writes the log of another one.
    OSError
        If the file cannot be written before the first step; a failure after that is a
        RuntimeWarning, and training continues.

    Notes
    -----
    The columns are those of ``history.to_pandas()``, and then the metrics. All digits are written.
    Each line reaches the file at once, so a crash loses none. The file is written anew, in one
    move, when a run begins, with the first row after a refinement, and at the end. Runs at the same
    time need a Logger each, and each of these a file of its own. If several processes train
    together, the first one measures and writes.

    Examples
    --------
    >>> import csv
    >>> import kanml
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> problem = kanml.Regression(x, np.sin(3 * x))
    >>> def largest_error(net):
    ...     return float(abs(net(x) - np.sin(3 * x)).max())
    >>> logger = kanml.Logger("run.csv", every=10, metrics={"largest error": largest_error})
    >>> net = kanml.KAN([1, 1], intervals=8)
    >>> result = kanml.train(net, problem, [20], callbacks=[logger], progress=False)
    >>> with open("run.csv", newline="") as file:
    ...     rows = list(csv.DictReader(file))
    >>> [row["step"] for row in rows]
    ['0', '10', '20']
    >>> float(rows[-1]["largest error"]) == largest_error(result.network)
    True
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | logging.Logger,
        every: int = 1,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self.every = integer(every, "every", 1)
        self.metrics = _checked({} if metrics is None else metrics)
        self.target: logging.Logger | Path
        self._sink: Lines | CsvFile
        if isinstance(target, logging.Logger):
            self.target, self._sink = target, Lines(target, self.every)
        else:
            self.target = path_in_folder(target, "target", "a path or a logging.Logger")
            self._sink = CsvFile(self.target, self.every)
        self._runs: dict[str, History] = {}  # none, or the history of the run that is written
        self._measured: Measured | None = None  # before the run has begun

    def of_slab(self, number: int) -> Logger:
        """Return the logger of a slab of `march`, which has a file of its own."""
        if isinstance(self.target, logging.Logger):
            return self
        path = self.target.with_stem(f"{self.target.stem}-slab-{number + 1}")
        return Logger(path, self.every, self.metrics)

    def begin(self, state: TrainingState) -> None:
        """Write the first row, or what is due up to the row from which a run continues."""
        if state.communicator.rank:
            return
        # In one operation, so that of two threads one is refused.
        if self._runs.setdefault("present", state.history) is not state.history:
            raise RuntimeError(
                f"{self!r} is still writing the log of another run; give each of the runs that "
                "take place at the same time a Logger of its own"
            )
        self._measured = self._sink.known(state.history, tuple(self.metrics))
        if state.step % self.every == 0:
            self._measure(state, self._measured)
        self._sink.begin(state.history, self._measured)

    def __call__(self, state: TrainingState) -> None:
        """Write the rows that are due."""
        if self._measured is not None and state.step % self.every == 0:
            self._measure(state, self._measured)
            self._sink.write(state.history, self._measured)

    def end(self, state: TrainingState) -> None:
        """Write the last row."""
        begun = self._runs.get("present") is state.history  # else it was interrupted before
        if begun and self._measured is not None:
            self._measure(state, self._measured)
            self._sink.write(state.history, self._measured, last=True)

    def _release(self, history: History) -> None:
        """Be free for another run."""
        if self._runs.get("present") is history:
            self._measured = None
            self._runs.clear()

    def _measure(self, state: TrainingState, measured: Measured) -> None:
        """Add the metrics of a state, unless they are known."""
        key = state.step, state.level, state.loss
        if self.metrics and key not in measured:
            net = state.network
            measured[key] = {name: _value(name, f, net) for name, f in self.metrics.items()}

    def __repr__(self) -> str:
        metrics = f", metrics={list(self.metrics)}" if self.metrics else ""
        target = self.target if isinstance(self.target, logging.Logger) else str(self.target)
        return f"Logger({target!r}, every={self.every}{metrics})"


class Lines:
    """A logger of Python, which gets a line for each row."""

    def __init__(self, logger: logging.Logger, every: int) -> None:
        self.logger, self.every = logger, every
        self._next = 0

    def known(self, history: History, metrics: tuple[str, ...]) -> Measured:
        """Return no metrics: nothing is read."""
        return {}

    def begin(self, history: History, measured: Measured) -> None:
        """Write the first row of a run; one that continues has written it before."""
        self._next = len(history) if history.last["step"] else 0
        self.write(history, measured)

    def write(self, history: History, measured: Measured, last: bool = False) -> None:
        """Write the rows since the last call that are due."""
        rows = _due(history.part(self._next, len(history)), self.every, measured, last)
        self._next = len(history)
        for row in rows:
            said = ", ".join(
                f"{name} {value:.5g}"
                for name, value in row.items()
                if name not in ("step", "level", "ascents") and not math.isnan(value)
            )
            self.logger.info("step %d, level %d: %s", row["step"], row["level"], said)


class CsvFile:
    """A file of comma-separated values."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self._metrics: tuple[str, ...] = ()
        self._columns: tuple[str, ...] = ()
        self._next = self._level = 0

    def known(self, history: History, metrics: tuple[str, ...]) -> Measured:
        """Return the metrics in the file of those rows with which a run continues.

        Parameters
        ----------
        history : History
        metrics : tuple of str
            The names of those that will be measured.

        Raises
        ------
        ValueError
            If the file is not a log.
        OSError
            If it cannot be read.
        """
        names, of_rows = _read(self.path)
        measured: Measured = {}
        if history.last["step"] and names:
            table = history.table()
            columns = [table[name].tolist() for name in ("step", "level", "loss")]
            rows = set(zip(*columns, strict=True))
            measured = {key: values for key, values in of_rows.items() if key in rows}
        self._metrics = tuple(dict.fromkeys([*(names if measured else ()), *metrics]))
        return measured

    def begin(self, history: History, measured: Measured) -> None:
        """Write all rows that are due; OSError if the file cannot be written."""
        try:
            self._write_anew(history, measured)
        except OSError as error:
            reason = error.strerror or error
            message = f"no log can be written to {str(self.path)!r}: {reason}"
            raise type(error)(message) from error

    def write(self, history: History, measured: Measured, last: bool = False) -> None:
        """Write the rows since the last call that are due, or all of them where others changed.

        At the end of a level a row gets its loss at fresh samples, and another optimizer may report
        other columns.
        """
        same = self._columns and history.last["level"] == self._level
        try:
            if last or not same or not self.path.exists():  # it may have been moved away
                self._write_anew(history, measured, last)
            else:
                self._append(history, measured)
        except OSError as error:
            where = f"no log of step {history.last['step']} in {str(self.path)!r}"
            warn(f"{where}: {error}", RuntimeWarning)

    def _append(self, history: History, measured: Measured) -> None:
        rows = _due(history.part(self._next, len(history)), self.every, measured)
        columns, self._columns = self._columns, ()  # until it has succeeded
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(_text(columns, rows))
        self._columns, self._next = columns, len(history)

    def _write_anew(self, history: History, measured: Measured, last: bool = False) -> None:
        columns, self._columns = (*history.table(), *self._metrics), ()
        header = dict(zip(columns, columns, strict=True))
        rows = _due(history, self.every, measured, last)
        files.replace(self.path, _text(columns, [header, *rows]).encode())
        self._columns, self._next, self._level = columns, len(history), int(history.last["level"])


def _due(history: History, every: int, measured: Measured, last: bool = False) -> Iterator[Values]:
    """Yield the rows of steps that `every` divides, with metrics, and the last row if asked for."""
    table = {name: column.tolist() for name, column in history.table().items()}
    due = history.step % every == 0
    due[len(due) - 1 :] |= last
    for i in np.flatnonzero(due).tolist():
        row = {name: column[i] for name, column in table.items()}
        yield row | measured.get((row["step"], row["level"], row["loss"]), {})


def _text(columns: tuple[str, ...], rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as lines; NaN where they have no entry."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([row.get(name, math.nan) for name in columns] for row in rows)
    return text.getvalue()


def _read(path: Path) -> tuple[tuple[str, ...], Measured]:
    """Return the names and values of the metrics in a log; none if there is no file.

    Raises
    ------
    ValueError
        If the file is not a log.
    """
    if not path.is_file():
        return (), {}
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]  # the last line may have been cut off
        header, *lines = list(csv.reader(io.StringIO(whole))) or [[]]
    except (UnicodeDecodeError, csv.Error):
        text, header, lines = "?", [], []
    if text and not {"step", "level", "loss"} <= {*header}:
        raise ValueError(f"{str(path)!r} exists and is not a log, so it is not replaced")
    names = tuple(name for name in header if not History.has_column(name))
    measured: Measured = {}
    for line in lines:
        row = dict(zip(header, line, strict=False))
        try:
            key = int(row["step"]), int(row["level"]), float(row["loss"])
            measured[key] = {name: float(row[name]) for name in names}
        except (KeyError, ValueError):  # a line that somebody edited
            continue
    return names, measured


def _value(name: str, metric: Metric, net: Network) -> float:
    value = metric(net)
    if not isinstance(value, Real):
        raise TypeError(f"metrics[{name!r}] must return a real number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(
            f"metrics[{name!r}] must return a number that a float can hold, got {value!r:.40}..."
        ) from None


def _checked(metrics: object) -> dict[str, Metric]:
    """Return metrics by their names, which are those of no other column."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must be a dict of names to functions, got {metrics!r}")
    for name, metric in metrics.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"the names of metrics must be strings, got {name!r}")
        if History.has_column(name):
            raise ValueError(f"metrics must not be called as a column of the history, got {name!r}")
        if not callable(metric):
            raise TypeError(f"metrics[{name!r}] must be a function of the network, got {metric!r}")
    return dict(metrics)
