"""The Allen-Cahn equation: section 5.2.3 and Figures 7 to 9 of the paper."""

from __future__ import annotations

from kanml.equations import AllenCahn
from kanml.experiments.protocol import Protocol
from kanml.experiments.rows import Row, by_quasi_newton, kan_rows
from kanml.layers import Activation, Affine, Layer, SplineLayer
from kanml.network import MLP, Network
from kanml.optim import Adam, Ramp, SSBroyden
from kanml.problems import PINN, RBA
from kanml.splines import SplineSpace

__all__ = ["PROTOCOL"]

EQUATION = AllenCahn(eps=1e-4)
RATES = (1e-2, 5e-3, 2.5e-3, 1.25e-3)  # on each level
OPTIMIZERS = tuple(Adam(Ramp(1e-4, rate, steps=10)) for rate in RATES)
COARSE, FINE = 4, 32  # knot intervals
STEPS = 10_000


def problem(seed: int) -> PINN:
    """Return the loss; its random points depend on the seed."""
    return EQUATION.pinn(
        {
            "volume": 20_000,
            "initial": EQUATION.equispaced("initial", 501),
            "boundary": EQUATION.equispaced("boundary", 501),
        },
        weights={"volume": 1e-1},
        attention={"volume": RBA(mu=1e-4)},
        seed=seed,
    )


def kan(intervals: int, seed: int) -> Network:
    """Return KAN [2, 5, 5, 1] with sigmoids between its layers, rescaled to [-1, 1]."""
    space = SplineSpace.uniform(-1, 1, intervals, degree=3)
    bounded: list[Layer] = [Activation("sigmoid"), Affine([2.0] * 5, [-1.0] * 5)]
    return Network(
        [
            SplineLayer(2, 5, space),
            *bounded,
            SplineLayer(5, 5, space),
            *bounded,
            SplineLayer(5, 1, space),
        ],
        seed=seed,
        start="linear",
    )


KANS = kan_rows(
    kan,
    (COARSE, FINE),
    {"coarse": (STEPS,), "fine": (STEPS,), "multilevel": (STEPS // 4,) * 4},
    OPTIMIZERS,
    {},
)

PROTOCOL = Protocol(
    name="allen-cahn",
    introduction=f"""
    The Allen-Cahn equation, section 5.2.3: u_t = eps u_xx + 5 u - 5 u^3, eps = 1e-4, t in [0, 1],
    x in [-1, 1], periodic, u(0, x) = x^2 cos(pi x). There are 20,000 random points, 501 initial
    ones, and 501 times at which u and u_x must agree at both ends; every term is a mean, with
    weights 1e-1, 1 and 1, and residual-based attention in the volume. KAN [2,5,5,1], cubic, with
    sigmoids between the layers, rescaled to [-1, 1]; {COARSE} (coarse) to {FINE} (fine)
    intervals; {STEPS} steps of Adam, learning rate 1e-4 to {RATES[0]:g} over the first 10 steps.
    The paper prints pictures only. Its equation has misprinted signs and lacks eps: this is the
    standard problem of the literature.
    Other choices that the paper leaves open: mu = 1e-4. The ramp restarts on each level, and its
    end is halved from level to level, to {RATES[-1]:g}. KAN ReLU is the same network, trained in
    the geometry of its ReLU weights. The MLP has tanh and no output bias. Adam restarts on each
    level. Hidden spline layers start as linear maps, and no other start is tried. The rates were
    chosen on seed 1, with 5000 points.
    SSBroyden minimises the same loss, attention included, in no more steps than Adam. In its row
    splines continue as polynomials outside their domains, as lines in all others.
    """,
    equation=EQUATION,
    problem=problem,
    rows=(
        *KANS,
        by_quasi_newton(KANS[2], SSBroyden()),
        Row(
            "MLP tanh [2,20,20,1]",
            lambda seed: MLP([2, 20, 20, 1], activation="tanh", seed=seed),
            (STEPS,),
            OPTIMIZERS[0],
        ),
    ),
    seeds=(1234,),
)
