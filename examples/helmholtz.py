"""The Helmholtz equation
======================

Waves of two lengths, at points of a Sobol sequence.

::

    u_xx + u_yy + u = q on a square,  u = 0 on its boundary
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import Helmholtz

SCHEDULE = [600, 600, 600]  # steps on 4, 8, 16 intervals


def residual(u, x, y):
    q = (1 - 17 * np.pi**2) * np.sin(np.pi * x) * np.sin(4 * np.pi * y)
    return u.xx + u.yy + u - q


def main():
    # Points that do not move, since L-BFGS works best on one fixed loss.
    points = kanml.Sampler([-1, -1], [1, 1], n=3000, method="sobol").points
    problem = kanml.PINN(
        "xy",
        [kanml.Term("pde", points, residual)],
        transform=lambda u, x, y: (1 - x**2) * (1 - y**2) * u,
    )
    net = kanml.KAN([2, 8, 1], degree=5, intervals=4, activation="tanh")

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=300))
    exact = Helmholtz(a1=1, a2=4, k=1)
    for level, trained in enumerate(result.levels):
        error = exact.relative_l2(partial(problem.solution, trained))
        print(f"{4 * 2**level:3d} intervals: relative L2 error {error:.1e}")

    solution = partial(problem.solution, result.network)
    box = np.ravel(exact.domain)  # the ends of both axes
    left, right = kanml.plotting.figure(10, 4).subplots(1, 2)
    kanml.plotting.plot_solution(solution, box, "solution", "xy", axes=left)
    kanml.plotting.plot_error(solution, exact.solution, box, letters="xy", axes=right)
    return left.figure


if __name__ == "__main__":
    main().savefig("kanml-helmholtz.png")
