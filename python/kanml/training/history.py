"""The record of a training run: one row for each step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array

if TYPE_CHECKING:
    import pandas

__all__ = ["History", "Row", "Try"]

IntArray = npt.NDArray[np.int64]

TERMS, REPORT = "terms.", "report."  # what the names of such columns begin with


class Row(NamedTuple):
    """The beginning of training, an accepted step, or a refinement; see `History`."""

    level: int
    step: int
    loss: float
    seconds: float
    evaluations: int
    ascents: int
    validation: float | None = None
    terms: Mapping[str, float] | None = None
    report: Mapping[str, float] | None = None
    fresh: float | None = None


class Try(NamedTuple):
    """A start that was tried before training, on a part of the samples; see `kanml.train`.

    Attributes
    ----------
    number : int
        The start is ``net.restart(number)``; 0 is the network's own.
    steps : int
        The number of accepted steps; better starts took more.
    evaluations : int
        The number of evaluations of loss and gradient. The column of a history does not include
        them.
    loss : float
        The lowest loss on the part of the samples, that of the validation problem if there is one;
        infinite if none was finite.
    """

    number: int
    steps: int
    evaluations: int
    loss: float


class History:
    """The course of training, row by row: its beginning, then every accepted step.

    Attributes
    ----------
    tries : tuple of Try
        The starts that were compared before training; empty if there was only one. Training
        continued from the best state of the best one.

    Examples
    --------
    >>> history = History()
    >>> history.append(Row(level=0, step=0, loss=1.5, seconds=0.1, evaluations=1, ascents=0))
    >>> len(history), history.loss
    (1, array([1.5]))
    """

    INTEGERS = ("level", "step", "evaluations", "ascents")
    REALS = ("loss", "seconds")
    OPTIONAL = ("validation", "fresh")

    def __init__(self) -> None:
        self.tries: tuple[Try, ...] = ()
        self._rows: list[Row] = []

    def append(self, row: Row) -> None:
        """Add a row in one operation, which an interrupt cannot divide."""
        self._rows.append(row)

    def note_fresh(self, value: float) -> None:
        """Note the loss at fresh samples in the last row."""
        self._rows[-1] = self._rows[-1]._replace(fresh=value)

    def truncate(self, length: int) -> None:
        """Drop the rows from `length` on."""
        del self._rows[length:]

    def part(self, start: int, stop: int) -> History:
        """Return a history of some of the rows."""
        history = History()
        history.tries = self.tries
        history._rows = self._rows[start:stop]
        return history

    @property
    def level(self) -> IntArray:
        """Level of each row, 0 the coarsest."""
        return self._integers("level")

    @property
    def step(self) -> IntArray:
        """Accepted steps so far. A refinement adds a row with the same step on the next level."""
        return self._integers("step")

    @property
    def evaluations(self) -> IntArray:
        """Evaluations of the loss so far, with gradient or without; not those of `validation`."""
        return self._integers("evaluations")

    @property
    def ascents(self) -> IntArray:
        """Ascents so far in a mixed geometry; see `LBFGS`."""
        return self._integers("ascents")

    @property
    def loss(self) -> Float64Array:
        """Loss after the step."""
        return self._reals("loss")

    @property
    def validation(self) -> Float64Array:
        """Loss of the validation problem after the step; empty if training had none."""
        return self._reals("validation") if self._has("validation") else np.zeros(0)

    @property
    def fresh(self) -> Float64Array:
        """Estimated loss at fresh samples, where a level of ``schedule="auto"`` ended; else NaN.

        Empty with another schedule, or a validation problem.
        """
        return self._reals("fresh") if self._has("fresh") else np.zeros(0)

    @property
    def terms(self) -> dict[str, Float64Array]:
        """The part of each term of a `PINN` in the loss; empty for other problems."""
        rows = [row.terms or {} for row in self._rows]
        names = rows[0] if rows else ()
        return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}

    @property
    def report(self) -> dict[str, Float64Array]:
        """What optimizers report of their states, by name; NaN in rows of one that does not.

        `LevenbergMarquardt` reports the radius of its steps, for instance; most report nothing.
        """
        rows = [row.report or {} for row in self._rows]
        names = dict.fromkeys(name for row in rows for name in row)
        return {
            name: np.array([row.get(name, math.nan) for row in rows], dtype=np.float64)
            for name in names
        }

    @property
    def seconds(self) -> Float64Array:
        """Time since training began, without interruptions."""
        return self._reals("seconds")

    @property
    def last(self) -> dict[str, float]:
        """The last row, without making arrays of the columns."""
        return {name: getattr(self._rows[-1], name) for name in self._names()}

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns by name, in the order in which they are read.

        Those of terms and reports are called ``"terms."`` and ``"report."`` with their name.
        """
        return {
            "step": self.step,
            "level": self.level,
            "loss": self.loss,
            **{f"{TERMS}{name}": column for name, column in self.terms.items()},
            **{name: self._reals(name) for name in self.OPTIONAL if self._has(name)},
            **{f"{REPORT}{name}": column for name, column in self.report.items()},
            "evaluations": self.evaluations,
            "ascents": self.ascents,
            "seconds": self.seconds,
        }

    @classmethod
    def has_column(cls, name: str) -> bool:
        """Say whether a column of this name could be in the table of some run."""
        fixed = (*cls.INTEGERS, *cls.REALS, *cls.OPTIONAL)
        return name in fixed or name.startswith((TERMS, REPORT))

    def to_pandas(self) -> pandas.DataFrame:
        """Return a data frame with the rows of the history.

        Its columns are those that the history has as arrays. Parts of terms are called
        ``"terms.NAME"``, and what optimizers report ``"report.NAME"``. `tries` is not included.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.

        Examples
        --------
        >>> import kanml
        >>> import numpy as np
        >>> x = np.linspace(-1, 1, 50)[:, None]
        >>> problem = kanml.Regression(x, np.sin(3 * x))
        >>> result = kanml.train(kanml.KAN([1, 1]), problem, [5, 5], progress=False)
        >>> frame = result.history.to_pandas()
        >>> list(frame.columns)
        ['step', 'level', 'loss', 'evaluations', 'ascents', 'seconds']
        >>> int(frame.groupby("level")["step"].max()[1])
        10
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "to_pandas needs pandas: python -m pip install 'kanml[pandas]'", name=error.name
            ) from None
        return pandas.DataFrame(self.table())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays by name, from which `from_arrays` makes the history again."""
        return self.table() | {
            f"tries.{name}": np.array([getattr(t, name) for t in self.tries])
            for name in (Try._fields if self.tries else ())
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> History:
        """Return the history with these columns.

        Raises
        ------
        ValueError
            If a run could not have written them.
        """
        history = cls()
        history.tries = _tries(arrays)
        arrays = {name: arrays[name] for name in arrays if not name.startswith("tries.")}
        _require_columns(arrays)
        lists = {name: column.tolist() for name, column in arrays.items()}
        terms, report = _group(lists, TERMS), _group(lists, REPORT)
        for i in range(len(lists["loss"])):
            fields = {name: column[i] for name, column in lists.items() if "." not in name}
            by_term = {name: column[i] for name, column in terms.items()}
            reported = {name: column[i] for name, column in report.items()}
            history.append(Row(**fields, terms=by_term, report=reported))
        return history

    def _has(self, name: str) -> bool:
        return bool(self._rows) and getattr(self._rows[0], name) is not None

    def _names(self) -> tuple[str, ...]:
        return (*self.INTEGERS, *self.REALS, *filter(self._has, self.OPTIONAL))

    def _integers(self, name: str) -> IntArray:
        return np.array([getattr(row, name) for row in self._rows], dtype=np.int64)

    def _reals(self, name: str) -> Float64Array:
        return np.array([getattr(row, name) for row in self._rows], dtype=np.float64)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        if not len(self):
            return "<History, empty>"
        return f"<History of {self.step[-1]} steps, loss {self.loss[0]:.3g} to {self.loss[-1]:.3g}>"


def _group(columns: Mapping[str, list[Any]], prefix: str) -> dict[str, list[Any]]:
    """Return the columns of a group, by the rest of their names."""
    return {
        name.removeprefix(prefix): column
        for name, column in columns.items()
        if name.startswith(prefix)
    }


def _require_form(name: str, column: npt.NDArray[Any], rows: int, whole: bool) -> None:
    """Raise ValueError unless a column has `rows` numbers, whole or real."""
    dtype = np.dtype(np.int64 if whole else np.float64)
    if rows == 0 or column.shape != (rows,) or column.dtype != dtype:
        raise ValueError(
            f"the history's column {name!r} has shape {column.shape} and dtype {column.dtype}"
        )


def _require_columns(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise ValueError unless a run could have written these columns."""
    needed = {*History.INTEGERS, *History.REALS}
    others = {name for name in arrays if not name.startswith((TERMS, REPORT))} - {*History.OPTIONAL}
    if others != needed:
        raise ValueError(f"a history has the columns {sorted(needed)}, got {sorted(others)}")
    for name, column in arrays.items():
        _require_form(name, column, arrays["loss"].size, whole=name in History.INTEGERS)
        rises = column[0] >= 0 and (column[1:] >= column[:-1]).all() and np.isfinite(column).all()
        if name in (*History.INTEGERS, "seconds") and not rises:
            raise ValueError(f"the history's column {name!r} must rise from 0 or more")
    if not np.isfinite(arrays["loss"]).all():
        raise ValueError("the history holds a loss that is not finite")
    level, step = np.diff(arrays["level"]), np.diff(arrays["step"])
    starts_at_zero = arrays["level"][0] == arrays["step"][0] == 0
    refinements = (level == 1) & (step == 0)
    steps = (level == 0) & (step >= 1)
    if not (starts_at_zero and (refinements | steps).all()):
        raise ValueError("each row of a history must be a step or a refinement, from 0 on")


def _tries(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[Try, ...]:
    """Return the tries in these columns; ValueError if no run could have written them."""
    columns = {name: array for name, array in arrays.items() if name.startswith("tries.")}
    if not columns:
        return ()
    names = [f"tries.{name}" for name in Try._fields]
    if sorted(columns) != sorted(names):
        raise ValueError(f"the tries of a history have the columns {names}, got {sorted(columns)}")
    for name, column in columns.items():
        whole = name != "tries.loss"
        _require_form(name, column, columns["tries.number"].size, whole)
        if np.isnan(column).any() or (whole and (column < 0).any()):
            raise ValueError(f"the history's column {name!r} holds what no try can have")
    numbers, *others = (columns[name].tolist() for name in names)
    if len(numbers) < 2 or numbers != list(range(len(numbers))):
        raise ValueError(f"the tries of a history must be numbered from 0 to 1 or more: {numbers}")
    return tuple(map(Try, numbers, *others))
