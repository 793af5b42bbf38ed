"""Whole trainings on data: the regression of Table 2, and how long it takes to an accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from timing import timed

import kanml
from kanml.equations import RotatedWaves
from kanml.experiments.regression import COARSE, MULTILEVEL, OPTIMIZER, kan, mean_squared_error
from peers import libraries
from peers.mlp import by_lbfgs
from peers.pinns import perceptron
from peers.race import Stopwatch, Training, race
from peers.table import Options, Table, Within

SEED = 1234
CAP = 60.0  # seconds that a training of a peer may take
QUICK_CAP = 10.0


def regression(options: Options, table: Table) -> None:
    """The whole call of `train`, as in `python -m kanml demo`."""
    data = RotatedWaves(SEED)
    table.title(f"Regression of Table 2, multilevel, one seed, {len(data.x)} points, float64")
    problem = kanml.Regression(data.x, data.y)
    results: list[kanml.Result] = []

    def run() -> None:
        net = kan(data, COARSE, SEED)
        results.append(kanml.train(net, problem, MULTILEVEL, OPTIMIZER, progress=False))

    seconds = np.array([timed(run) for _ in range(1 if options.quick else 3)])
    table.times(f"{sum(MULTILEVEL)} steps of L-BFGS", seconds, goal=Within(1.0))
    net, history = results[-1].network, results[-1].history
    print(
        f"  {history.last['evaluations']} evaluations; mean squared error "
        f"{mean_squared_error(net, data.x, data.y):.1e}, "
        f"at fresh points {mean_squared_error(net, data.x_test, data.y_test):.1e}"
    )


def accuracy(options: Options, table: Table) -> None:
    """Single runs, one after the other."""
    cap = QUICK_CAP if options.quick else CAP
    bounds = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    table.title(
        "Processor seconds to a test RMSE of exp(sin(pi x) + y^2), 1000 points, float64, one\n"
        f"thread; single runs, not in turn; pykan gets a seed that trains; peers have {cap:.0f} s"
    )
    with libraries.one_thread(options.threads):  # more do not pay for so few points
        race(table, Toy().trainings(), bounds, cap, "RMSE")


class Toy:
    """The example of pykan's documentation.

    So small a network has local minima: of the seeds 0 to 2 one trains with pykan, which gets it;
    the others end at errors of about 0.5. kanml tries other starts, within its time, and the seeds
    0 to 5 all train.
    """

    GRIDS = (3, 10, 20, 50, 100)
    STEPS = 50

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.x, self.x_test = rng.uniform(-1, 1, (2, 1000, 2))
        self.y, self.y_test = (
            np.exp(np.sin(np.pi * x[:, :1]) + x[:, 1:] ** 2) for x in (self.x, self.x_test)
        )
        self.mean, self.scale = self.y.mean(), self.y.std()

    def rmse(self, outputs: np.ndarray, scaled: bool = True) -> float:
        """The error at the test points; of outputs that were fitted to mean 0 and variance 1."""
        y = self.mean + self.scale * outputs if scaled else outputs
        return float(np.sqrt(np.mean((y - self.y_test) ** 2)))

    def trainings(self) -> dict[str, Training]:
        found: dict[str, Training] = {"kanml [2,1,1], multilevel L-BFGS": self.kanml}
        if libraries.pykan() is not None:
            found["pykan [2,1,1], its LBFGS, refined"] = self.pykan
        if libraries.torch() is not None:
            found["torch MLP [2,32,32,1], LBFGS"] = self.torch
        return found

    def kanml(self, watch: Stopwatch) -> None:
        problem = kanml.Regression(self.x, (self.y - self.mean) / self.scale)
        net = kanml.KAN([2, 1, 1], degree=3, intervals=4, data=self.x)

        def note(state: kanml.training.TrainingState) -> None:
            watch.note(lambda: self.rmse(state.network(self.x_test)))

        kanml.train(
            net, problem, [100] * 6, kanml.LBFGS(memory=100), callbacks=[note], progress=False
        )

    def pykan(self, watch: Stopwatch) -> None:
        """As its documentation does it: its seed, its grids and steps, outputs as they are."""
        with libraries.quiet():
            import torch
            from kan import KAN

            torch.set_default_dtype(torch.float64)
            try:
                self._pykan(watch, torch, KAN)
            finally:
                torch.set_default_dtype(torch.float32)

    def _pykan(self, watch: Stopwatch, torch: Any, KAN: Any) -> None:
        data = {}
        for part, x, y in (("train", self.x, self.y), ("test", self.x_test, self.y_test)):
            data[f"{part}_input"] = torch.tensor(x)
            data[f"{part}_label"] = torch.tensor(y)

        model = KAN([2, 1, 1], grid=self.GRIDS[0], k=3, seed=1)

        def error() -> Any:
            def measure() -> float:
                with torch.no_grad():
                    return self.rmse(model(data["test_input"]).numpy(), scaled=False)

            watch.note(measure)
            return torch.tensor(0.0)

        for grid in self.GRIDS:
            if grid != self.GRIDS[0]:
                model = model.refine(grid)
            model.fit(data, opt="LBFGS", steps=self.STEPS, metrics=[error])

    def torch(self, watch: Stopwatch) -> None:
        import torch

        net = perceptron(torch, [2, 32, 32, 1])
        x, x_test = torch.tensor(self.x), torch.tensor(self.x_test)
        y = torch.tensor((self.y - self.mean) / self.scale)

        def measure() -> float:
            with torch.no_grad():
                return self.rmse(net(x_test).numpy())

        by_lbfgs(
            torch,
            list(net.parameters()),
            lambda: torch.mean((net(x) - y) ** 2),
            lambda: watch.note(measure),
        )
