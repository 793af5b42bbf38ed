"""Packed symmetric matrices in the core; `test_vectors.py` has the operations of optimizers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import naming, same_bits
from kanml import _core
from reference.broyden import full

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@given(n=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_products_and_updates(dtype, n, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal(n * (n + 1) // 2).astype(dtype)
    x, y = rng.standard_normal((2, n)).astype(dtype)
    scale, xx, xy, yy = rng.standard_normal(4)
    product, out, over = np.empty_like(x), np.empty_like(matrix), matrix.copy()
    _core.symmetric_product(matrix, x, product, 1)
    positive = _core.symmetric_update(scale, matrix, x, y, xx, xy, yy, out, 1)
    _core.symmetric_update(scale, over, x, y, xx, xy, yy, over, 1)

    eps, m = np.finfo(dtype).eps, full(matrix.astype(float))
    a, b = x.astype(float), y.astype(float)
    summing = n * np.finfo(np.float64).eps
    assert (abs(product - m @ a) <= (eps + summing) * (abs(m) @ abs(a))).all()
    added = xx * np.outer(a, a) + xy * (np.outer(a, b) + np.outer(b, a)) + yy * np.outer(b, b)
    sizes = [scale * m, xx * np.outer(a, a), xy * np.outer(a, b), yy * np.outer(b, b)]
    bound = 8 * eps * sum(abs(part).max() for part in sizes)
    assert abs(full(out) - (scale * m + added)).max() <= bound
    assert positive == (np.diag(full(out)) > 0).all()
    assert same_bits(over, out)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sizes_that_do_not_fit_are_refused(dtype):
    matrix, x = np.ones(6, dtype), np.ones(3, dtype)
    with pytest.raises(ValueError, match=naming("matrix has 5 entries, expected 6")):
        _core.symmetric_product(matrix[:5], x, x.copy(), 1)
    with pytest.raises(ValueError, match=naming("out has 2 entries, expected 3")):
        _core.symmetric_product(matrix, x, np.ones(2, dtype), 1)
    with pytest.raises(ValueError, match=naming("y has 2 entries, expected 3")):
        _core.symmetric_update(1.0, matrix, x, x[:2], 1.0, 1.0, 1.0, matrix.copy(), 1)
    matrix.setflags(write=False)
    with pytest.raises(ValueError, match="out is read-only"):
        _core.symmetric_update(1.0, matrix, x, x, 1.0, 1.0, 1.0, matrix, 1)
