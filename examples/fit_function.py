"""Fit a function
==============

A function of two variables is fitted coarse to fine, with the error level by level.

::

    f(x, y) = exp(sin(pi x) + y^2)
"""

import numpy as np

import kanml

SCHEDULE = [200, 100, 50, 50]  # steps on 5, 10, 20, 40 intervals


def main():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2000, 2))
    y = np.exp(np.sin(np.pi * x[:, :1]) + x[:, 1:] ** 2)

    net = kanml.KAN([2, 5, 1], degree=3, intervals=5, data=x)
    result = kanml.train(net, kanml.Regression(x, y), schedule=SCHEDULE)

    history = result.history
    for level in range(len(result.levels)):
        rows = history.level == level
        print(f"{5 * 2**level:3d} intervals: mean squared error {history.loss[rows][-1]:.1e}")

    fresh = rng.uniform(-1, 1, (1000, 2))
    exact = np.exp(np.sin(np.pi * fresh[:, :1]) + fresh[:, 1:] ** 2)
    print(f"fresh points: largest error {np.abs(result.network(fresh) - exact).max():.1e}")

    return result.network.plot(x, inputs=["x", "y"], outputs=["f"]).figure


if __name__ == "__main__":
    main().savefig("kanml-fit-function.png")
