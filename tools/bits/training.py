"""Training runs: every optimizer, transfer and geometry; every way to choose, stop and continue."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import kanml
from bits.inputs import BASES, DTYPES, normal, uniform, with_numbers
from bits.problems import burgers, hard_condition, pinns, residual_network
from bits.record import Cases, Record

__all__ = ["cases", "outcome", "runs"]

GEOMETRIES = (None, "spline", "relu", "relu-spline", "spline-relu")
SCHEDULE = [6, 0, 4]
COLUMNS = ("level", "step", "loss", "evaluations", "ascents", "validation", "terms")

X = uniform("x", 120, 2)
Y = np.sin(3 * X[:, :1]) * X[:, 1:] + 0.05 * normal("noise", 120, 1)
DATA, HELD_OUT = kanml.Regression(X[:90], Y[:90]), kanml.Regression(X[90:], Y[90:])
BATCHES = kanml.Regression(X, Y, batch_size=32, seed=4)

Run = Callable[..., Any]
"""Takes further options of `kanml.train` to its result."""


def cases() -> Cases:
    """Return all cases of this module."""
    record = Record()
    for name, run in runs().items():
        record(name, lambda run=run: outcome(run()))
    for name, run in runs().items():
        if name.startswith("resumed"):
            for step in (6, 8):
                record(f"{name} after step {step}", _resumed, run, step)
    record("what callbacks see", _seen)
    record("several threads", lambda: outcome(_train(num_threads=3)))
    record_steps(record)
    record_refusals(record)
    return record.cases


def outcome(result: Any) -> dict[str, Any]:
    """Return all that a run says, but for times."""
    history = result.history
    return {
        "parameters": result.network.parameters,
        "levels": [net.parameters for net in result.levels],
        "network": repr(result.network),
        "status": result.status,
        "message": result.message,
        "unknowns": result.unknowns,
        "problem": result.problem.state(),
        "history": {name: getattr(history, name) for name in COLUMNS},
        "tries": history.tries,
        "repr": (repr(result), repr(history)),
    }


def _net(dtype: str = "float64", basis: str = "spline", **options: Any) -> Any:
    net = kanml.KAN([2, 4, 1], intervals=2, degree=2, dtype=dtype, basis=basis, **options)
    return with_numbers(net, "training")


def _train(
    net: Any = None,
    problem: Any = DATA,
    schedule: list[int] = SCHEDULE,
    optimizer: Any = None,
    **options: Any,
) -> Any:
    net = _net() if net is None else net
    return kanml.train(net, problem, schedule, optimizer, progress=False, **options)


def runs() -> dict[str, Run]:
    """Return all runs by name. A name that begins with "resumed" is that of one to be resumed."""
    found = {**_optimizer_runs(), **_other_runs()}
    for name, make in pinns().items():
        problem = make()
        for optimizer in (kanml.LBFGS(memory=4), kanml.Adam(1e-2)):
            net, short = residual_network(problem, "float64"), type(optimizer).__name__
            found[f"resumed: {name}, {short}"] = partial(_train, net, problem, [5, 4], optimizer)
    return found


def _optimizer_runs() -> dict[str, Run]:
    found: dict[str, Run] = {}
    kinds: dict[str, Callable[..., Any]] = {
        "L-BFGS": partial(kanml.LBFGS, memory=4),
        "Adam": partial(kanml.Adam, kanml.Ramp(1e-3, 1e-2, 5), weight_decay=0.1),
        "gradient descent": partial(kanml.GradientDescent, 1e-3),
    }
    every = product(kinds.items(), ("prolong", "reset"), GEOMETRIES, BASES, DTYPES)
    for (name, make), transfer, geometry, basis, dtype in every:
        found[f"{name}, {transfer}, geometry {geometry}, {basis}, {dtype}"] = partial(
            _train,
            _net(dtype, basis),
            optimizer=make(geometry=geometry),
            transfer_state=transfer,
        )
    settings = {
        "L-BFGS": kanml.LBFGS(),
        "L-BFGS, one pair": kanml.LBFGS(memory=1),
        "SSBroyden": kanml.SSBroyden(),
        "Levenberg-Marquardt": kanml.LevenbergMarquardt(),
        "Levenberg-Marquardt, no triangle": kanml.LevenbergMarquardt(0, columns=8),
        "variable projection": kanml.VariableProjection(),
        "SSBFGS": kanml.SSBroyden("ssbfgs"),
        "BFGS": kanml.SSBroyden("bfgs"),
        "Adam": kanml.Adam(0.01, betas=(0.8, 0.99), eps=1e-6),
        "Adam, cycles": kanml.Adam(kanml.CyclicDecay(1e-3, 1e-2, 4, 0.9)),
        "gradient descent": kanml.GradientDescent(kanml.Ramp(1e-4, 1e-2, 5)),
    }
    for (name, optimizer), dtype in product(settings.items(), DTYPES):
        for what, problem in {"full batch": DATA, "minibatches": BATCHES}.items():
            run = partial(_train, _net(dtype), problem, optimizer=optimizer)
            found[f"resumed: {name}, {what}, {dtype}"] = run
            run = partial(run, validation=HELD_OUT)
            found[f"resumed: {name}, {what}, validation, {dtype}"] = run
    return found


def _other_runs() -> dict[str, Run]:
    stop = [kanml.EarlyStopping(2)]
    fresh = kanml.KAN([2, 3, 1], intervals=2, degree=2, seed=2)
    tries = partial(_train, fresh, schedule=[220, 5, 5], restarts=3)
    strict = kanml.KAN([2, 3, 1], intervals=3, extrapolation="error", data=X)
    hard = kanml.PINN("tx", [kanml.Term("pde", X, burgers)], transform=hard_condition)
    equation = kanml.KAN([2, 3, 1], degree=4, intervals=2, activation="tanh", seed=5)
    front = kanml.Network([kanml.Affine.standardising(X), kanml.Linear(2, 4), *_net().layers[2:]])
    mixture = kanml.Network([*front.layers, kanml.SplineLayer(4, 1, _net().layers[0].spaces[0])])
    return {
        "early stopping": partial(
            _train, schedule=[9, 9, 9], validation=HELD_OUT, callbacks=stop, optimizer=kanml.LBFGS()
        ),
        "stopped": partial(_train, callbacks=[lambda state: state.step == 4]),
        "interrupted": partial(_train, callbacks=[_interrupt]),
        "diverged": partial(_train, optimizer=kanml.GradientDescent(1e30), schedule=[30]),
        "resumed: tries": tries,
        "tries with validation": partial(tries, validation=HELD_OUT),
        "tries in minibatches": partial(tries, problem=BATCHES, optimizer=kanml.Adam(1e-2)),
        "tries of an equation": partial(_train, equation, hard, [130, 5], restarts=2),
        "tries that refuse": partial(_train, strict, schedule=[120, 4], restarts=4),
        "no tries": partial(_train, fresh, restarts=0),
        "a perceptron": partial(_train, kanml.MLP([2, 5, 1], activation="tanh"), restarts=0),
        "a mixture": partial(_train, with_numbers(mixture, "mixture")),
        "to the end": partial(_train, schedule=[400], optimizer=kanml.LBFGS(memory=30)),
    }


def _interrupt(state: Any) -> None:
    if state.step == 5:
        raise KeyboardInterrupt


def _resumed(run: Run, step: int) -> dict[str, Any]:
    """Return the outcome of a run that is stopped after a step, and resumed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        run(callbacks=[kanml.Checkpoint(path, step), lambda state: state.step == step])
        return outcome(run(resume=path))


def _seen() -> list[Any]:
    """Return the states that callbacks of a run with validation get."""
    seen: list[Any] = []

    def look(state: Any) -> None:
        numbers = (state.level, state.step, state.level_step, state.steps_since_best)
        seen.append((numbers, state.loss, state.validation, state.network.parameters))

    _train(validation=HELD_OUT, callbacks=[look])
    return seen


def record_steps(record: Record) -> None:
    """Record the states of optimizers on functions that are not easy, without `train`."""
    optimizers: dict[str, Any] = {
        "L-BFGS": kanml.LBFGS(memory=3),
        "SSBroyden": kanml.SSBroyden(),
        "Adam": kanml.Adam(0.1, weight_decay=0.01),
        "gradient descent": kanml.GradientDescent(1e-4),
    }
    every = product(optimizers.items(), (_bowl, _valley, _edge), DTYPES)
    for (name, optimizer), function, dtype in every:
        with record.within(f"{name}, {function.__name__.strip('_')}, {dtype}"):
            state = optimizer.init(np.array([3.0, -2.0, 1.0, 0.5], dtype))
            record("at the start", _fields, state)
            for step in range(1, 31):
                state = optimizer.step(function, state)
                if step <= 5 or step % 10 == 0:
                    record(f"after step {step}", _fields, state)
            record("description", lambda o=optimizer: repr(o))


def _fields(state: Any) -> dict[str, Any]:
    """Return the fields of a state; curvature pairs as older revisions have them, (m, n)."""
    fields, like = dict(vars(state)), state.parameters
    for name in {"steps", "gradient_changes"} & fields.keys():
        fields[name] = np.array(fields[name], like.dtype).reshape(-1, like.size)
    return fields


def _bowl(theta: Any) -> tuple[float, Any]:
    """Return a function that is flat at its minimum, and its gradient."""
    squares = np.array([1.0, 10.0, 100.0, 3.0], theta.dtype) * theta**2
    return float(squares @ theta**2), 4 * squares * theta


def _valley(theta: Any) -> tuple[float, Any]:
    """Return Rosenbrock's function of the first two and of the last two variables."""
    x, y = theta[::2], theta[1::2]
    across = y - x**2
    gradient = np.empty_like(theta)
    gradient[::2], gradient[1::2] = 2 * (x - 1) - 400 * across * x, 200 * across
    return float((100 * across**2 + (1 - x) ** 2).sum()), gradient


def _edge(theta: Any) -> tuple[float, Any]:
    """Return a function that is least near the edge of where it is finite."""
    rest = 4 - theta
    if not (rest > 0).all():
        return np.inf, np.full_like(theta, np.nan)
    return float((rest - 1e-3 * np.log(rest)).sum()), 1e-3 / rest - 1


def record_refusals(record: Record) -> None:
    """Record what is refused, and how that is said."""
    for name, call in {
        "no level": partial(_train, schedule=[]),
        "steps": partial(_train, schedule=[-1]),
        "an optimizer": partial(_train, optimizer="L-BFGS"),
        "a transfer": partial(_train, transfer_state="other"),
        "too many levels": partial(_train, _net("float32", "relu"), schedule=[1] * 12),
        "no validation": partial(_train, callbacks=[kanml.EarlyStopping(2)]),
        "no file": partial(_train, resume="there is no such file"),
        "memory": partial(kanml.LBFGS, memory=0),
        "an update": partial(kanml.SSBroyden, "other"),
        "a geometry": partial(kanml.Adam, 1e-2, geometry="other"),
        "a learning rate": partial(kanml.GradientDescent, -1.0),
    }.items():
        record.refusal(f"refused: {name}", call)
