"""How long it takes to solve an equation: kanml as in `python -m kanml solve`, and its peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import kanml
from kanml.experiments.settings import OPTIMIZER, SETTINGS, Setting
from kanml.training import TrainingState
from peers import libraries
from peers.mlp import Mlp, by_lbfgs, by_levenberg_marquardt
from peers.pinns import along
from peers.race import Stopwatch, Training, race
from peers.table import Options, Table

CAP = 300.0  # processor seconds that a training of a peer may take
QUICK_CAP = 10.0
BOUNDS = (1e-2, 1e-4, 1e-6)
EVERY = 0.02  # of the time, between measurements of the error
SAME = 1e-10


@dataclass(frozen=True)
class Equation:
    """A problem of `SETTINGS`, in the terms of its peers.

    Attributes
    ----------
    name : str
    mlp : tuple of int
        The widths of a perceptron with as many parameters as kanml has in the end.
    kan : tuple of int
        The widths of kanml's network.
    twice : tuple of int
        The inputs with respect to which there are second derivatives.
    conditions, residual : callable
        See `Mlp`; for torch and JAX.
    """

    name: str
    mlp: tuple[int, ...]
    kan: tuple[int, ...]
    twice: tuple[int, ...]
    conditions: Callable[[Any, Any, Any], Any]
    residual: Callable[..., Any]

    @property
    def setting(self) -> Setting:
        return SETTINGS[self.name]

    @property
    def points(self) -> np.ndarray:
        return self.setting.problem().terms[0].points


def zero_on_square(xp: Any, p: Any, v: Any) -> Any:
    return (1 - p[..., :1] ** 2) * (1 - p[..., 1:] ** 2) * v


def helmholtz(xp: Any, x: Any, u: Any, first: Any, second: Any) -> Any:
    wave = xp.sin(np.pi * x[0]) * xp.sin(4 * np.pi * x[1])
    return second[0] + second[1] + u - (1 - 17 * np.pi**2) * wave


def initial_sine(xp: Any, p: Any, v: Any) -> Any:
    t, x = p[..., :1], p[..., 1:]
    return -xp.sin(np.pi * x) + t * (1 - x**2) * v


def burgers(xp: Any, x: Any, u: Any, first: Any, second: Any) -> Any:
    return first[0] + u * first[1] - 0.01 * second[0]


HELMHOLTZ = Equation("helmholtz", (2, 26, 26, 1), (2, 13, 1), (0, 1), zero_on_square, helmholtz)
BURGERS = Equation("burgers", (2, 29, 29, 29, 1), (2, 8, 8, 1), (1,), initial_sine, burgers)


def solve(equation: Equation, options: Options, table: Table) -> None:
    """Single runs, one after the other."""
    cap = QUICK_CAP if options.quick else CAP
    table.title(
        f"Processor seconds to a relative L2 error, {equation.name}, float64, one thread;\n"
        f"single runs, not in turn; others have {cap:.0f} s. Same points, same conditions"
    )
    with libraries.one_thread(options.threads):
        race(table, trainings(equation, options, table), BOUNDS, cap, "error")


def trainings(equation: Equation, options: Options, table: Table) -> dict[str, Training]:
    schedule = equation.setting.schedule
    if options.quick:
        schedule = tuple(steps // 5 for steps in schedule)
    found: dict[str, Training] = {"kanml": partial(by_kanml, equation, schedule)}
    mlp = perceptron(equation, table)
    if mlp is not None:
        name = f"torch MLP [{','.join(map(str, equation.mlp))}]"
        found[f"{name}, LM"] = partial(torch_lm, equation, mlp)
        found[f"{name}, LBFGS"] = partial(torch_lbfgs, equation, mlp)
    if libraries.jax(x64=True) is not None:
        if options.threads == 1:
            found["jaxkan, as wide, Adam"] = partial(by_jaxkan, equation)
        else:
            print("  skipped: jaxkan, whose number of threads is fixed: --threads 1")
    return found


def by_kanml(equation: Equation, schedule: tuple[int, ...], watch: Stopwatch) -> None:
    """The first start of `python -m kanml solve`."""
    setting, problem = equation.setting, equation.setting.problem()

    def note(state: TrainingState) -> None:
        watch.note(lambda: setting.error(problem, state.network), EVERY)

    kanml.train(
        setting.network(0),
        problem,
        schedule,
        OPTIMIZER,
        restarts=setting.restarts,
        callbacks=[note],
        progress=False,
    )


# The peers


def perceptron(equation: Equation, table: Table) -> Mlp | None:
    """A perceptron whose residual is checked: derivatives, conditions and equation."""
    torch = libraries.torch()
    if torch is None:
        return None
    setting = equation.setting
    mlp = Mlp(
        torch,
        equation.mlp,
        equation.points,
        setting.equation.domain,
        equation.twice,
        equation.conditions,
        equation.residual,
    )
    derivatives = mlp.residuals(mlp.start), mlp.residuals_by_autograd(mlp.start)
    table.check(f"{equation.name} in torch", "autograd", {"residuals": derivatives}, SAME)
    problem, net = setting.problem(), setting.network(0)
    one = np.full(net.n_parameters, 1 / net.layers[-1].n_in)  # B-splines sum to one
    loss = problem.value_and_gradient(net.with_parameters(one))[0] / problem.terms[0].weight
    constant = torch.zeros_like(mlp.start)
    constant[-1] = 1.0
    losses = torch.mean(mlp.residuals(constant) ** 2), loss
    table.check(f"{equation.name} in torch", "kanml", {"loss of a constant": losses}, SAME)
    return mlp


def measurement(equation: Equation, mlp: Mlp, watch: Stopwatch) -> Callable[[Any], None]:
    def solution(theta: Any, points: np.ndarray) -> np.ndarray:
        return mlp.solution(theta.detach(), mlp.torch.tensor(points)).numpy()

    error = equation.setting.equation.relative_l2
    return lambda theta: watch.note(lambda: error(partial(solution, theta)), EVERY)


def torch_lbfgs(equation: Equation, mlp: Mlp, watch: Stopwatch) -> None:
    theta, note = mlp.start.clone().requires_grad_(), measurement(equation, mlp, watch)
    by_lbfgs(
        mlp.torch,
        [theta],
        lambda: mlp.torch.mean(mlp.residuals(theta) ** 2),
        lambda: note(theta),
    )


def torch_lm(equation: Equation, mlp: Mlp, watch: Stopwatch) -> None:
    by_levenberg_marquardt(mlp, mlp.start, measurement(equation, mlp, watch))


def by_jaxkan(equation: Equation, watch: Stopwatch) -> None:
    """Its defaults for a layer, on 5 intervals; the time has that of compilation in it."""
    import jax
    import optax
    from flax import nnx
    from jaxkan.models.KAN import KAN

    model = KAN(list(equation.kan), "spline", {"k": 3, "G": 5})
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)
    points = jax.numpy.asarray(equation.points)
    low, high = np.array(equation.setting.equation.domain).T

    def solution(parameters: Any, x: Any) -> Any:
        v = nnx.merge(graph, parameters, rest)((2 * x - low - high) / (high - low))
        return equation.conditions(jax.numpy, x, v)

    def loss(parameters: Any) -> Any:
        def u(x: Any) -> Any:
            return solution(parameters, x)[:, 0]

        slopes = [along(jax, u, axis) for axis in range(len(low))]
        first = [slope(points) for slope in slopes]
        second = [along(jax, slopes[axis], axis)(points) for axis in equation.twice]
        r = equation.residual(jax.numpy, points.T, u(points), first, second)
        return jax.numpy.mean(r**2)

    optimizer = optax.adam(3e-3)

    @jax.jit
    def step(parameters: Any, state: Any) -> Any:
        updates, state = optimizer.update(jax.grad(loss)(parameters), state)
        return optax.apply_updates(parameters, updates), state

    evaluate = jax.jit(solution)
    error = equation.setting.equation.relative_l2
    parameters = jax.tree.map(lambda p: p.astype("float64"), parameters)  # they start as float32
    state = optimizer.init(parameters)
    while True:
        parameters, state = jax.block_until_ready(step(parameters, state))
        watch.note(lambda p=parameters: error(partial(evaluate, p)), EVERY)
