"""One spline layer, forward and both gradients, in float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from timing import in_turn

import kanml
from peers import libraries
from peers.table import AtMost, Faster, Options, Table

DEGREE = 3
SIZES = ((4096, 64), (1024, 256))  # batch, width
INTERVALS = (5, 8, 16, 64, 512)
WITH_GOAL = (5, 16, 64)
SLOW_PEERS_AT = (5, 64)
TOLERANCE = 1e-5  # of float32 numbers, in the norm; a wrong term would be of the order of one

Result = tuple[Any, Any, Any]  # outputs, gradient by coefficients (P, n + k, Q), by inputs
NAMES = ("outputs", "gradient by coefficients", "gradient by inputs")


class Case:
    """A layer with random coefficients, and random inputs and cotangents."""

    def __init__(self, batch: int, width: int, intervals: int) -> None:
        rng = np.random.default_rng(intervals)
        self.width, self.intervals = width, intervals
        self.x = rng.uniform(-1, 1, (batch, width)).astype(np.float32)
        self.cotangent = rng.normal(size=(batch, width)).astype(np.float32)
        net = kanml.KAN([width, width], degree=DEGREE, intervals=intervals, dtype="float32")
        self.net = net.with_parameters(rng.normal(size=net.n_parameters))
        self.space = net.layers[0].spaces[0]

    @property
    def coefficients(self) -> np.ndarray:
        """By input, basis function and output."""
        return self.net.parameters.reshape(self.width, self.space.dim, self.width)

    def run(self, num_threads: int | None = None) -> Result:
        y = self.net(self.x, num_threads=num_threads)
        return y, *self.net.vjp(self.x, self.cotangent, num_threads=num_threads)


def layers(options: Options, table: Table) -> None:
    table.title(
        "Spline layer, degree 3, float32: forward and the gradients by parameters and inputs"
    )
    for batch, width in SIZES:
        cases = {n: Case(batch, width, n) for n in INTERVALS}
        if not all([verify(case, table) for case in cases.values()]):
            continue
        calls: dict[Any, Callable[[], object]] = {n: case.run for n, case in cases.items()}
        linear = linear_call(cases[INTERVALS[0]])
        if linear is not None:
            calls["linear"] = linear
        times = in_turn(calls, options.rounds)
        name = f"{width} x {width}, batch {batch}"
        if linear is not None:
            # The arithmetic of degree + 1 dense layers is that of the splines.
            yardstick = (DEGREE + 1) * times["linear"]
            for n in INTERVALS:
                goal = AtMost(1.0, "mark 0.6") if n in WITH_GOAL else None
                table.times(
                    f"{name}, n = {n}", times[n], f"{DEGREE + 1} x torch Linear", yardstick, goal
                )
        fine = AtMost(1.5) if width == 64 else None  # wide and fine, coefficients fill the cache
        for n, goal in ((64, AtMost(1.15)), (512, fine)):
            table.times(f"{name}, n = {n}", times[n], "kanml, n = 8", times[8], goal)
    slow_peers(options, table)


def slow_peers(options: Options, table: Table) -> None:
    batch, width = SIZES[0]
    for n in SLOW_PEERS_AT:
        case = Case(batch, width, n)
        for name, make in (
            ("pykan KANLayer", pykan_call),
            ("jaxkan SplineLayer, jit", jaxkan_call),
        ):
            call = make(case)
            if call is None or not compare(case, name, call(), table):
                continue
            times = in_turn({"ours": case.run, "theirs": call}, options.slow_rounds)
            what = f"{width} x {width}, batch {batch}, n = {n}"
            table.times(what, times["ours"], name, times["theirs"], factor=True)


def two_threads(options: Options, table: Table) -> None:
    """The same bits, in how much less time?"""
    for batch, width in SIZES:
        case = Case(batch, width, 16)
        calls = {n: partial(case.run, num_threads=n) for n in (1, 2)}
        one, two = calls[1](), calls[2]()
        pairs = dict(zip(NAMES, zip(two, one, strict=True), strict=True))
        if not table.check(f"layer {width} x {width}, two threads", "one thread", pairs, 0.0):
            continue
        times = in_turn(calls, options.rounds)
        what = f"layer {width} x {width}, n = 16, two threads"
        table.times(what, times[2], "kanml, one thread", times[1], Faster(1.8))


# The peers


def verify(case: Case, table: Table) -> bool:
    """Compare with SciPy's splines in float64."""
    interpolate = libraries.load("scipy.interpolate", "scipy")
    if interpolate is None:
        return True
    x, cotangent = case.x.astype(np.float64), case.cotangent.astype(np.float64)
    y = np.zeros_like(x)
    by_coefficients, by_inputs = [], np.empty_like(x)
    for p, c in enumerate(case.coefficients.astype(np.float64)):
        spline = interpolate.BSpline(case.space.knots, c, DEGREE)
        basis = interpolate.BSpline.design_matrix(x[:, p], case.space.knots, DEGREE)
        y += spline(x[:, p])
        by_coefficients.append(basis.T @ cotangent)
        by_inputs[:, p] = np.sum(cotangent * spline(x[:, p], nu=1), axis=1)
    return compare(case, "SciPy in float64", (y, np.array(by_coefficients), by_inputs), table)


def compare(case: Case, against: str, theirs: Result, table: Table) -> bool:
    pairs = dict(zip(NAMES, zip(case.run(), theirs, strict=True), strict=True))
    what = f"layer {case.width} x {case.width}, n = {case.intervals}"
    return table.check(what, against, pairs, TOLERANCE)


def linear_call(case: Case) -> Callable[[], object] | None:
    """The yardstick, without a bias, which a spline layer has not either."""
    torch = libraries.torch()
    if torch is None:
        return None
    layer = torch.nn.Linear(case.width, case.width, bias=False)
    x = torch.tensor(case.x, requires_grad=True)
    cotangent = torch.tensor(case.cotangent)

    def call() -> None:
        layer.weight.grad = x.grad = None
        layer(x).backward(cotangent)

    return call


def pykan_call(case: Case) -> Callable[[], Result] | None:
    """KANLayer with the same spline; its base function cannot be left out, but weighs nothing."""
    if libraries.pykan() is None:
        return None
    import torch
    from kan.KANLayer import KANLayer

    layer = KANLayer(
        case.width,
        case.width,
        num=case.intervals,
        k=DEGREE,
        base_fun=torch.nn.Identity(),
        sp_trainable=False,
        sb_trainable=False,
    )
    with torch.no_grad():
        layer.coef.copy_(torch.tensor(case.coefficients.transpose(0, 2, 1)))
        layer.scale_sp.fill_(1.0)
        layer.scale_base.fill_(0.0)
    x = torch.tensor(case.x, requires_grad=True)
    cotangent = torch.tensor(case.cotangent)

    def call() -> Result:
        layer.coef.grad = x.grad = None
        y = layer(x)[0]
        y.backward(cotangent)
        by_coefficients = layer.coef.grad.numpy().transpose(0, 2, 1)
        return y.detach().numpy(), by_coefficients, x.grad.numpy()

    return call


def jaxkan_call(case: Case) -> Callable[[], Result] | None:
    """SplineLayer without its residual function, weights and bias."""
    jax = libraries.jax(x64=False)
    if jax is None:
        return None
    from flax import nnx
    from jaxkan.layers.Spline import SplineLayer

    layer = SplineLayer(
        case.width,
        case.width,
        k=DEGREE,
        G=case.intervals,
        residual=None,
        external_weights=False,
        add_bias=False,
    )
    layer.c_basis = nnx.Param(jax.numpy.asarray(case.coefficients.transpose(2, 0, 1)))
    graph, parameters, rest = nnx.split(layer, nnx.Param, ...)

    @jax.jit
    def both(parameters: Any, x: Any, cotangent: Any) -> Any:
        y, pull_back = jax.vjp(lambda p, x: nnx.merge(graph, p, rest)(x), parameters, x)
        return y, *pull_back(cotangent)

    x, cotangent = jax.numpy.asarray(case.x), jax.numpy.asarray(case.cotangent)

    def call() -> Result:
        y, by_parameters, by_inputs = jax.block_until_ready(both(parameters, x, cotangent))
        return y, np.asarray(by_parameters["c_basis"][...]).transpose(1, 2, 0), by_inputs

    return call
