"""The Kuramoto-Sivashinsky equation
=================================

A fourth derivative, and splines of degree 5.

::

    u_t + alpha u u_x + beta u_xx + gamma u_xxxx = 0,  periodic in x,  u(0, x) = -sin(pi x)
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import KuramotoSivashinsky

ALPHA, BETA, GAMMA = 1.0, 0.1, 0.01  # with the defaults errors grow as exp(12 t)
SCHEDULE = [500, 500, 500]  # steps on 4, 8, 16 intervals


def residual(u, t):
    equation = u.t + ALPHA * u * u.x + BETA * u.xx + GAMMA * u.xxxx
    return np.exp(-3 * t) * equation  # early times first: their errors are carried on


def main():
    points = kanml.Sampler([0, -1], [1, 1], n=1500, method="sobol").points
    problem = kanml.PINN(
        "tx",
        [kanml.Term("pde", points, residual)],
        transform=lambda u, t, x: -np.sin(np.pi * x) + t * u,
    )
    circle = kanml.PeriodicEmbedding(2, {1: 2.0})  # (t, x) -> (t, cos(pi x), sin(pi x))
    net = kanml.KAN([2, 6, 6, 1], degree=5, intervals=4, activation="tanh", front=[circle])

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=300))
    exact = KuramotoSivashinsky(ALPHA, BETA, GAMMA)
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
    main().savefig("kanml-kuramoto-sivashinsky.png")
