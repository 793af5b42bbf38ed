"""The Allen-Cahn equation
=======================

A periodic network, and attention to where the residual stays large.

::

    u_t = eps u_xx + 5 u - 5 u^3,  periodic in x,  u(0, x) = x^2 cos(pi x)
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import AllenCahn

EPS = 1e-4
SCHEDULE = [550, 550, 550]  # steps on 4, 8, 16 intervals


def main():
    points = kanml.Sampler([0, -1], [1, 1], n=2000, method="sobol").points
    term = kanml.Term(
        "pde",
        points,
        lambda u: u.t - EPS * u.xx - 5 * u + 5 * u**3,
        attention=kanml.RBA(mu=0.01),
    )
    problem = kanml.PINN("tx", [term], transform=lambda u, t, x: x**2 * np.cos(np.pi * x) + t * u)
    front = [
        kanml.PeriodicEmbedding(2, {1: 2.0}),  # (t, x) -> (t, cos(pi x), sin(pi x))
        kanml.Affine([2, 1, 1], [-1, 0, 0]),  # t from (0, 1) to (-1, 1), the splines' domain
    ]
    net = kanml.KAN([2, 8, 8, 1], degree=4, intervals=4, activation="tanh", front=front)

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=300))
    exact = AllenCahn(eps=EPS)
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
    main().savefig("kanml-allen-cahn.png")
