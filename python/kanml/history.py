"""The record of a training run: one row a step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array

__all__ = ["History"]

IntArray = npt.NDArray[np.int64]


class History:
    """What happened, row by row: the start of training, then every accepted step.

    Examples
    --------
    >>> history = History()
    >>> history.append(level=0, step=0, loss=1.5, seconds=0.1, evaluations=1, ascents=0)
    >>> len(history), history.loss
    (1, array([1.5]))
    """

    INTEGERS = ("level", "step", "evaluations", "ascents")
    REALS = ("loss", "seconds")

    def __init__(self) -> None:
        self._integers: dict[str, list[int]] = {name: [] for name in self.INTEGERS}
        self._reals: dict[str, list[float]] = {name: [] for name in self.REALS}
        self._terms: dict[str, list[float]] = {}

    def append(
        self,
        *,
        level: int,
        step: int,
        loss: float,
        seconds: float,
        evaluations: int,
        ascents: int,
        terms: Mapping[str, float] | None = None,
    ) -> None:
        """Add a row."""
        for name, value in zip(self.INTEGERS, (level, step, evaluations, ascents), strict=True):
            self._integers[name].append(value)
        for name, number in zip(self.REALS, (loss, seconds), strict=True):
            self._reals[name].append(number)
        for name, number in (terms or {}).items():
            self._terms.setdefault(name, []).append(number)

    @property
    def level(self) -> IntArray:
        """Level of each row, 0 the coarsest."""
        return np.array(self._integers["level"], dtype=np.int64)

    @property
    def step(self) -> IntArray:
        """Accepted steps so far. A refinement adds a row with the same step on the next level."""
        return np.array(self._integers["step"], dtype=np.int64)

    @property
    def evaluations(self) -> IntArray:
        """Evaluations of loss and gradient so far."""
        return np.array(self._integers["evaluations"], dtype=np.int64)

    @property
    def ascents(self) -> IntArray:
        """Steps so far that a mixed geometry led upwards; see `LBFGS`."""
        return np.array(self._integers["ascents"], dtype=np.int64)

    @property
    def loss(self) -> Float64Array:
        """Loss after the step."""
        return np.array(self._reals["loss"], dtype=np.float64)

    @property
    def terms(self) -> dict[str, Float64Array]:
        """What each term of a `PINN` contributed to the loss; empty for other problems."""
        return {name: np.array(column, dtype=np.float64) for name, column in self._terms.items()}

    @property
    def seconds(self) -> Float64Array:
        """Time since the start of training, without interruptions."""
        return np.array(self._reals["seconds"], dtype=np.float64)

    @property
    def last(self) -> dict[str, float]:
        """The last row, without making arrays of the columns."""
        return {name: column[-1] for name, column in (self._integers | self._reals).items()}

    def arrays(self) -> dict[str, IntArray | Float64Array]:
        """Return all columns by name."""
        columns = {name: getattr(self, name) for name in (*self.INTEGERS, *self.REALS)}
        return columns | {f"terms.{name}": column for name, column in self.terms.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> History:
        """Return the history with these columns."""
        history = cls()
        for name in cls.INTEGERS:
            history._integers[name] = [int(v) for v in arrays[name]]
        for name in cls.REALS:
            history._reals[name] = [float(v) for v in arrays[name]]
        for name, column in arrays.items():
            if name.startswith("terms."):
                history._terms[name.removeprefix("terms.")] = [float(v) for v in column]
        return history

    def __len__(self) -> int:
        return len(self._reals["loss"])

    def __repr__(self) -> str:
        if not len(self):
            return "<History, empty>"
        return f"<History of {self.step[-1]} steps, loss {self.loss[0]:.3g} to {self.loss[-1]:.3g}>"
