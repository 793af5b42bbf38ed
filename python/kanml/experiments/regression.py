"""The paper's regression (section 5.1, Table 2): protocol, the paper's numbers, and ours."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kanml.equations import RotatedWaves
from kanml.experiments.rows import Row, kan_rows
from kanml.experiments.runs import uninterrupted
from kanml.experiments.tables import heading, with_deviation
from kanml.layers import Affine, Layer, Linear, SplineLayer
from kanml.network import MLP, Network
from kanml.optim import LBFGS, VariableProjection
from kanml.problems import Regression
from kanml.splines import SplineSpace
from kanml.training import Callback, Result, TrainingState, train

__all__ = ["MULTILEVEL", "Fit", "kan", "mean_squared_error", "reproduce"]

OPTIMIZER = LBFGS(memory=100)
STEPS_PER_EPOCH = 20  # an epoch of the paper is taken as 20 iterations of L-BFGS
COARSE, FINE = 5, 40  # knot intervals
MULTILEVEL = (640, 320, 160, 80)  # epochs 32, 16, 8, 4
SECOND_ORDER = (10, 6, 6, 8)  # steps that take about as long
SEEDS = tuple(range(1234, 1239))
MANY_SEEDS = tuple(range(1234, 1254))


def kan(data: RotatedWaves, intervals: int, seed: int) -> Network:
    """Return the network that the paper calls KAN [2, 5, 1]: 55 parameters with 5 intervals.

    The inputs are standardised, so their projections on a line range over about [-2, 2].
    """
    space = SplineSpace.uniform(-2, 2, intervals, degree=3)
    layers: list[Layer] = [Affine.standardising(data.x), Linear(2, 5), SplineLayer(5, 1, space)]
    return Network(layers, seed=seed, data=data.x)


def mlp(data: RotatedWaves, widths: list[int], seed: int) -> Network:
    """Return a perceptron with ReLU on the same standardised inputs."""
    layers = MLP(widths, seed=seed).layers
    return Network([Affine.standardising(data.x), *layers], seed=seed)


def mean_squared_error(
    net: Network, x: np.typing.NDArray[np.float64], y: np.typing.NDArray[np.float64]
) -> float:
    """Return the mean squared error, without its gradient."""
    return float(np.mean((net(x) - y) ** 2))


def perceptron(widths: list[int], paper: str) -> Row:
    """Return the row of a perceptron."""
    return Row(
        f"MLP ReLU [{','.join(map(str, widths))}]",
        lambda seed: mlp(RotatedWaves(seed), widths, seed),
        (2560,),
        OPTIMIZER,
        paper,
    )


ROWS = (
    *kan_rows(
        lambda n, seed: kan(RotatedWaves(seed), n, seed),
        (COARSE, FINE),
        {"coarse": (2560,), "fine": (320,), "multilevel": MULTILEVEL},
        OPTIMIZER,
        {
            "KAN spline, coarse": "1.65e-3 (4e-5)",
            "KAN spline, fine": "2.54e-3 (5.6e-3)",
            "KAN spline, multilevel": "3.67e-5 (7.2e-5)",
            "KAN ReLU, coarse": "1.10e-2 (8.3e-3)",
            "KAN ReLU, fine": "1.35e0 (1.5e-1)",
            "KAN ReLU, multilevel": "1.06e-2 (8.0e-3)",
        },
        in_relus=("coarse", "fine", "multilevel"),
    ),
    perceptron([2, 5, 1], "2.94e-2"),
    perceptron([2, 30, 1], "1.02e-3"),
    perceptron([2, 20, 20, 1], "3.33e-4"),
)
REFERENCE = ROWS[2]  # its evaluations and seconds are budgets for the other rows

Budget = Callable[[TrainingState], bool]  # says whether a state lies within it


@dataclass(frozen=True)
class Fit:
    """The result of one row with one seed within one budget."""

    parameters: int
    train_error: float
    test_error: float
    steps: int
    evaluations: int
    seconds: float


class Meter(Callback):
    """A callback that keeps the last state within each budget, and stops when all are spent.

    If the first step exceeds a budget, the state after that step is kept.
    """

    def __init__(self, budgets: dict[str, Budget]) -> None:
        self.budgets = budgets
        self.last: dict[str, TrainingState] = {}
        self.rows: dict[str, int] = {}

    def __call__(self, state: TrainingState) -> bool:
        within = [name for name, budget in self.budgets.items() if budget(state)]
        for name in self.budgets:
            if name in within or name not in self.last:
                self.last[name] = state
                self.rows[name] = len(state.history) - 1
        return not within

    def fit(self, name: str, data: RotatedWaves) -> Fit:
        state, row = self.last[name], self.rows[name]
        history = state.history
        return Fit(
            parameters=state.network.n_parameters,
            train_error=mean_squared_error(state.network, data.x, data.y),
            test_error=mean_squared_error(state.network, data.x_test, data.y_test),
            steps=state.step,
            evaluations=int(history.evaluations[row]),
            seconds=float(history.seconds[row]),
        )


def fit_row(
    row: Row, data: RotatedWaves, seed: int, budgets: dict[str, Budget]
) -> tuple[Meter, Result]:
    """Train one row until all budgets are spent."""
    meter = Meter(budgets)
    *levels, last = row.schedule
    schedule = (*levels, last if len(row.schedule) > 1 else 1_000_000)
    result = train(
        row.network(seed),
        Regression(data.x, data.y),
        schedule,
        row.optimizer,
        restarts=0,
        callbacks=[meter],
        progress=False,
    )
    return meter, uninterrupted(result)


BUDGETS = ("the paper's epochs", "equal evaluations", "equal seconds")


def reproduce(seeds: Sequence[int] = SEEDS, many: Sequence[int] = MANY_SEEDS) -> None:
    """Print Table 2: every row over all seeds, within three budgets, beside the paper's numbers."""
    print(
        "Regression of section 5.1, Table 2: 20,000 points, mean squared error. KAN [2,5,1] is\n"
        f"Linear(2, 5) and cubic splines 5 -> 1, {COARSE} (coarse) or {FINE} (fine) intervals.\n"
        "Choices that the paper leaves open: An epoch is\n"
        f"{STEPS_PER_EPOCH} iterations of L-BFGS, which keeps {OPTIMIZER.memory} pairs; a fixed\n"
        "layer standardises the inputs; the domain of the splines is [-2, 2]; KAN ReLU is the\n"
        "same network, trained in the geometry of its ReLU weights; the ReLU MLPs get the epochs\n"
        "of the coarse KAN; each network has kanml's default start, and no other is tried.\n"
    )
    start_time = time.perf_counter()
    fits: dict[tuple[str, str], list[Fit]] = {}
    for seed in seeds:
        data = RotatedWaves(seed)
        meter, _ = fit_row(REFERENCE, data, seed, {"all": lambda state: True})
        reference = meter.fit("all", data)
        for row in ROWS:
            epochs = sum(row.schedule)
            budgets: dict[str, Budget] = {
                BUDGETS[0]: lambda s, n=epochs: s.step <= n,  # type: ignore[misc]
                BUDGETS[1]: lambda s, r=reference: s.history.last["evaluations"] <= r.evaluations,  # type: ignore[misc]
                BUDGETS[2]: lambda s, r=reference: s.history.last["seconds"] <= r.seconds,  # type: ignore[misc]
            }
            if row is not REFERENCE:
                meter, _ = fit_row(row, data, seed, budgets)
            for budget in BUDGETS:
                fit = reference if row is REFERENCE else meter.fit(budget, data)
                fits.setdefault((budget, row.name), []).append(fit)
            latest = fits[BUDGETS[0], row.name][-1]
            print(
                f"  seed {seed}  {row.name:24s}{latest.train_error:.2e}  "
                f"({time.perf_counter() - start_time:.0f} s)",
                flush=True,
            )
    for budget in BUDGETS:
        _print_table(budget, {row.name: fits[budget, row.name] for row in ROWS}, len(seeds))
    _print_gains({row.name: fits[BUDGETS[0], row.name] for row in ROWS})
    if many:
        _print_many(f"{REFERENCE.name}, the paper's epochs", many, first_order)
        title = f"The same network by variable projection, {SECOND_ORDER} steps, with other starts"
        _print_many(title, many, second_order)


def _print_table(budget: str, fits: dict[str, list[Fit]], n_seeds: int) -> None:
    print(f"\nBudget: {budget}. Mean (standard deviation) over {n_seeds} seeds.")
    line = "{:24s}{:7d}  {:18s}{:21s}{:<14.2e}{:6.0f}{:7.0f}{:7.1f}"
    errors = ("paper: MSE", "kanml: MSE", "fresh points")
    print(heading(line, ("model", "params", *errors, "steps", "evals", "s")))
    paper = {row.name: row.paper for row in ROWS}
    for name, row in fits.items():
        print(
            line.format(
                name,
                row[0].parameters,
                paper[name],
                with_deviation([fit.train_error for fit in row]),
                statistics.mean(fit.test_error for fit in row),
                statistics.mean(fit.steps for fit in row),
                statistics.mean(fit.evaluations for fit in row),
                statistics.mean(fit.seconds for fit in row),
            )
        )


def _print_gains(fits: dict[str, list[Fit]]) -> None:
    print(f"\nWhat refinement gains: coarse MSE divided by multilevel MSE, {BUDGETS[0]}.")
    for basis in ("spline", "ReLU"):
        pairs = zip(fits[f"KAN {basis}, coarse"], fits[f"KAN {basis}, multilevel"], strict=True)
        gains = [coarse.train_error / multilevel.train_error for coarse, multilevel in pairs]
        shown = ", ".join(f"{gain:.2g}" for gain in gains)
        print(f"{basis:7s}median {statistics.median(gains):.2g} (seed by seed: {shown})")


def first_order(data: RotatedWaves, seed: int) -> Fit:
    """Fit the multilevel row."""
    meter, _ = fit_row(REFERENCE, data, seed, {"all": lambda state: True})
    return meter.fit("all", data)


def second_order(data: RotatedWaves, seed: int) -> Fit:
    """Fit the network of the multilevel row by variable projection, and try other starts."""
    meter = Meter({"all": lambda state: True})
    result = train(
        REFERENCE.network(seed),
        Regression(data.x, data.y),
        SECOND_ORDER,
        VariableProjection(),
        callbacks=[meter],
        progress=False,
    )
    uninterrupted(result)
    return meter.fit("all", data)


def _print_many(
    title: str, seeds: Iterable[int], fitted: Callable[[RotatedWaves, int], Fit]
) -> None:
    print(f"\n{title}, seed by seed:")
    errors = []
    for seed in seeds:
        fit = fitted(RotatedWaves(seed), seed)
        errors.append(fit.train_error)
        print(
            f"  seed {seed}  {fit.train_error:.2e}  fresh points {fit.test_error:.2e}"
            f"{fit.seconds:6.1f} s",
            flush=True,
        )
    below = sum(error < 1e-5 for error in errors)
    print(
        f"median {statistics.median(errors):.2e}, worst {max(errors):.2e}, "
        f"{below} of {len(errors)} below 1e-5"
    )
