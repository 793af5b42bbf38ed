"""What the estimators share: arguments, checks of inputs, and the fit to a table."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kanml._validation import Float64Array, choice, integer, number
from kanml.layers import Affine
from kanml.problems.losses import DataLoss
from kanml.sklearn.fitting import Form, fit, starts
from kanml.sklearn.selection import needed_inputs
from kanml.sklearn.table import IntArray, Table, folds, scaling, text_columns

__all__ = ["KANEstimator", "described", "require_numbers", "weights"]

Estimator = TypeVar("Estimator", bound="KANEstimator")
SECTION = re.compile(r"^(Parameters|Attributes|Notes|Examples)\n-+\n", re.MULTILINE)


@dataclass(kw_only=True, eq=False, repr=False)
class KANEstimator(BaseEstimator):
    """What both estimators share: arguments, inputs, and the fit to a table.

    Parameters
    ----------
    hidden : "auto", int or sequence of int
        The widths of the hidden layers. ``()`` has none: the network is then a sum of a function
        of each input. "auto" takes one layer of 10 to 50 features, three for each output.
    degree : int
        Of the splines, 2 to 5.
    intervals : int
        Of each spline on the coarsest level. They are halved once from 2000 rows on, twice from
        20,000 on.
    knots : {"uniform", "quantile"}
        Where the splines of the inputs have theirs: at equal distances within three standard
        deviations from the mean, or with as many rows between any two.
    penalty : "auto" or float
        How much the splines may bend: the strength of a `kanml.Smoothness`. "auto" takes the power
        of ten that is best on the rows held out.
    sparsity : float
        How much functions of inputs cost in a first fit: the strength of a `kanml.Sparsity`. Inputs
        whose effect there does not lower the loss on the rows held out are then left out of the
        network. If none are held out, those with next to no effect are. 0 keeps all.
    validation_fraction : float or None
        The share of rows held out, at most 0.5. Training ends when the loss there no longer falls.
        Unless the table is large, each part of the rows is held out once, and the network is the
        mean of one network for each. With None, and with fewer than two rows for each part,
        nothing is held out: training takes all its steps, and "auto" is a penalty of 0.01.
    max_iter : int
        The steps of L-BFGS on each level, at most.
    random_state : int, RandomState or None
        The source of the starts, and of the choice of rows held out.
    verbose : bool
        Whether to print the loss on the rows held out for each penalty.

    Attributes
    ----------
    penalty_ : float
        The strength of the penalty.
    validation_losses_ : dict of float
        The loss on the rows held out for each penalty tried, on the coarsest level and with targets
        scaled. NaN if none are held out.
    active_features_ : ndarray of bool, shape (n_in,)
        Which inputs have an effect. Constant ones have none, nor have those switched off.
    history_ : list of History
        One for each run of `kanml.train` that led to the network.
    n_iter_ : int
        The number of steps of the longest run.
    n_features_in_ : int
        The number of inputs.
    feature_names_in_ : ndarray of str
        Their names, if they are columns of a data frame.

    Notes
    -----
    Constant columns have no effect. Equal rows are joined, and their weights added, so that a fit
    depends neither on the order of the rows, nor on whether one of them counts twice or is there
    twice. It does not depend on the number of threads either.
    """

    hidden: Any = "auto"
    degree: int = 3
    intervals: int = 2
    knots: str = "uniform"
    penalty: Any = "auto"
    sparsity: float = 0.0
    validation_fraction: float | None = 0.2
    max_iter: int = 200
    random_state: Any = None
    verbose: bool = False

    def _widths(self, n_out: int) -> tuple[int, ...]:
        if isinstance(self.hidden, str):
            choice(self.hidden, "hidden", ("auto",))
            return (min(max(10, 3 * n_out), 50), n_out)
        given = [self.hidden] if isinstance(self.hidden, Integral) else list(self.hidden)
        return (*(integer(w, f"hidden[{i}]", 1) for i, w in enumerate(given)), n_out)

    def _fit(
        self,
        table: Table,
        n_out: int,
        loss: str | DataLoss,
        behind: Affine | None = None,
        groups: Float64Array | None = None,
    ) -> None:
        """Fit the network to rows with the targets of a loss, and keep what it leaves."""
        intervals = integer(self.intervals, "intervals", 1)
        degree = integer(self.degree, "degree", 2, 5)
        steps = integer(self.max_iter, "max_iter", 1)
        choice(self.knots, "knots", ("uniform", "quantile"))
        held_out, strength = self._held_out(), self._strength()
        sparsity = number(self.sparsity, "sparsity", "a number >= 0", lambda s: s >= 0)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        groups = np.zeros(len(table)) if groups is None else groups
        parts = _parts(groups, held_out, rng)
        form = Form(self._widths(n_out), degree, intervals, self.knots == "quantile")
        report = print if self.verbose else _say_nothing
        scaled = scaling(table.x, table.weight)
        if sparsity > 0:
            begun = starts(form, table, scaled, parts, rng)
            needed = needed_inputs(begun, table, loss, sparsity, steps, report)
            scaled = scaled.holding(~needed)
        begun = starts(form, table, scaled, parts, rng)
        found = fit(begun, table, loss, strength, behind, steps, report)
        self.network_ = found.network
        self.active_features_ = ~scaled.constant
        self.penalty_ = found.strength
        self.validation_losses_ = found.losses
        self.history_ = [run.history for run in found.runs]
        self.n_iter_ = max(int(history.step[-1]) for history in self.history_)

    def _held_out(self) -> float:
        share = self.validation_fraction
        if share is None:
            return 0.0
        if not isinstance(share, Real) or not 0 < share <= 0.5:
            raise ValueError(
                f"validation_fraction must be None or a number in (0, 0.5], got {share!r}"
            )
        return float(share)

    def _strength(self) -> float | None:
        if not isinstance(self.penalty, str):
            return number(self.penalty, "penalty", "'auto' or a number >= 0", lambda s: s >= 0)
        choice(self.penalty, "penalty", ("auto",))
        return None

    def _outputs(self, x: Any) -> Float64Array:
        """Return the outputs of the network (N, n_out)."""
        check_is_fitted(self)
        require_numbers(x)
        x = validate_data(self, x, dtype=np.float64, reset=False)
        return np.asarray(self.network_(x), np.float64)


def described(cls: type[Estimator]) -> type[Estimator]:
    """Complete the docstring of an estimator by what `KANEstimator` says, section by section."""
    if cls.__doc__ and KANEstimator.__doc__:  # python -OO has none
        own, shared = _sections(cls.__doc__), _sections(KANEstimator.__doc__)
        parts = [own[""].rstrip()]
        for name in ("Parameters", "Attributes", "Notes", "Examples"):
            entries = "\n".join(part[name].rstrip() for part in (own, shared) if name in part)
            parts.append(f"{name}\n{'-' * len(name)}\n{entries}")
        cls.__doc__ = "\n\n".join(parts) + "\n"
    return cls


def _sections(docstring: str) -> dict[str, str]:
    """Return the text of each section of a docstring; that before the first one for ""."""
    first, *others = SECTION.split(inspect.cleandoc(docstring))
    return {"": first, **dict(zip(others[::2], others[1::2], strict=True))}


def _parts(groups: Float64Array, share: float, rng: np.random.Generator) -> IntArray:
    """Return the part that each row is in; a share of them, all -1 if there are too few rows."""
    if share == 0 or len(groups) < 2 / share:
        return np.full(len(groups), -1)
    return folds(groups, round(1 / share), rng)


def _say_nothing(line: str) -> None:
    pass


def require_numbers(x: Any) -> None:
    """Raise ValueError that names the columns of x with text, and what some of it is."""
    texts = text_columns(x)
    if texts:
        shown = [
            f"{name} ({', '.join(map(repr, some[:3]))}{', ...' if len(some) > 3 else ''})"
            for name, some in texts.items()
        ]
        raise ValueError(
            f"X must hold numbers, got text in the columns {'; '.join(shown[:5])}"
            f"{'; ...' if len(shown) > 5 else ''}: encode categories first, for instance by a "
            "OneHotEncoder or an OrdinalEncoder in a Pipeline"
        )


def weights(sample_weight: Any, x: Float64Array) -> Float64Array:
    """Return a weight for each row of x, (N,)."""
    found = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
    if not found.any():
        raise ValueError("sample_weight must hold a number > 0, got zeros only")
    return np.asarray(found)
