"""What one call from Python costs where there is next to nothing to compute."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from timing import in_turn

import kanml
from kanml.optim.base import Optimizer
from peers import libraries
from peers.pinns import burgers_by_autograd, perceptron
from peers.table import Options, Table, Within

WIDTHS = [2, 1, 1]
REPEATS = 500  # calls in one measurement
STEPS = 30  # fewer than L-BFGS takes to the minimum
GOAL = Within(10e-6)


def calls(options: Options, table: Table) -> None:
    table.title(f"One call at one sample, {WIDTHS}, degree 3, float64")
    x = np.array([[0.1, 0.2]])
    net = kanml.KAN(WIDTHS)
    problem = kanml.Regression(x, np.ones((1, 1)))
    residual = kanml.PINN("tx", [kanml.Term("pde", x, lambda u: u.t + u * u.x - 0.01 * u.xx)])
    cotangent = np.ones((1, 1))
    ours: dict[str, Callable[[], object]] = {
        "net(x)": lambda: net(x),
        "net.vjp(x, cotangent)": lambda: net.vjp(x, cotangent),
        "Regression.value_and_gradient(net)": lambda: problem.value_and_gradient(net),
        "PINN.value_and_gradient(net)": lambda: residual.value_and_gradient(net),
    }
    theirs = torch_calls(x)
    for name, call in ours.items():
        both = {"ours": repeated(call)}
        if name in theirs:
            both["theirs"] = repeated(theirs[name])
        times = {key: t / REPEATS for key, t in in_turn(both, options.rounds).items()}
        goal = None if name.startswith("PINN") else GOAL
        table.times(
            name,
            times["ours"],
            f"torch tanh MLP {WIDTHS}",
            times.get("theirs"),
            goal,
            factor=True,
        )
    for optimizer in (kanml.LBFGS(), kanml.Adam(1e-3)):
        name = type(optimizer).__name__
        steps = np.array([overhead_of_step(optimizer) for _ in range(options.rounds)])
        table.times(f"one step of {name}, without evaluation", steps)


def repeated(call: Callable[[], object]) -> Callable[[], object]:
    def loop() -> None:
        for _ in range(REPEATS):
            call()

    return loop


def overhead_of_step(optimizer: Optimizer) -> float:
    """Seconds of a step in the mean, less what the evaluations in it take."""
    rng = np.random.default_rng(0)
    problem = kanml.Regression(rng.uniform(-1, 1, (20, 2)), rng.normal(size=(20, 1)))
    net = kanml.KAN(WIDTHS)
    inside = 0.0

    def function(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal inside
        start = time.perf_counter()
        result = problem.value_and_gradient(net.with_parameters(parameters))
        inside += time.perf_counter() - start
        return result

    state = optimizer.init(net.parameters)
    start = time.perf_counter()
    for _ in range(STEPS):
        state = optimizer.step(function, state)
    total = time.perf_counter() - start
    assert state.step == STEPS, state.finished
    return (total - inside) / STEPS


def torch_calls(x: np.ndarray) -> dict[str, Callable[[], object]]:
    torch = libraries.torch()
    if torch is None:
        return {}
    net = perceptron(torch, WIDTHS)
    parameters = list(net.parameters())
    inputs, leaf = torch.tensor(x), torch.tensor(x, requires_grad=True)
    ones = torch.ones((1, 1), dtype=torch.float64)

    def vjp() -> object:
        return torch.autograd.grad(net(leaf), [*parameters, leaf], ones)

    def regression() -> object:
        return torch.autograd.grad(torch.mean((net(inputs) - ones) ** 2), parameters)

    def pinn() -> object:
        residual = burgers_by_autograd(torch, leaf, net(leaf), 0.01)
        return torch.autograd.grad(torch.mean(residual**2), parameters, allow_unused=True)

    return {
        "net(x)": lambda: net(inputs),
        "net.vjp(x, cotangent)": vjp,
        "Regression.value_and_gradient(net)": regression,
        "PINN.value_and_gradient(net)": pinn,
    }
