"""One evaluation of a physics-informed loss and its gradient: Burgers' residual, float64."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from timing import in_turn

import kanml
from peers import libraries
from peers.table import AtMost, Faster, Options, Table

NU = 1e-2
WIDTHS = [2, 8, 8, 1]
DEGREE = 3
POINTS = 4096
COARSE, FINE = 8, 64
MLPS = {COARSE: [2, 28, 28, 1], FINE: [2, 74, 74, 1]}  # with about as many parameters
JAXKAN_GOALS = {COARSE: Faster(100), FINE: Faster(800)}
# Both compute sums of thousands of terms in float64, in another order.
TOLERANCE = 1e-10

Call = Callable[[], tuple[Any, Any]]  # loss, gradient


def points() -> np.ndarray:
    """Inside the domain: at its end jaxkan has other derivatives, and beyond it other values."""
    return np.random.default_rng(0).uniform([0.001, -0.999], [0.999, 0.999], (POINTS, 2))


def networks() -> dict[int, kanml.Network]:
    """The same function twice; it is scaled so that no hidden value leaves the domain."""
    net = kanml.KAN(WIDTHS, degree=DEGREE, intervals=COARSE, seed=0, extrapolation="error")
    coarse = net.with_parameters(0.9 * net.parameters)
    return {COARSE: coarse, FINE: coarse.refine(FINE // COARSE)}


def problem() -> kanml.PINN:
    return kanml.PINN("tx", [kanml.Term("volume", points(), lambda u: u.t + u * u.x - NU * u.xx)])


def pinns(options: Options, table: Table) -> None:
    table.title(f"Physics-informed loss and gradient, Burgers, {POINTS} points, float64")
    nets, pinn = networks(), problem()
    ours = {n: partial(pinn.value_and_gradient, net) for n, net in nets.items()}
    pair = ours[FINE]()[0], ours[COARSE]()[0]
    if not table.check(f"PINN, n = {FINE}", f"n = {COARSE}, refined", {"loss": pair}, TOLERANCE):
        return
    calls: dict[Any, Callable[[], object]] = dict(ours)
    if libraries.torch() is not None:
        calls |= {f"mlp {n}": mlp_call(widths) for n, widths in MLPS.items()}
    times = in_turn(calls, options.rounds)
    what = {n: f"PINN {WIDTHS}, n = {n}" for n in nets}
    for n, widths in MLPS.items():
        if f"mlp {n}" in times:
            against = f"torch tanh MLP {widths}"
            table.times(what[n], times[n], against, times[f"mlp {n}"], factor=True)
    table.times(what[FINE], times[FINE], "kanml, n = 8", times[COARSE], AtMost(1.15))
    for n, net in nets.items():
        call = jaxkan_call(net, n)
        if call is None:
            continue
        (value, gradient), (theirs, their_gradient) = ours[n](), call()
        pairs = {"loss": (value, theirs), "gradient": (gradient, their_gradient)}
        if not table.check(f"PINN, n = {n}", "jaxkan", pairs, TOLERANCE):
            continue
        slow = in_turn({"ours": ours[n], "theirs": call}, options.slow_rounds)
        table.times(what[n], slow["ours"], "jaxkan, jit", slow["theirs"], JAXKAN_GOALS[n])


def two_threads(options: Options, table: Table) -> None:
    """The same bits, in how much less time?"""
    pinn = problem()
    for n, net in networks().items():
        calls = {
            threads: partial(pinn.value_and_gradient, net, num_threads=threads)
            for threads in (1, 2)
        }
        (one, by_one), (two, by_two) = calls[1](), calls[2]()
        pairs = {"loss": (two, one), "gradient": (by_two, by_one)}
        if not table.check(f"PINN, n = {n}, two threads", "one thread", pairs, 0.0):
            continue
        times = in_turn(calls, options.rounds)
        what = f"PINN {WIDTHS}, n = {n}, two threads"
        table.times(what, times[2], "kanml, one thread", times[1], Faster(1.8))


# The peers


def mlp_call(widths: list[int]) -> Call:
    """A perceptron is another function: there is nothing to compare but the time."""
    torch = libraries.torch()
    assert torch is not None
    net = perceptron(torch, widths)
    x = torch.tensor(points(), requires_grad=True)
    parameters = list(net.parameters())

    def call() -> tuple[Any, Any]:
        u = net(x)
        loss = torch.mean(burgers_by_autograd(torch, x, u, NU) ** 2)
        return loss, torch.autograd.grad(loss, parameters)

    return call


def perceptron(torch: Any, widths: list[int]) -> Any:
    torch.manual_seed(0)
    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [torch.nn.Linear(n_in, n_out, dtype=torch.float64), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def burgers_by_autograd(torch: Any, x: Any, u: Any, nu: float) -> Any:
    """The residual of u, which was computed from x = (t, x)."""
    ones = torch.ones_like(u)
    first = torch.autograd.grad(u, x, ones, create_graph=True)[0]
    u_t, u_x = first[:, :1], first[:, 1:]
    u_xx = torch.autograd.grad(u_x, x, ones, create_graph=True)[0][:, 1:]
    return u_t + u * u_x - nu * u_xx


def jaxkan_call(net: kanml.Network, intervals: int) -> Call | None:
    """The same network: jaxkan continues uniform knots as kanml does."""
    jax = libraries.jax(x64=True)
    if jax is None:
        return None
    from flax import nnx
    from jaxkan.models.KAN import KAN

    spline = {
        "k": DEGREE,
        "G": intervals,
        "residual": None,
        "external_weights": False,
        "add_bias": False,
    }
    model = KAN(WIDTHS, "spline", spline)
    for block, layer in zip(net.blocks, model.layers, strict=True):
        c = net.parameters[block.slice].reshape(layer.n_in, -1, layer.n_out)
        layer.c_basis = nnx.Param(jax.numpy.asarray(c.transpose(2, 0, 1)))
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)

    def loss(parameters: Any, x: Any) -> Any:
        def u(x: Any) -> Any:
            return nnx.merge(graph, parameters, rest)(x)

        return jax.numpy.mean(burgers_by_jvp(jax, u, x, NU) ** 2)

    evaluate = jax.jit(jax.value_and_grad(loss))
    x = jax.numpy.asarray(points())

    def call() -> tuple[Any, Any]:
        value, gradient = jax.block_until_ready(evaluate(parameters, x))
        layers = (gradient["layers"][i]["c_basis"][...] for i in range(len(WIDTHS) - 1))
        return value, np.concatenate([np.asarray(c).transpose(1, 2, 0).ravel() for c in layers])

    return call


def burgers_by_jvp(jax: Any, u: Callable[[Any], Any], x: Any, nu: float) -> Any:
    """The residual for all points together.

    Forward over forward, which takes less time than the nested gradients of single points in
    jaxkan.pikan.pde.
    """
    u_x = along(jax, u, 1)
    return along(jax, u, 0)(x) + u(x) * u_x(x) - nu * along(jax, u_x, 1)(x)


def along(jax: Any, f: Callable[[Any], Any], axis: int) -> Callable[[Any], Any]:
    """The derivative with respect to a column of x."""

    def derivative(x: Any) -> Any:
        return jax.jvp(f, (x,), (jax.numpy.zeros_like(x).at[:, axis].set(1.0),))[1]

    return derivative
