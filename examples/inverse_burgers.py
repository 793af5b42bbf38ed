"""An unknown coefficient: the viscosity of Burgers' equation, from noisy measurements.

u_t + u u_x = nu u_xx, u known at 500 points up to noise, nu = 0.1 to be found.
"""

import numpy as np

import kanml
from kanml.problems import Burgers

NU = 0.1
SCHEDULE = [150, 150, 150]  # steps on 4, 8, 16 intervals


def main() -> None:
    exact = Burgers(nu=NU)
    rng = np.random.default_rng(0)
    where = rng.uniform([0, -1], [1, 1], (500, 2))
    measured = exact.solution(where)[:, 0] + 0.01 * rng.normal(size=500)
    problem = kanml.PINN(
        "tx",
        [
            kanml.Term("pde", exact.grid(31), lambda u, nu: u.t + u * u.x - nu * u.xx),
            # one number for each point may stand in a residual
            kanml.Term("data", where, lambda u: u - measured, weight=10),
        ],
        unknowns={"nu": 1.0},  # where its training starts
    )
    layers = kanml.KAN([2, 6, 1], degree=3, intervals=4).layers
    net = kanml.Network([kanml.Affine.normalising([0, -1], [1, 1]), *layers])

    levels = {}  # the network at the end of each level
    result = kanml.train(
        net,
        problem,
        SCHEDULE,
        kanml.LBFGS(memory=50),
        callbacks=[lambda state: levels.update({state.level: state.network})],
    )
    for level, trained in levels.items():
        print(f"{4 * 2**level:3d} intervals: relative L2 error {exact.relative_l2(trained):.1e}")
    nu = result.unknowns["nu"]
    print(f"nu = {nu:.4f}, relative error {abs(nu / NU - 1):.1e}")


if __name__ == "__main__":
    main()
