"""An unknown coefficient
======================

The viscosity of Burgers' equation is found from noisy measurements, with an error bar.

::

    u_t + u u_x = nu u_xx,  u known at 500 points up to noise,  nu = 0.1 to be found
"""

import numpy as np

import kanml
from kanml.equations import Burgers

NU = 0.1
SCHEDULE = [20, 20, 20]  # steps on 4, 8, 16 intervals


def main():
    exact = Burgers(nu=NU)
    rng = np.random.default_rng(0)
    where = rng.uniform([0, -1], [1, 1], (500, 2))
    measured = exact.solution(where)[:, 0] + 0.01 * rng.normal(size=500)
    problem = kanml.PINN(
        "tx",
        [
            kanml.Term("pde", exact.grid(31), lambda u, nu: u.t + u * u.x - nu * u.xx),
            # a residual may contain an array with one number for each point
            kanml.Term("data", where, lambda u: u - measured, weight=10),
        ],
        unknowns={"nu": 1.0},  # where its training starts
    )
    onto_domain = kanml.Affine.normalising([0, -1], [1, 1])  # the splines' domain is (-1, 1)^2
    net = kanml.KAN([2, 6, 1], degree=5, intervals=4, activation="tanh", front=[onto_domain])

    levels = {}  # the last state of training on each level
    result = kanml.train(
        net,
        problem,
        SCHEDULE,
        kanml.LevenbergMarquardt(),
        callbacks=[lambda state: levels.update({state.level: state})],
    )
    for level, state in levels.items():
        error, nu = exact.relative_l2(state.network), state.unknowns["nu"]
        print(f"{4 * 2**level:3d} intervals: nu = {nu:.4f}, relative L2 error {error:.1e}")
    print(f"nu = {result.unknowns['nu']:.4f} +- {result.standard_errors['nu']:.4f}")

    box = np.ravel(exact.domain)  # the ends of both axes
    left, right = kanml.plotting.figure(10, 4).subplots(1, 2)
    kanml.plotting.plot_solution(result.network, box, "solution and measurements", "tx", axes=left)
    left.plot(*where.T, "w.", markersize=2)
    kanml.plotting.plot_error(result.network, exact.solution, box, letters="tx", axes=right)
    return left.figure


if __name__ == "__main__":
    main().savefig("kanml-inverse-burgers.png")
