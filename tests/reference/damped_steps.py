"""Damped steps of least squares, from the singular value decomposition."""

import numpy as np


def damped_step(jacobian, residuals, damping, negligible=0.0):
    """The step that minimises |J p + r|^2 + damping |p|^2, and by how much |J p + r|^2 falls.

    Singular values of at most `negligible` times the largest count as zero; without damping, the
    step is the shortest.
    """
    u, s, vt = np.linalg.svd(np.asarray(jacobian, np.float64), full_matrices=False)
    kept = s > negligible * s[0]
    u, s, vt = u[:, kept], s[kept], vt[kept]
    step = -vt.T @ (s * (u.T @ residuals) / (s**2 + damping))
    fall = residuals @ residuals - np.sum((jacobian @ step + residuals) ** 2)
    return step, fall


def damping_of(jacobian, residuals, radius, negligible=0.0):
    """The damping whose step has this length, by bisection; 0 if the undamped one is shorter."""

    def length(damping):
        return np.linalg.norm(damped_step(jacobian, residuals, damping, negligible)[0])

    if length(0.0) <= radius:
        return 0.0
    low, high = 0.0, 1.0
    while length(high) > radius:
        high *= 10
    for _ in range(200):
        middle = np.sqrt(low * high) if low > 0 else high * 1e-3
        low, high = (middle, high) if length(middle) > radius else (low, middle)
    return high
