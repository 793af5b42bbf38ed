"""Linear operators: products of invertible ones."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import kanml
from helpers import same_bits
from kanml.splines.operators import identity


def transforms():
    """Two matrices that do not commute, exact in float64."""
    return [
        kanml.relu_transform(kanml.SplineSpace(points, 1))
        for points in ([0.0, 1.0, 2.0, 4.0], [0.0, 2.0, 3.0, 4.0])
    ]


def test_products():
    A, B = transforms()
    product = A.T.after(B)
    expected = A.toarray().T @ B.toarray()
    np.testing.assert_allclose(product.toarray(), expected, rtol=1e-15)
    assert (expected != B.toarray() @ A.toarray().T).any()
    np.testing.assert_allclose(product.T.toarray(), expected.T, rtol=1e-15)
    np.testing.assert_allclose(product.inverse.toarray() @ expected, np.eye(4), atol=1e-14)
    np.testing.assert_allclose(product.T.inverse.toarray() @ expected.T, np.eye(4), atol=1e-14)
    again = pickle.loads(pickle.dumps(product))
    assert same_bits(again.toarray(), product.toarray())


def test_a_product_warns_of_what_its_factors_warn_of():
    A = kanml.relu_transform(kanml.SplineSpace.uniform(0, 1, 200, 3))
    b = np.ones(A.shape[0], np.float32)
    for product in (A.after(identity(A.shape[0])), identity(A.shape[0]).after(A)):
        product @ b
        with pytest.warns(RuntimeWarning, match="float32 cannot hold"):
            product.solve(b)
        with pytest.warns(RuntimeWarning, match="float32 cannot hold"):
            product.inverse @ b


def test_the_identity():
    same = identity(3)
    x = np.array([1.0, -0.0, np.nan])
    for y in (same @ x, same.T @ x, same.solve(x), pickle.loads(pickle.dumps(same)) @ x):
        assert same_bits(y, x)
        assert not np.shares_memory(y, x)
