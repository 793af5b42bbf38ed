"""A tanh perceptron in torch that solves an equation, and two ways to train it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from peers.pinns import perceptron

HISTORY = 300  # pairs of L-BFGS
CHUNK = 512  # points whose rows of the Jacobian are computed together: less memory, better caches
TRUSTED = 0.075  # the ratio of actual to predicted decrease that a step must have
START, LARGEST = 1e-3, 1e6  # dampings, relative to the largest diagonal entry


class Mlp:
    """An equation's residual for a tanh perceptron, whose parameters are one vector.

    Derivatives with respect to the inputs are carried forwards through the layers by the chain
    rule, which takes less time than nested differentiation by autograd.

    Parameters
    ----------
    torch : module
    widths : sequence of int
    points : ndarray, shape (N, d)
    box : sequence of (float, float)
        The ends of each input, which are mapped to -1 and 1.
    twice : sequence of int
        The inputs with respect to which there are second derivatives.
    conditions : callable
        ``conditions(torch, x, v)``: the solution for the outputs v of the network, as affine
        functions of these.
    residual : callable
        ``residual(torch, x, u, first, second)``, of the derivatives with respect to all inputs, and
        twice with respect to some.
    """

    def __init__(
        self,
        torch: Any,
        widths: Sequence[int],
        points: np.ndarray,
        box: Sequence[tuple[float, float]],
        twice: Sequence[int],
        conditions: Callable[[Any, Any, Any], Any],
        residual: Callable[..., Any],
    ) -> None:
        self.torch, self.twice = torch, list(twice)
        self._conditions, self._residual = conditions, residual
        net = perceptron(torch, list(widths))
        self.start = torch.nn.utils.parameters_to_vector(net.parameters()).detach()
        self._shapes = [p.shape for p in net.parameters()]
        low, high = torch.tensor(np.array(box).T)
        self._scale, self._shift = 2 / (high - low), (low + high) / (low - high)
        x = torch.tensor(points)
        plain = self.derivatives(lambda p: conditions(torch, p, 0.0), x)
        factor = self.derivatives(lambda p: conditions(torch, p, 1.0), x) - plain
        self._given = (x, plain, factor)

    def layers(self, theta: Any) -> list[tuple[Any, Any]]:
        """Return the weights and biases of each layer."""
        parts = self.torch.split(theta, [shape.numel() for shape in self._shapes])
        parts = [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return list(zip(parts[::2], parts[1::2], strict=True))

    def solution(self, theta: Any, x: Any) -> Any:
        """Return the solution at points (..., d), shape (..., 1)."""
        *hidden, last = self.layers(theta)
        v = x * self._scale + self._shift
        for weights, bias in hidden:
            v = self.torch.tanh(v @ weights.T + bias)
        return self._conditions(self.torch, x, v @ last[0].T + last[1])

    def derivatives(self, function: Callable[[Any], Any], x: Any) -> Any:
        """Return value, first and second derivatives of a function of a point, by autograd."""
        vmap, jacrev, hessian = (getattr(self.torch.func, f) for f in ("vmap", "jacrev", "hessian"))

        def single(point: Any) -> Any:
            return function(point).squeeze(-1)

        values = vmap(single)(x)[:, None]
        second = self.torch.diagonal(vmap(hessian(single))(x), dim1=1, dim2=2)
        return self.torch.cat([values, vmap(jacrev(single))(x), second[:, self.twice]], dim=1)

    def residuals(self, theta: Any) -> Any:
        """Return the residuals at all points, shape (N,)."""
        return self._residuals(theta, *self._given)

    def jacobian(self, theta: Any) -> Any:
        """Return the Jacobian of the residuals, shape (N, n): a gradient for each point."""

        def single(theta: Any, *given: Any) -> Any:
            return self._residuals(theta, *(part[None] for part in given))[0]

        rows = self.torch.func.vmap(
            self.torch.func.grad(single), in_dims=(None, 0, 0, 0), chunk_size=CHUNK
        )
        return rows(theta, *self._given)

    def residuals_by_autograd(self, theta: Any) -> Any:
        """Return the same as `residuals`, by nested differentiation."""
        x = self._given[0]
        return self._residual_of(x, self.derivatives(lambda p: self.solution(theta, p), x))

    def _residuals(self, theta: Any, x: Any, plain: Any, factor: Any) -> Any:
        """The product rule gives the derivatives of u = plain + factor * v from those of v."""
        d = x.shape[1]
        v, first, second = self._of_network(theta, x)
        twice = [1 + axis for axis in self.twice]
        u = [plain[:, :1] + factor[:, :1] * v]
        u.append(plain[:, 1 : 1 + d] + factor[:, 1 : 1 + d] * v + factor[:, :1] * first)
        u.append(
            plain[:, 1 + d :]
            + factor[:, 1 + d :] * v
            + 2 * factor[:, twice] * first[:, self.twice]
            + factor[:, :1] * second
        )
        return self._residual_of(x, self.torch.cat(u, dim=1))

    def _residual_of(self, x: Any, u: Any) -> Any:
        value, *derivatives = u.unbind(dim=1)
        d = x.shape[1]
        return self._residual(self.torch, x.unbind(dim=1), value, derivatives[:d], derivatives[d:])

    def _of_network(self, theta: Any, x: Any) -> tuple[Any, Any, Any]:
        """Return the network's outputs, their first and their second derivatives, in columns."""
        torch = self.torch
        v = x * self._scale + self._shift
        first = torch.diag(self._scale)[:, None]  # (d, points or 1, features)
        second = torch.zeros_like(first[self.twice])
        *hidden, last = self.layers(theta)
        for weights, bias in hidden:
            v = torch.tanh(v @ weights.T + bias)
            first, second = first @ weights.T, second @ weights.T
            slope = 1 - v**2
            second = slope * (second - 2 * v * first[self.twice] ** 2)
            first = slope * first
        weights, bias = last
        return v @ weights.T + bias, (first @ weights.T)[..., 0].T, (second @ weights.T)[..., 0].T


def by_lbfgs(
    torch: Any, parameters: list[Any], loss: Callable[[], Any], note: Callable[[], None]
) -> None:
    """Train until a note raises, or no step can be made."""
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=10,
        history_size=HISTORY,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    last = float("nan")
    while True:
        value = optimizer.step(closure).item()
        note()
        if value == last:
            return
        last = value


def by_levenberg_marquardt(mlp: Mlp, theta: Any, note: Callable[[Any], None]) -> None:
    """Train until a note raises, or no step can be made.

    Steps minimise ``|J p + r|^2 + damping |p|^2``, by Cholesky factors of the normal equations. QR
    factorisations of J, and then for each damping, took 1.4 times as long to an error of 1e-4. The
    damping is controlled as in Madsen, Nielsen and Tingleff, "Methods for non-linear least squares
    problems" (2004).
    """
    torch = mlp.torch
    r = mlp.residuals(theta)
    damping, growth = None, 2.0
    while True:
        jacobian = mlp.jacobian(theta)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ r
        largest = normal.diagonal().max().item()
        damping = damping or START * largest
        while True:
            if damping > LARGEST * largest:
                return
            damped = normal + damping * torch.eye(len(theta), dtype=theta.dtype)
            factor, failed = torch.linalg.cholesky_ex(damped)
            if not failed:
                step = -torch.cholesky_solve(gradient[:, None], factor)[:, 0]
                trial = mlp.residuals(theta + step)
                ratio = ((r @ r - trial @ trial) / -(step @ (2 * gradient + normal @ step))).item()
                if ratio > TRUSTED:
                    break
            damping, growth = damping * growth, 2 * growth
        theta, r = theta + step, trial
        damping, growth = damping * max(1 / 3, 1 - (2 * ratio - 1) ** 3), 2.0
        note(theta)
