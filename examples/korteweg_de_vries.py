"""The Korteweg-de Vries equation
==============================

A third derivative, and early times first.

::

    u_t + u u_x + mu u_xxx = 0,  periodic in x,  u(0, x) = cos(pi x)
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import KortewegDeVries

MU = 0.0025
SCHEDULE = [500, 500, 500]  # steps on 4, 8, 16 intervals


def residual(u, t):
    equation = u.t + u * u.x + MU * u.xxx
    return np.exp(-1.5 * t) * equation  # early times first: their errors are carried on


def main():
    points = kanml.Sampler([0, -1], [1, 1], n=2000, method="sobol").points
    problem = kanml.PINN(
        "tx",
        [kanml.Term("pde", points, residual)],
        transform=lambda u, t, x: np.cos(np.pi * x) + t * u,
    )
    circle = kanml.PeriodicEmbedding(2, {1: 2.0})  # (t, x) -> (t, cos(pi x), sin(pi x))
    net = kanml.KAN([2, 8, 8, 1], degree=5, intervals=4, activation="tanh", front=[circle])

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=300))
    exact = KortewegDeVries(mu=MU)
    for level, trained in enumerate(result.levels):
        error = exact.relative_l2(partial(problem.solution, trained))
        print(f"{4 * 2**level:3d} intervals: relative L2 error {error:.1e}")

    solution = partial(problem.solution, result.network)
    box = np.ravel(exact.domain)  # the ends of both axes
    left, right = kanml.plotting.figure(10, 4).subplots(1, 2)
    kanml.plotting.plot_solution(solution, box, "solution", "tx", axes=left)
    kanml.plotting.plot_error(solution, exact.solution, box, letters="tx", axes=right)
    return left.figure


if __name__ == "__main__":
    main().savefig("kanml-korteweg-de-vries.png")
