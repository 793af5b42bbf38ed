"""Burgers' equation: section 5.2.2 and Table 3 of the paper."""

from __future__ import annotations

from kanml.equations import Burgers
from kanml.experiments.protocol import Protocol
from kanml.experiments.rows import Row, by_quasi_newton, kan_rows
from kanml.layers import Linear, SplineLayer
from kanml.network import MLP, Network
from kanml.optim import LBFGS, Adam, CyclicDecay
from kanml.problems import PINN
from kanml.splines import SplineSpace

__all__ = ["PROTOCOL"]

EQUATION = Burgers(nu=1e-2)
LOW, RATE = 1e-4, 1e-3  # RATE and HALF_CYCLE are the paper's
HALF_CYCLE = 100
ADAM = Adam(CyclicDecay(LOW, RATE, period=2 * HALF_CYCLE, decay=0.9995), weight_decay=1e-4)
WIDTH = 0.5  # the domain of each spline is [-WIDTH, WIDTH]
COARSE, FINE = 5, 20  # knot intervals
POINTS = 64


def problem(seed: int) -> PINN:
    """Return the loss, which is the same for every seed."""
    return EQUATION.pinn(
        {
            "volume": EQUATION.grid(POINTS),
            "initial": EQUATION.equispaced("initial", POINTS),
            "boundary": EQUATION.equispaced("boundary", POINTS),
        }
    )


def kan(intervals: int, seed: int) -> Network:
    """Return the paper's KAN [2, 20, 20, 1]: 3400 parameters with 5 intervals."""
    space = SplineSpace.uniform(-WIDTH, WIDTH, intervals, degree=3)
    return Network(
        [Linear(2, 20, bias=False), SplineLayer(20, 20, space), SplineLayer(20, 1, space)],
        seed=seed,
        data=EQUATION.grid(POINTS),
        start="linear",
    )


def perceptron(widths: list[int], paper: str) -> Row:
    """Return the row of a perceptron."""
    return Row(
        f"MLP tanh [{','.join(map(str, widths))}]",
        lambda seed: MLP(widths, activation="tanh", seed=seed),
        (3200,),
        ADAM,
        paper,
    )


KANS = kan_rows(
    kan,
    (COARSE, FINE),
    {"coarse": (3200,), "fine": (800,), "multilevel": (800, 400, 200)},
    ADAM,
    {
        "KAN spline, coarse": "6.6e-3 (4.1e-3)",
        "KAN spline, fine": "4.1e-3 (2.5e-3)",
        "KAN spline, multilevel": "2.4e-5 (1.9e-5)",
    },
)

PROTOCOL = Protocol(
    name="burgers",
    introduction=f"""
    Burgers' equation, section 5.2.2, Table 3: u_t + u u_x = nu u_xx, nu = 1e-2. There are 64 x 64
    points in the volume; every term is a mean. KAN [2,20,20,1] is Linear(2, 20) without bias and
    cubic splines 20 -> 20 -> 1, {COARSE} (coarse) to {FINE} (fine) intervals. Adam with decoupled
    weight decay 1e-4, learning rate {RATE:g}, cyclic ({HALF_CYCLE}) with decay 0.9995.
    The paper prints losses only.
    Choices that the paper leaves open: t in [0, 1], x in [-1, 1], u(0, x) = -sin(pi x) at 64
    points, zero at both ends at 64 points each, all weights 1. The learning rate rises from {LOW:g}
    to {RATE:g} in {HALF_CYCLE} steps and falls back in as many; the decay is that of the amplitude.
    The domain of the splines is [-{WIDTH}, {WIDTH}], which the data fill at first. KAN ReLU is the
    same network, trained in the geometry of its ReLU weights. The MLPs have tanh, no output bias,
    and the steps of the coarse KAN. Adam restarts on each level. Hidden spline layers start as
    linear maps, and no other start is tried.
    These choices were made on the seeds 1 to 3, for the multilevel KAN.
    L-BFGS keeps 100 pairs and takes no more steps than Adam. In its row splines continue as
    polynomials outside their domains, as lines in all others.
    """,
    equation=EQUATION,
    problem=problem,
    rows=(
        *KANS,
        by_quasi_newton(KANS[2], LBFGS(memory=100)),
        perceptron([2, 20, 20, 1], "2.3e-2"),
        perceptron([2, 56, 56, 1], "1.7e-2"),
    ),
    seeds=tuple(range(1234, 1284, 10)),
)
