"""Steps in a subspace of the parameters, and what preconditions it; against dense matrices."""

import math

import numpy as np
import pytest

import kanml
from helpers import same_bits
from kanml.multilevel.geometry import coarser_grids
from kanml.optim import LeastSquares, LevenbergMarquardt
from kanml.optim.base import Coarser
from kanml.optim.krylov import subspace
from kanml.optim.preconditioner import PROBES, Diagonals
from kanml.optim.vectors import operations


class Counting(LeastSquares):
    """Counts the products with the Jacobian."""

    pushed = pulled = 0

    def jvp(self, theta, v):
        self.pushed += 1
        return super().jvp(theta, v)

    def vjp(self, theta, u):
        self.pulled += 1
        return super().vjp(theta, u)


def linear(m, n, scales, dtype=np.float64, seed=0):
    """Rows whose columns have these lengths: the function, its residuals at 0, its Jacobian."""
    rng = np.random.default_rng(seed)
    residuals = rng.standard_normal(m).astype(dtype)
    matrix = (rng.standard_normal((m, n)) / math.sqrt(m) * scales).astype(dtype)
    return Counting(lambda x: residuals + matrix @ x, lambda x: matrix), residuals, matrix


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("joined", [False, True])
def test_the_model_in_a_subspace(joined, dtype):
    """J V y + r has the length that the triangle says, for V with orthonormal columns."""
    eps = np.finfo(dtype).eps
    function, residuals, matrix = linear(60, 40, np.geomspace(1, 0.1, 40), dtype)
    last = np.random.default_rng(1).standard_normal(40).astype(dtype) if joined else None
    gradient = function(theta := np.zeros(40, dtype))[1]
    triangle, basis = subspace(function, theta, gradient, 1e9, 5, last)
    v = np.array(basis, np.float64).T
    k = v.shape[1]
    assert k == function.pushed == 5
    np.testing.assert_allclose(v.T @ v, np.eye(k), rtol=0, atol=20 * eps)
    projected = matrix.astype(np.float64) @ v
    exact = projected.T @ projected
    np.testing.assert_allclose(triangle.R.T @ triangle.R, exact, rtol=0, atol=100 * eps)
    np.testing.assert_allclose(
        triangle.c @ triangle.R, projected.T @ residuals, rtol=0, atol=100 * eps
    )
    assert (triangle.rows, triangle.epsilon) == (60, eps)
    for inside in [gradient] if last is None else [gradient, last]:
        outside = inside - v @ (v.T @ inside)
        assert np.linalg.norm(outside) <= 20 * eps * np.linalg.norm(inside)
    if last is None:
        for useless in (gradient, np.zeros(40, dtype)):
            found, _ = subspace(function, theta, gradient, 1e9, 5, useless)
            assert same_bits(found.matrix, triangle.matrix)


def signs(seed, size):
    return np.asarray(operations(np.zeros(1)).signs(seed, np.zeros(size)))


def test_signs():
    drawn = np.array([signs(seed, 1000) for seed in range(50)])
    assert set(drawn.ravel().tolist()) == {-1.0, 1.0}
    assert abs(drawn.mean(axis=0)).max() < 0.7
    off = drawn @ drawn.T / 1000 - np.eye(50)
    assert abs(off).max() < 0.2
    assert same_bits(signs(3, 10), signs(3, 10))


def test_diagonals_are_those_of_the_probes_on_all_grids():
    """M is the sum over grids of P D^-1 P^T, with D from dense matrices."""
    m, n, damping = 50, 12, 0.3
    function, _, matrix = linear(m, n, np.geomspace(1e3, 1, n))
    rng = np.random.default_rng(4)
    p = [rng.random((12, 7)), rng.random((7, 4))]
    coarser = [Coarser(prolong=q.__matmul__, restrict=q.T.__matmul__) for q in p]
    precondition = Diagonals(function, np.zeros(n), np.zeros(m), damping, coarser)
    assert function.pulled == PROBES
    expected = np.zeros((n, n))
    for to_grid in (np.eye(n), p[0], p[0] @ p[1]):
        rows = [
            matrix.T @ signs(2 * i, m) + math.sqrt(damping) * signs(2 * i + 1, n)
            for i in range(PROBES)
        ]
        diagonal = np.sum((np.array(rows) @ to_grid) ** 2, axis=0)
        diagonal += np.finfo(float).eps * diagonal.max()
        expected += to_grid / diagonal @ to_grid.T
    found = np.array([precondition(e) for e in np.eye(n)])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_subspace_is_that_of_the_preconditioned_gradients():
    """For an undamped linear problem: span of g, M g, M G M g, ... with G = J^T J."""
    function, residuals, matrix = linear(60, 20, np.geomspace(1, 1e-2, 20))
    theta, last = np.zeros(20), np.zeros(20)
    gradient = matrix.T @ residuals
    triangle, basis = subspace(function, theta, 2 * gradient, 1e9, 5, last)
    precondition = Diagonals(function, theta, np.zeros(60), 0.0)
    v, expected = np.array(basis).T, [gradient]
    for _ in range(4):
        q = np.linalg.qr(np.array(expected).T)[0]
        y = np.linalg.lstsq(matrix @ q, -residuals)[0]
        expected.append(precondition(matrix.T @ (matrix @ (q @ y) + residuals)))
    for direction in expected:
        outside = direction - v @ (v.T @ direction)
        assert np.linalg.norm(outside) <= 1e-9 * np.linalg.norm(direction)
    least = np.linalg.lstsq(matrix @ v, -residuals)[0]
    y = np.linalg.solve(triangle.R, -triangle.c)
    np.testing.assert_allclose(y, least, rtol=1e-8, atol=1e-10)


def test_columns_of_many_lengths_cost_no_more_columns():
    """The diagonal takes them away: without it conjugate gradients would need nearly all."""
    counts = []
    for scales in (np.ones(200), np.geomspace(1, 1e-4, 200)):
        function, residuals, matrix = linear(2000, 200, scales)
        state = LevenbergMarquardt(largest_triangle=0).init(np.zeros(200))
        state = state.changed(radius=1e9)
        state = LevenbergMarquardt(largest_triangle=0).step(function, state)
        least = residuals @ residuals - np.linalg.lstsq(matrix, -residuals)[1][0]
        assert state.value is not None
        assert residuals @ residuals - state.value >= 0.8 * least
        counts.append(state.columns)
        assert function.pushed == state.columns == state.report["inner iterations"]
        assert function.pulled <= state.columns + PROBES
    assert max(counts) <= 20


def test_restriction_is_the_transpose_and_keeps_the_unknowns():
    nets = [kanml.KAN([2, 3, 1], degree=2, intervals=2, seed=1)]
    nets += [nets[0].refine(), nets[0].refine().refine()]
    grids = coarser_grids(nets, n_unknowns=2)
    rng = np.random.default_rng(0)
    for (coarse, fine), grid in zip([(1, 2), (0, 1)], grids, strict=True):
        c = rng.standard_normal(nets[coarse].n_parameters + 2)
        d = rng.standard_normal(nets[fine].n_parameters + 2)
        p = nets[coarse].prolongation(nets[fine])
        assert same_bits(grid.prolong(c), np.concatenate([p @ c[:-2], c[-2:]]))
        assert math.isclose(grid.prolong(c) @ d, c @ grid.restrict(d), rel_tol=1e-12)


def regression():
    x = np.random.default_rng(2).uniform(-1, 1, (300, 2))
    net = kanml.KAN([2, 3, 1], degree=3, intervals=2, seed=1)
    return net, kanml.Regression(x, np.sin(3 * x[:, :1]) * x[:, 1:])


def test_training_hands_over_its_grids(monkeypatch):
    seen = []

    def step(self, function, state, geometry=None):
        seen.append((state.parameters.size, geometry))
        return plain(self, function, state, geometry)

    plain = LevenbergMarquardt.step
    monkeypatch.setattr(LevenbergMarquardt, "step", step)
    net, problem = regression()
    optimizer = LevenbergMarquardt(largest_triangle=0, columns=6)
    kanml.train(net, problem, [2, 2, 2], optimizer, restarts=0, progress=False)
    assert [len(geometry.coarser) for _, geometry in seen] == [0, 0, 1, 1, 2, 2]
    size, geometry = seen[-1]
    ones = geometry.coarser[1].restrict(geometry.coarser[0].restrict(np.ones(size)))
    assert ones.shape == net.parameters.shape


def test_a_resumed_run_has_the_same_bits(tmp_path):
    net, problem = regression()
    optimizer = LevenbergMarquardt(largest_triangle=0, columns=6)

    def train(**options):
        return kanml.train(net, problem, [2, 4], optimizer, restarts=0, progress=False, **options)

    whole = train()
    train(callbacks=[kanml.Checkpoint(tmp_path / "run", 1), lambda state: state.step == 4])
    resumed = train(resume=tmp_path / "run")
    assert same_bits(resumed.network.parameters, whole.network.parameters)
