"""Classic problems of nonlinear least squares, at their standard starting points.

J. J. More, B. S. Garbow and K. E. Hillstrom, Testing unconstrained optimization software, ACM
Trans. Math. Softw. 7, 1981: problems 1, 13, 4, 8, 15 and 10.
"""

import numpy as np

from kanml.optim import LeastSquares

BARD = np.array([14, 18, 22, 25, 29, 32, 35, 39, 37, 58, 73, 96, 134, 210, 439]) / 100
KOWALIK = np.array([1957, 1947, 1735, 1600, 844, 627, 456, 342, 323, 235, 246]) / 1e4
KOWALIK_U = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
MEYER = np.ravel(
    [
        [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744],
        [8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872],
    ]
)


def rosenbrock(x):
    return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def powell_singular(x):
    first = [x[0] + 10 * x[1], np.sqrt(5) * (x[2] - x[3])]
    return np.array([*first, (x[1] - 2 * x[2]) ** 2, np.sqrt(10) * (x[0] - x[3]) ** 2])


def brown_badly_scaled(x):
    return np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def bard(x):
    u = np.arange(1, 16)
    v = 16 - u
    return BARD - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))


def kowalik_osborne(x):
    u = KOWALIK_U
    return KOWALIK - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def meyer(x):
    t = 45 + 5 * np.arange(1, 17)
    return x[0] * np.exp(x[1] / (t + x[2])) - MEYER


# The least value of |r|^2 that is published, and the start.
CLASSIC = {
    rosenbrock: (0.0, [-1.2, 1.0]),
    powell_singular: (0.0, [3.0, -1.0, 0.0, 1.0]),
    brown_badly_scaled: (0.0, [1.0, 1.0]),
    bard: (8.21487e-3, [1.0, 1.0, 1.0]),
    kowalik_osborne: (3.07505e-4, [0.25, 0.39, 0.415, 0.39]),
    meyer: (87.9458, [0.02, 4000.0, 250.0]),
}


def jacobian(residuals, x):
    """The derivatives by complex steps, exact to rounding."""
    columns = [residuals(x + 1e-30j * unit).imag / 1e-30 for unit in np.eye(len(x))]
    return np.stack(columns, axis=1)


def least_squares(residuals, kind=LeastSquares):
    return kind(residuals, lambda x: jacobian(residuals, x))


class Separable(LeastSquares):
    """Residuals that are affine in a part of the parameters."""

    def __init__(self, residuals, jacobian, linear):
        super().__init__(residuals, jacobian)
        self._part = linear

    @property
    def linear(self):
        return self._part


def separable(residuals, linear):
    return Separable(residuals, lambda x: jacobian(residuals, x), linear)


# Separable problems: 17 and 19 of the same collection, and their linear parameters.

OSBORNE_1 = np.concatenate(
    [
        [844, 908, 932, 936, 925, 908, 881, 850, 818, 784, 751, 718, 685, 658, 628, 603, 580],
        [558, 538, 522, 506, 490, 478, 467, 457, 448, 438, 431, 424, 420, 414, 411, 406],
    ]
)
OSBORNE_2 = np.concatenate(
    [
        [1366, 1191, 1112, 1013, 991, 885, 831, 847, 786, 725, 746, 679, 608, 655, 616, 606, 602],
        [626, 651, 724, 649, 649, 694, 644, 624, 661, 612, 558, 533, 495, 500, 423, 395, 375],
        [372, 391, 396, 405, 428, 429, 523, 562, 607, 653, 672, 708, 633, 668, 645, 632, 591],
        [559, 597, 625, 739, 710, 729, 720, 636, 581, 428, 292, 162, 98, 54],
    ]
)


def osborne_1(x):
    t = 10 * np.arange(33)
    return x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]) - OSBORNE_1 / 1000


def osborne_2(x):
    t = np.arange(65)[:, None] / 10
    bells = np.exp(-((t - x[8:]) ** 2) * x[5:8])
    return x[0] * np.exp(-t[:, 0] * x[4]) + bells @ x[1:4] - OSBORNE_2 / 1000


SEPARABLE = {
    osborne_1: (5.46489e-5, [0.5, 1.5, -1.0, 0.01, 0.02], slice(0, 3)),
    osborne_2: (
        4.01377e-2,
        [1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5],
        slice(0, 4),
    ),
}
