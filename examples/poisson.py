"""Poisson's equation
==================

The shortest example of a PDE. Begin here.

::

    -(u_xx + u_yy) = f on a square,  u = 0 on its boundary
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import Poisson

SCHEDULE = [200, 200, 200]  # steps on 4, 8, 16 intervals


def residual(u, x, y):
    f = 2 * np.pi**2 * np.sin(np.pi * x) * np.sin(np.pi * y)
    return u.xx + u.yy + f


def zero_at_the_boundary(u, x, y):
    return (1 - x**2) * (1 - y**2) * u  # the solution; u is the output of the network


def main():
    exact = Poisson()
    points = exact.grid(41)  # shape (41 * 41, 2): a column for each input
    problem = kanml.PINN(
        "xy", [kanml.Term("pde", points, residual)], transform=zero_at_the_boundary
    )
    # tanh keeps values between the layers in (-1, 1), the domain of the splines
    net = kanml.KAN([2, 4, 1], degree=4, intervals=4, activation="tanh")

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=300))
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
    main().savefig("kanml-poisson.png")
