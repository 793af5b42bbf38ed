"""Whole trainings: the regression of Table 2, and how long it takes to an accuracy."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from timing import timed

import kanml
from kanml.equations import RotatedWaves
from kanml.experiments.regression import COARSE, MULTILEVEL, OPTIMIZER, kan, mean_squared_error
from kanml.experiments.settings import OPTIMIZER as PDE_OPTIMIZER
from kanml.experiments.settings import SETTINGS
from peers import libraries
from peers.pinns import burgers_by_autograd, burgers_by_jvp, perceptron
from peers.table import Options, Table, Within, duration

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


# Time to accuracy


class EndOfTime(Exception):
    """A training has used its time."""


@dataclass
class Stopwatch:
    """Errors against seconds; the clock stands still while an error is measured."""

    name: str
    cap: float
    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)

    @property
    def now(self) -> float:
        return time.perf_counter() - self.start

    def note(self, error: Callable[[], float], every: float = 0.0) -> None:
        """Measure the error, if that is `every` seconds ago; raise at the end of time."""
        now = self.now
        if not self.seconds or now >= self.seconds[-1] + every or now > self.cap:
            self.seconds.append(now)
            self.errors.append(error())
            self.start += self.now - now
        if now > self.cap:
            raise EndOfTime

    def first(self, bound: float) -> float | None:
        """Seconds until an error was below a bound."""
        below = (s for s, e in zip(self.seconds, self.errors, strict=True) if e < bound)
        return next(below, None)

    @property
    def summary(self) -> str:
        return f"{self.name}: {min(self.errors):.1e} (ran for {duration(self.seconds[-1])})"


Training = Callable[[Stopwatch], None]


def accuracy(options: Options, table: Table) -> None:
    """Single runs, one after the other."""
    cap = QUICK_CAP if options.quick else CAP
    bounds = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    table.title(
        "Seconds to a test RMSE of exp(sin(pi x) + y^2), 1000 points, float64, one thread each;\n"
        f"single runs, not in turn, of seeds that train; peers have {cap:.0f} s"
    )
    with libraries.one_thread(options.threads):  # more do not pay for so few points
        race(table, Toy().trainings(), bounds, cap, "RMSE")
    table.title(
        "Seconds to a relative L2 error of Burgers' equation, nu = 0.01, float64; single runs,\n"
        f"not in turn; peers have {cap:.0f} s. Same points, same exact initial and boundary values"
    )
    race(table, burgers_trainings(options.quick), bounds, cap, "error")


def race(
    table: Table, trainings: dict[str, Training], bounds: Sequence[float], cap: float, error: str
) -> None:
    """Run every training, the first of which is kanml's; print when it was below each bound."""
    runs = []
    for name, train in trainings.items():
        runs.append(Stopwatch(name, cap if runs else float("inf")))
        with contextlib.suppress(EndOfTime):
            train(runs[-1])
    ours, *others = runs
    for bound in bounds:
        mine = ours.first(bound)
        if not others and mine is not None:
            table.row([f"{error} < {bound:.0e}", duration(mine)])
        for other in others:
            theirs = other.first(bound)
            if mine is None and theirs is None:
                continue
            ratio = f"{theirs / mine:.3g}x" if mine and theirs else ""
            cells = [duration(s) if s is not None else "never" for s in (mine, theirs)]
            table.row([f"{error} < {bound:.0e}", cells[0], "", other.name, cells[1], "", ratio])
    print("  least errors: " + "; ".join(run.summary for run in runs))


class Toy:
    """The example of pykan's documentation.

    So small a network has local minima: of the seeds 0 to 5 three train with kanml, and of 0 to 2
    one with pykan, the others end at errors of about 0.5. Both get a seed that trains.
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

        by_lbfgs(torch, net, lambda: torch.mean((net(x) - y) ** 2), lambda: watch.note(measure))


def by_lbfgs(torch: Any, net: Any, loss: Callable[[], Any], note: Callable[[], None]) -> None:
    """Train until the time is over, or no step can be made."""
    optimizer = torch.optim.LBFGS(
        net.parameters(),
        max_iter=10,
        history_size=100,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    last = float("nan")
    while True:
        value = optimizer.step(closure).item()
        note()
        if value == last:
            return
        last = value


# Burgers' equation

SETTING = SETTINGS["burgers"]


def burgers_trainings(quick: bool) -> dict[str, Training]:
    found: dict[str, Training] = {"kanml": partial(burgers_kanml, quick)}
    if libraries.torch() is not None:
        found["torch MLP [2,32,32,1], Adam"] = partial(burgers_torch, False)
        found["torch MLP [2,32,32,1], LBFGS"] = partial(burgers_torch, True)
    if libraries.jax(x64=True) is not None:
        found["jaxkan [2,6,6,1], Adam"] = burgers_jaxkan
    return found


def error_of(solution: Callable[[np.ndarray], np.ndarray]) -> float:
    return SETTING.equation.relative_l2(solution)


def burgers_kanml(quick: bool, watch: Stopwatch) -> None:
    problem, net = SETTING.problem(), SETTING.network(0)
    schedule = [steps // 5 for steps in SETTING.schedule] if quick else SETTING.schedule

    def note(state: kanml.training.TrainingState) -> None:
        watch.note(lambda: error_of(partial(problem.solution, state.network)), every=0.2)

    kanml.train(net, problem, schedule, PDE_OPTIMIZER, callbacks=[note], progress=False)


def hard_conditions(xp: Any, x: Any, u: Any) -> Any:
    """The transform of kanml's setting, for columns of torch or JAX."""
    t, x = x[:, :1], x[:, 1:]
    return -xp.sin(np.pi * x) + t * (1 - x**2) * u


def burgers_torch(lbfgs: bool, watch: Stopwatch) -> None:
    """1185 parameters; kanml has 1134 in the end."""
    import torch

    net = perceptron(torch, [2, 32, 32, 1])
    x = torch.tensor(SETTING.problem().terms[0].points, requires_grad=True)
    nu = SETTING.equation.nu

    def solution(x: Any) -> Any:
        return hard_conditions(
            torch, x, net(x * torch.tensor([2.0, 1.0]) - torch.tensor([1.0, 0.0]))
        )

    def loss() -> Any:
        return torch.mean(burgers_by_autograd(torch, x, solution(x), nu) ** 2)

    def measure() -> float:
        with torch.no_grad():
            return error_of(lambda points: solution(torch.tensor(points)).numpy())

    def note() -> None:
        watch.note(measure, every=0.5)

    if lbfgs:
        by_lbfgs(torch, net, loss, note)
        return
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    while True:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        note()


def burgers_jaxkan(watch: Stopwatch) -> None:
    """Its defaults for a layer, on 5 intervals; the time has that of compilation in it."""
    import jax
    import optax
    from flax import nnx
    from jaxkan.models.KAN import KAN

    model = KAN([2, 6, 6, 1], "spline", {"k": 3, "G": 5})
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)
    x = jax.numpy.asarray(SETTING.problem().terms[0].points)
    nu = SETTING.equation.nu

    def solution(parameters: Any, x: Any) -> Any:
        u = nnx.merge(graph, parameters, rest)(x * np.array([2.0, 1.0]) - np.array([1.0, 0.0]))
        return hard_conditions(jax.numpy, x, u)

    def loss(parameters: Any) -> Any:
        return jax.numpy.mean(burgers_by_jvp(jax, partial(solution, parameters), x, nu) ** 2)

    optimizer = optax.adam(3e-3)

    @jax.jit
    def step(parameters: Any, state: Any) -> Any:
        updates, state = optimizer.update(jax.grad(loss)(parameters), state)
        return optax.apply_updates(parameters, updates), state

    evaluate = jax.jit(solution)
    parameters = jax.tree.map(lambda p: p.astype("float64"), parameters)  # they start as float32
    state = optimizer.init(parameters)
    while True:
        parameters, state = jax.block_until_ready(step(parameters, state))
        watch.note(lambda p=parameters: error_of(partial(evaluate, p)), every=0.5)
