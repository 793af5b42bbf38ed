"""Poisson's equation with an interface: section 5.2.1 and Figure 6 of the paper."""

from __future__ import annotations

import numpy as np

from kanml.equations import PoissonInterface
from kanml.experiments.protocol import Protocol
from kanml.experiments.rows import Row, by_quasi_newton, kan_rows
from kanml.network import KAN, MLP
from kanml.optim import Adam, Ramp, SSBroyden
from kanml.problems import PINN, RBA

__all__ = ["PROTOCOL"]

EQUATION = PoissonInterface()
ADAM = Adam(Ramp(1e-4, 1e-2, steps=10))
COARSE, FINE = 4, 32  # knot intervals
STEPS = 5000


def problem(seed: int) -> PINN:
    """Return the loss, which is the same for every seed."""
    ends = EQUATION.equispaced("boundary", 51)
    boundary = np.unique(ends, axis=0)  # corners belong to two sides
    return EQUATION.pinn(
        {
            "volume": EQUATION.grid(49),
            "interface": EQUATION.equispaced("interface", 49),
            "boundary": boundary,
        },
        weights={"volume": 1e-2, "interface": 1e-1},
        attention={"volume": RBA(mu=1e-4)},
        reduction="sum",
    )


KANS = kan_rows(
    lambda n, seed: KAN([3, 5, 1], intervals=n, seed=seed, start="linear"),
    (COARSE, FINE),
    {"coarse": (STEPS,), "fine": (STEPS,), "multilevel": (STEPS // 4,) * 4},
    ADAM,
    {},
    in_relus=("coarse", "fine", "multilevel"),
)

PROTOCOL = Protocol(
    name="poisson",
    introduction=f"""
    Poisson's equation with an interface, section 5.2.1: div(eps grad u) = f on [-1, 1]^2, eps = 1
    left of x = 0 and 1/2 right of it, u = 0 on the boundary; the inputs are (x, y, |x|). There
    are 49 x 49 points in the volume, 200 on the boundary, 49 on the interface; the loss is
    1e-2 volume + 1e-1 interface + 1 boundary, each a sum of squares, with residual-based attention
    (mu = 1e-4) in the volume. KAN [3,5,1], cubic, {COARSE} (coarse) to {FINE} (fine) intervals;
    {STEPS} steps of Adam, learning rate 1e-4 to 1e-2 over the first 10 steps of each level.
    The paper prints curves only: its multilevel KAN ends with a relative error between 1e-1 and
    1e-2, and its ReLU basis stalls just below 1.
    Choices that the paper leaves open: KAN ReLU is the same network, trained in the geometry of its
    ReLU weights. The MLP has tanh, no output bias, and the same steps. Adam restarts on each level.
    Hidden spline layers start as linear maps, and no other start is tried. There are five seeds.
    SSBroyden minimises the same loss, attention included, in no more steps than Adam. In its row
    splines continue as polynomials outside their domains, as lines in all others.
    """,
    equation=EQUATION,
    problem=problem,
    rows=(
        *KANS,
        by_quasi_newton(KANS[2], SSBroyden()),
        Row(
            "MLP tanh [3,16,16,1]",
            lambda seed: MLP([3, 16, 16, 1], activation="tanh", seed=seed),
            (STEPS,),
            ADAM,
        ),
    ),
    seeds=tuple(range(1234, 1239)),
)
