"""A clamped plate
===============

Derivatives of the fourth order, mixed ones among them.

::

    u_xxxx + 2 u_xxyy + u_yyyy = f on the unit square,  u = 0 and u_n = 0 on its boundary
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import Biharmonic

SCHEDULE = [200, 200, 200]  # steps on 4, 8, 16 intervals


def residual(u, x, y):
    s_x, s_y = np.sin(np.pi * x) ** 2, np.sin(np.pi * y) ** 2
    c_x, c_y = np.cos(2 * np.pi * x), np.cos(2 * np.pi * y)
    f = 8 * np.pi**4 * (c_x * c_y - c_x * s_y - s_x * c_y)  # for the solution s_x s_y
    return u.xxxx + 2 * u.xxyy + u.yyyy - f


def clamped(u, x, y):
    return 100 * (x * (1 - x) * y * (1 - y)) ** 2 * u  # a double zero: value and slope


def main():
    exact = Biharmonic()
    problem = kanml.PINN("xy", [kanml.Term("pde", exact.grid(33), residual)], transform=clamped)
    onto_domain = kanml.Affine.normalising([0, 0], [1, 1])  # the splines' domain is (-1, 1)^2
    net = kanml.KAN([2, 4, 1], degree=5, intervals=4, activation="tanh", front=[onto_domain])

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
    main().savefig("kanml-biharmonic.png")
