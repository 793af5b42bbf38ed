"""Dense BFGS: the inverse Hessian that L-BFGS multiplies with, as a matrix."""

import numpy as np


def inverse_hessian(steps, gradient_changes):
    """Return H (n, n) after all pairs (m, n), oldest first.

    Nocedal and Wright 2006, equation 6.17, H <- (I - rho s y^T) H (I - rho y s^T) + rho s s^T with
    rho = 1 / s.y, started from equation 7.20, H0 = (s.y / y.y) I with the newest pair.
    """
    s, y = steps[-1], gradient_changes[-1]
    identity = np.eye(s.size)
    h = (s @ y) / (y @ y) * identity
    for s, y in zip(steps, gradient_changes, strict=True):
        rho = 1 / (s @ y)
        v = identity - rho * np.outer(y, s)
        h = v.T @ h @ v + rho * np.outer(s, s)
    return h
