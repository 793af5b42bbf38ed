"""Two materials
=============

They meet at x = 0. A level set and one-sided derivatives give a kink there.

::

    div(eps grad u) = f on a square,  u = 0 on its boundary,  eps = 1 on the left, 1/2 on the right
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import PoissonInterface

SCHEDULE = [600, 600, 600]  # steps on 4, 8, 16 intervals

# The network's inputs are x, y and z = |x|, so that it is smooth and u(x, y, |x|) has a kink.
# Along x the inputs change as (1, 0, 1) on the right and as (1, 0, -1) on the left.
SIDES = {"p": (1, 0, 1), "m": (1, 0, -1)}


def residual(u, x, y):
    wave = np.sin(3 * np.pi * y)
    left = u.mm + u.yy + 10 * np.pi**2 * np.sin(np.pi * x) * wave
    right = 0.5 * (u.pp + u.yy) + 6.5 * np.pi**2 * np.sin(2 * np.pi * x) * wave
    return np.where(x < 0, left, right)


def flux_jump(u):
    return 0.5 * u.p - u.m


def main():
    exact = PoissonInterface()
    sobol = kanml.Sampler([-1, -1], [1, 1], n=1500, method="sobol")
    inside = exact.level_set(sobol.points)
    interface = exact.level_set(exact.equispaced("interface", 41))
    problem = kanml.PINN(
        "xyz",
        [
            kanml.Term("pde", inside, residual, directions=SIDES),
            kanml.Term("flux", interface, flux_jump, directions=SIDES, weight=1000),
        ],
        transform=lambda u, x, y: (1 - x**2) * (1 - y**2) * u,
    )
    net = kanml.KAN([3, 10, 1], degree=5, intervals=4, activation="tanh")

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=300))
    for level, trained in enumerate(result.levels):
        error = exact.relative_l2(partial(problem.solution, trained))
        print(f"{4 * 2**level:3d} intervals: relative L2 error {error:.1e}")

    def solution(points):
        return problem.solution(result.network, exact.level_set(points))

    box = np.ravel(exact.domain)  # the ends of both axes
    left, right = kanml.plotting.figure(10, 4).subplots(1, 2)
    kanml.plotting.plot_solution(solution, box, "solution", "xy", axes=left)
    kanml.plotting.plot_error(solution, exact.solution, box, letters="xy", axes=right)
    return left.figure


if __name__ == "__main__":
    main().savefig("kanml-poisson-interface.png")
