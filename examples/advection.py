"""A wave carried around a circle
==============================

Initial and periodic conditions are terms of the loss.

::

    u_t + c u_x = 0,  periodic in x,  u(0, x) = sin(x)
"""

import numpy as np

import kanml
from kanml.equations import Advection

C = 5.0
SCHEDULE = [600, 600, 600]  # steps on 4, 8, 16 intervals


def main():
    exact = Advection(c=C)
    left = exact.equispaced("boundary", 65)  # points (t, 0)
    right = left + np.array([0, 2 * np.pi])
    problem = kanml.PINN(
        "tx",
        [
            kanml.Term("pde", exact.grid(41), lambda u: u.t + C * u.x),
            kanml.Term(
                "start", exact.equispaced("initial", 101), lambda u, x: u - np.sin(x), weight=100
            ),
            # each point has a partner; u_partner is the solution there
            kanml.Term(
                "periodic", left, lambda u, u_partner: u - u_partner, weight=100, partner=right
            ),
        ],
    )
    # the splines' domain is (-1, 1)^2
    onto_domain = kanml.Affine.normalising([0, 0], [1, 2 * np.pi])
    net = kanml.KAN([2, 6, 1], degree=5, intervals=4, front=[onto_domain])

    result = kanml.train(net, problem, SCHEDULE, kanml.LBFGS(memory=300))
    for level, trained in enumerate(result.levels):
        print(f"{4 * 2**level:3d} intervals: relative L2 error {exact.relative_l2(trained):.1e}")
    terms = problem.evaluation(result.network).terms
    print("loss by terms:", {name: term.loss for name, term in terms.items()})

    box = np.ravel(exact.domain)  # the ends of both axes
    left, right = kanml.plotting.figure(10, 4).subplots(1, 2)
    kanml.plotting.plot_solution(result.network, box, "solution", "tx", axes=left)
    kanml.plotting.plot_error(result.network, exact.solution, box, letters="tx", axes=right)
    return left.figure


if __name__ == "__main__":
    main().savefig("kanml-advection.png")
