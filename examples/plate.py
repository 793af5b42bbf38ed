"""A plate that loses heat
=======================

The plate has the shape of an L. One side is held at a temperature, one loses heat to the air, and
the flux through the others is given.

::

    u_xx + u_yy + f = 0,  u given at x = -1,  u_n + 3 u = g at y = 1,  u_n = g on the other sides
"""

import numpy as np

import kanml

SCHEDULE = [200, 200, 200]  # steps on 4, 8, 16 intervals


def exact(x, y):
    return np.exp(x / 2) * np.cos(2 * y) + x * y


def gradient(x, y):
    wave = np.exp(x / 2)
    return wave * np.cos(2 * y) / 2 + y, -2 * wave * np.sin(2 * y) + x


def source(x, y):
    return 3.75 * np.exp(x / 2) * np.cos(2 * y)


def inside(points):
    return (points[:, 0] < 0) | (points[:, 1] > 0)


def side(start, end, normal):
    """Return points from a corner to the next, and the normal at each; it points outwards."""
    points = np.linspace(start, end, 40)
    return points, np.broadcast_to(np.array(normal, dtype=float), points.shape)


def main():
    box = kanml.Sampler([-1, -1], [1, 1], n=2000, method="sobol").points
    plate = box[inside(box)]  # other shapes than a box: keep the points that are inside
    sides = [
        side((1, 0), (1, 1), (1, 0)),
        side((0, 0), (1, 0), (0, -1)),
        side((0, -1), (0, 0), (1, 0)),
        side((-1, -1), (0, -1), (0, -1)),
    ]
    edge, out = (np.vstack(parts) for parts in zip(*sides, strict=True))
    top, up = side((-1, 1), (1, 1), (0, 1))
    flux = np.sum(np.transpose(gradient(*edge.T)) * out, axis=1)  # a number for each point
    air = gradient(*top.T)[1] + 3 * exact(*top.T)
    problem = kanml.PINN(
        "xy",
        [
            kanml.Term("heat", plate, lambda u, x, y: u.xx + u.yy + source(x, y)),
            kanml.Term("flux", edge, lambda u: u.n - flux, weight=10, directions={"n": out}),
            kanml.Term("air", top, lambda u: u.n + 3 * u - air, weight=10, directions={"n": up}),
        ],
        transform=lambda u, x, y: exact(-1, y) + (1 + x) * u,  # the side that is held
    )
    net = kanml.KAN([2, 6, 1], degree=5, intervals=4, activation="tanh")

    result = kanml.train(net, problem, SCHEDULE, kanml.SSBroyden())
    axis = np.linspace(-1, 1, 101)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    grid = grid[inside(grid)]
    for level, trained in enumerate(result.levels):
        error = problem.solution(trained, grid)[:, 0] - exact(*grid.T)
        print(f"{4 * 2**level:3d} intervals: largest error {np.abs(error).max():.1e}")

    def solution(points):  # NaN is left white
        return np.where(inside(points), problem.solution(result.network, points)[:, 0], np.nan)

    ends = (-1, 1, -1, 1)  # of both axes
    left, right = kanml.plotting.figure(10, 4).subplots(1, 2)
    kanml.plotting.plot_solution(solution, ends, "temperature", "xy", axes=left)
    kanml.plotting.plot_error(solution, lambda p: exact(*p.T), ends, letters="xy", axes=right)
    return left.figure


if __name__ == "__main__":
    main().savefig("kanml-plate.png")
