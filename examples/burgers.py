"""Burgers' equation
=================

Points are drawn anew where the residual is large, which is at the shock.

::

    u_t + u u_x = nu u_xx,  u(0, x) = -sin(pi x),  u = 0 at both ends
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import Burgers

NU = 0.01
SCHEDULE = [500, 500, 500]  # steps on 4, 8, 16 intervals


def start_and_ends(u, t, x):
    return -np.sin(np.pi * x) + t * (1 - x**2) * u


def main():
    points = kanml.Sampler([0, -1], [1, 1], n=2000, method="residual", every=100)
    problem = kanml.PINN(
        "tx",
        [kanml.Term("pde", points, lambda u: u.t + u * u.x - NU * u.xx)],
        transform=start_and_ends,
    )
    onto_domain = kanml.Affine.normalising([0, -1], [1, 1])  # the splines' domain is (-1, 1)^2
    net = kanml.KAN([2, 6, 6, 1], degree=4, intervals=4, activation="tanh", front=[onto_domain])

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=50))
    exact = Burgers(nu=NU)
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
    main().savefig("kanml-burgers.png")
