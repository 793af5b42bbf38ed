"""What the estimators share: arguments, checks of inputs, and the fit to a table."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kanml._validation import MAX_SIZE, Float64Array, choice, integer, number
from kanml.layers import Affine
from kanml.problems.losses import DataLoss
from kanml.sklearn.fitting import Form, fit, starts
from kanml.sklearn.selection import needed_inputs
from kanml.sklearn.table import IntArray, Table, date_columns, folds, scaling, text_columns

__all__ = [
    "KANEstimator",
    "all_or_nothing",
    "described",
    "require_moderate",
    "validated",
    "weights",
]

Estimator = TypeVar("Estimator", bound="KANEstimator")
Fit = TypeVar("Fit", bound=Callable[..., Any])
LARGEST = 1e300  # there is room for sums of numbers of this size
MOST_PARTS = 10
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
        deviations from the mean, or with as many rows between any two. Transform columns that are
        heavily skewed, or have entries far beyond the others: neither kind suits them.
    penalty : "auto" or float
        How much the splines may bend: the strength of a `kanml.Smoothness`. "auto" takes the power
        of ten that is best on the rows held out.
    sparsity : float
        How much functions of inputs cost in a first fit: the strength of a `kanml.Sparsity`. Inputs
        whose effect there does not lower the loss on the rows held out are then left out of the
        network. If none are held out, those with next to no effect are. 0 keeps all.
    validation_fraction : float or None
        The share of rows held out, at most 0.5, rounded to one of several equal parts. Training
        ends when the loss there no longer falls. Unless the table is large, each part is held out
        once, up to ten of them, and the network is the mean of one network for each. With None, and
        with fewer than two rows for each part, nothing is held out: training takes all its steps,
        and "auto" is a penalty of 0.01.
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
        if isinstance(self.hidden, Integral):
            return (integer(self.hidden, "hidden", 1, MAX_SIZE), n_out)
        if not isinstance(self.hidden, (Sequence, np.ndarray)) or np.ndim(self.hidden) != 1:
            raise TypeError(
                f"hidden must be 'auto', an integer or a sequence of integers, got {self.hidden!r}"
            )
        widths = enumerate(self.hidden)
        return (*(integer(width, f"hidden[{i}]", 1, MAX_SIZE) for i, width in widths), n_out)

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
        with np.errstate(invalid="ignore"):  # scikit-learn adds up all numbers
            x = validate_data(self, x, dtype=np.float64, reset=False)
        require_moderate(x, "X")
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
    """Return the part that each row is in; a share of them, all -1 if there are too few rows.

    Parts beyond `MOST_PARTS` are held out by none, and are -1 too.
    """
    if share == 0 or len(groups) < 2 / share:
        return np.full(len(groups), -1)
    number = round(1 / share)
    return np.maximum(folds(groups, number, rng) - max(number - MOST_PARTS, 0), -1)


def _say_nothing(line: str) -> None:
    pass


def require_numbers(x: Any) -> None:
    """Raise ValueError that names the columns of x with text or dates, or its masked entries."""
    require_unmasked(x, "X")
    dates = date_columns(x)
    if dates:
        raise ValueError(
            f"X must hold numbers, got dates or durations in the columns {', '.join(dates[:5])}"
            f"{', ...' if len(dates) > 5 else ''}: take numbers from them first, for instance days"
        )
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


def all_or_nothing(fit: Fit) -> Fit:
    """Let a method that fails leave the estimator as it was."""

    @functools.wraps(fit)
    def method(self: KANEstimator, *arguments: Any, **named: Any) -> Any:
        before = self.__dict__.copy()
        try:
            return fit(self, *arguments, **named)
        except BaseException:
            self.__dict__ = before
            raise

    return cast(Fit, method)


def validated(model: KANEstimator, x: Any, y: Any, **checks: Any) -> tuple[Float64Array, Any]:
    """Return the inputs (N, n_in) and targets of a fit, or raise an error that says what is bad."""
    require_numbers(x)
    require_unmasked(y, "y")
    with np.errstate(invalid="ignore"):  # scikit-learn adds up all numbers
        x, y = validate_data(model, x, y, dtype=np.float64, **checks)
    require_moderate(x, "X")
    return x, y


def require_unmasked(array: Any, name: str) -> None:
    """Raise ValueError if an array has masked entries, which scikit-learn would read."""
    if np.ma.is_masked(array):
        raise ValueError(f"{name} must have no masked entries, got some")


def require_moderate(array: Float64Array, name: str) -> None:
    """Raise ValueError if numbers are so large that sums of them could overflow."""
    largest = np.abs(array).max(initial=0.0)
    if largest > LARGEST:
        raise ValueError(f"{name} must hold numbers of size <= {LARGEST:g}, got {largest:g}")


def weights(sample_weight: Any, x: Float64Array) -> Float64Array:
    """Return a weight for each row of x, (N,), at most 1; 0 if rounding would hide it."""
    require_unmasked(sample_weight, "sample_weight")
    found = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
    if not found.any():
        raise ValueError("sample_weight must hold a number > 0, got zeros only")
    found = np.ldexp(found, -int(np.frexp(found.max())[1]))  # their sum could overflow
    return np.where(found < np.finfo(np.float64).eps * found.max(), 0.0, found)
