import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanml import _core
from reference.bfgs import inverse_hessian, updated_diagonal

DTYPES = [np.float32, np.float64]


@st.composite
def vectors(draw, count, max_size=70):
    """`count` vectors of one length and dtype, entries of very different sizes."""
    dtype = draw(st.sampled_from(DTYPES))
    n = draw(st.integers(0, max_size))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** rng.uniform(-5, 5, size=(count, n))
    return list((scale * rng.standard_normal((count, n))).astype(dtype))


@given(vectors(2))
def test_dot_is_the_sum_of_products_to_rounding(pair):
    x, y = (v.astype(np.float64) for v in pair)
    exact = math.fsum(x * y)
    bound = (x.size + 1) * np.finfo(np.float64).eps * math.fsum(np.abs(x * y))
    assert abs(_core.dot(*pair) - exact) <= bound


@given(vectors(1))
def test_max_abs(single):
    (x,) = single
    assert _core.max_abs(x) == np.max(np.abs(x), initial=0)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_max_abs_shows_nan_and_infinity_wherever_they_are(n, dtype):
    for i in range(n):
        x = np.ones(n, dtype)
        x[i] = -np.inf
        assert _core.max_abs(x) == np.inf
        x[i] = np.nan
        assert math.isnan(_core.max_abs(x))


@given(vectors(2), st.floats(-1e3, 1e3))
def test_axpy_rounds_once_and_may_write_over_its_inputs(pair, a):
    x, y = pair
    expected = (y.astype(np.float64) + a * x.astype(np.float64)).astype(x.dtype)
    out, over_x, over_y = np.empty_like(x), x.copy(), y.copy()
    _core.axpy(a, x, y, out)
    _core.axpy(a, over_x, y, over_x)
    _core.axpy(a, x, over_y, over_y)
    for result in (out, over_x, over_y):
        np.testing.assert_array_equal(result, expected)


@given(vectors(1))
def test_axpy_of_a_vector_with_itself(single):
    (x,) = single
    doubled = x.copy()
    _core.axpy(1.0, doubled, doubled, doubled)
    np.testing.assert_array_equal(doubled, 2 * x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam_direction_may_write_over_the_gradient(dtype):
    rng = np.random.default_rng(0)
    gradient, m, v = rng.standard_normal((3, 21)).astype(dtype)
    v = v * v
    hyperparameters = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "updates": 3}
    apart, over = np.empty_like(gradient), gradient.copy()
    moments = m.copy(), v.copy()
    _core.adam_direction(gradient, *moments, apart, **hyperparameters)
    again = m.copy(), v.copy()
    _core.adam_direction(over, *again, over, **hyperparameters)
    np.testing.assert_array_equal(over, apart)
    np.testing.assert_array_equal(again, moments)


@given(n=st.integers(1, 12), pairs=st.integers(1, 15), seed=st.integers(0, 2**32))
def test_two_loop_multiplies_with_the_dense_inverse_hessian(n, pairs, seed):
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    hessian = (q * 10.0 ** rng.uniform(0, 1, n)) @ q.T
    steps = rng.standard_normal((pairs, n))
    changes = steps @ hessian
    gradient = rng.standard_normal(n)
    direction = np.empty(n)
    diagonal = 10.0 ** rng.uniform(-1, 1, n)
    _core.two_loop(tuple(steps), tuple(changes), diagonal, gradient, direction)
    h = inverse_hessian(steps, changes, diagonal)
    bound = 1e-10 * np.linalg.norm(h, 2) * np.linalg.norm(gradient)
    assert np.linalg.norm(direction + h @ gradient) <= bound


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_loop_without_pairs_is_scaled_steepest_descent(dtype):
    gradient = np.array([1, -2, 3], dtype)
    direction = np.empty_like(gradient)
    _core.two_loop((), (), np.full(3, 2, dtype), gradient, direction)
    np.testing.assert_array_equal(direction, -2 * gradient)


def test_two_loop_may_write_over_the_gradient():
    rng = np.random.default_rng(0)
    steps = tuple(rng.standard_normal((3, 5)))
    changes = tuple(2 * step for step in steps)
    gradient = rng.standard_normal(5)
    direction, over = np.empty(5), gradient.copy()
    diagonal = np.full(5, 0.5)
    _core.two_loop(steps, changes, diagonal, gradient, direction)
    _core.two_loop(steps, changes, diagonal, over, over)
    np.testing.assert_array_equal(over, direction)


def test_two_loop_in_float32_is_the_float64_one_to_rounding():
    rng = np.random.default_rng(0)
    steps = rng.standard_normal((3, 50)).astype(np.float32)
    changes = 2 * steps
    gradient = rng.standard_normal(50).astype(np.float32)
    single, double = np.empty(50, np.float32), np.empty(50)
    diagonal = np.full(50, 0.5, np.float32)
    for dtype, out in ((np.float32, single), (np.float64, double)):
        pairs = tuple(steps.astype(dtype)), tuple(changes.astype(dtype))
        _core.two_loop(*pairs, diagonal.astype(dtype), gradient.astype(dtype), out)
    error = np.linalg.norm(single - double) / np.linalg.norm(double)
    assert error <= 10 * np.finfo(np.float32).eps


@pytest.mark.parametrize("dtype", DTYPES)
@given(n=st.integers(1, 30), seed=st.integers(0, 2**32))
def test_update_diagonal_is_the_diagonal_of_the_bfgs_update(dtype, n, seed):
    rng = np.random.default_rng(seed)
    diagonal = (10.0 ** rng.uniform(-2, 2, n)).astype(dtype)
    s = rng.standard_normal(n).astype(dtype)
    y = (s * 10.0 ** rng.uniform(-2, 2, n)).astype(dtype)
    start = diagonal.astype(np.float64)
    expected = updated_diagonal(*(v.astype(np.longdouble) for v in (s, y, start)))
    _core.update_diagonal(s, y, diagonal)
    # Where one entry of s rules, b - (b s)^2 / s.b s cancels: compare relative to b.
    r = (y @ (start * y)) / (s @ y)
    error = np.abs(1 / diagonal.astype(np.float64) - 1 / expected)
    assert np.all(error <= 30 * np.finfo(dtype).eps * (r / start + 1 / expected))
    assert np.all(diagonal > 0)


X = np.ones(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _core.dot(X, np.ones(4)), "y has 4 entries, expected 3"),
        (lambda: _core.axpy(1.0, X, np.ones(2), X.copy()), "y has 2 entries, expected 3"),
        (lambda: _core.axpy(1.0, X, X, np.ones(5)), "out has 5 entries, expected 3"),
        (
            lambda: _core.two_loop((X, np.ones(4)), (X, X), X, X, X.copy()),
            "a step has 4 entries, expected 3",
        ),
        (
            lambda: _core.two_loop((X, X), (X, np.ones(2)), X, X, X.copy()),
            "a change of the gradient has 2 entries, expected 3",
        ),
        (
            lambda: _core.two_loop((X, X), (X,), X, X, X.copy()),
            "2 steps do not make pairs with 1 changes of the gradient",
        ),
    ],
)
def test_lengths_that_disagree(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_output_that_is_read_only():
    out = np.ones(3)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        _core.axpy(1.0, X, X, out)


@pytest.mark.parametrize("bad", [np.ones(3, np.float32), np.ones(6)[::2], np.ones(3, int)])
def test_nothing_is_converted(bad):
    with pytest.raises(TypeError):
        _core.dot(X, bad)
    with pytest.raises(
        TypeError, match="a change of the gradient is no contiguous array of the dt"
    ):
        _core.two_loop((X,), (bad,), X, X, X.copy())
