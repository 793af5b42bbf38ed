"""Dense BFGS: the inverse Hessian that L-BFGS multiplies with, as a matrix."""

import numpy as np


def inverse_hessian(steps, gradient_changes, diagonal):
    """Return H (n, n) after all pairs (m, n), oldest first, started from diag(diagonal).

    Nocedal and Wright 2006, equation 6.17, H <- (I - rho s y^T) H (I - rho y s^T) + rho s s^T with
    rho = 1 / s.y.
    """
    identity = np.eye(steps.shape[1])
    h = np.diag(diagonal)
    for s, y in zip(steps, gradient_changes, strict=True):
        rho = 1 / (s @ y)
        v = identity - rho * np.outer(y, s)
        h = v.T @ h @ v + rho * np.outer(s, s)
    return h


def updated_diagonal(s, y, diagonal):
    """Return the inverse of the diagonal of the BFGS update of a scaled diagonal Hessian.

    B = r diag(1 / diagonal) with r = y.diagonal y / s.y, then Nocedal and Wright 2006, equation
    6.19: B - B s s^T B / s^T B s + y y^T / s.y.
    """
    b = np.diag((y @ (diagonal * y)) / (s @ y) / diagonal)
    updated = b - np.outer(b @ s, b @ s) / (s @ b @ s) + np.outer(y, y) / (s @ y)
    return 1 / np.diag(updated)


def initial_diagonal(steps, gradient_changes):
    """Return the diagonal after all pairs, started from s.y / y.y of the first (equation 7.20)."""
    s, y = steps[0], gradient_changes[0]
    diagonal = np.full(s.size, (s @ y) / (y @ y))
    for s, y in zip(steps, gradient_changes, strict=True):
        diagonal = updated_diagonal(s, y, diagonal)
    return diagonal
