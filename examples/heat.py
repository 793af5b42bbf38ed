"""The heat equation as a system
=============================

A network with two outputs, temperature T and heat flux q.

::

    T_t + q_x = 0 and q = -alpha T_x on a rod whose ends are kept at T = 0
"""

from functools import partial

import numpy as np

import kanml
from kanml.equations import Heat

ALPHA = 0.1
SCHEDULE = [200, 200, 200]  # steps on 4, 8, 16 intervals


def system(T, q):
    return T.t + q.x, q + ALPHA * T.x  # a tuple: several residuals at the same points


def cold_ends(T, q, t, x):
    return np.sin(np.pi * x) + t * x * (1 - x) * T, q


def main():
    exact = Heat(alpha=ALPHA)
    terms = [kanml.Term("system", exact.grid(33), system)]
    problem = kanml.PINN("tx", terms, outputs="Tq", transform=cold_ends)
    net = kanml.KAN([2, 4, 2], degree=3, intervals=4, domain=(0, 1))

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=300))

    def temperature(trained, points):
        return problem.solution(trained, points)[:, :1]  # a column for each output

    for level, trained in enumerate(result.levels):
        error = exact.relative_l2(partial(temperature, trained))
        print(f"{4 * 2**level:3d} intervals: relative L2 error {error:.1e}")

    solution = partial(temperature, result.network)
    box = np.ravel(exact.domain)  # the ends of both axes
    left, right = kanml.plotting.figure(10, 4).subplots(1, 2)
    kanml.plotting.plot_solution(solution, box, "temperature", "tx", axes=left)
    kanml.plotting.plot_error(solution, exact.solution, box, letters="tx", axes=right)
    return left.figure


if __name__ == "__main__":
    main().savefig("kanml-heat.png")
