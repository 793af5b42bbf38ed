"""Affine maps from data or a box: mean zero and variance one, or the domain with its ends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_cases import DATA

import kanml


@pytest.mark.parametrize("width", DATA)
def test_standardising_gives_mean_zero_and_variance_one(width):
    x = DATA[width]
    layer = kanml.Affine.standardising(x)
    y = x * layer.scale + layer.shift
    spread = np.abs(x).max(axis=0) / x.std(axis=0)  # how much the shift cancels
    assert np.all(np.abs(y.mean(axis=0)) <= 1e-14 * spread)
    np.testing.assert_allclose(y.std(axis=0), 1.0, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 3, 7, 48, 1000])
@pytest.mark.parametrize("value", [0.0, 0.1, -1.3, 12345.6, 1e-320, 1e200, -1.7e308])
def test_standardising_only_shifts_a_column_of_one_value(value, n):
    x = np.column_stack([np.full(n, value), np.arange(n)])
    layer = kanml.Affine.standardising(x)
    assert layer.scale[0] == 1.0
    assert layer.shift[0] == -value


def test_a_column_that_varies_by_its_rounding_is_one_of_one_value():
    tenths = np.cumsum(np.full((3, 10), 0.1), axis=1)[:, -1:]  # sums of ten tenths, 1 - 1e-16
    x = np.concatenate([tenths, np.ones((3, 1))])
    assert np.ptp(x) > 0
    layer = kanml.Affine.standardising(x)
    assert layer.scale == 1.0
    np.testing.assert_allclose(kanml.Network([layer])(x), 0.0, atol=2e-16)


@pytest.mark.parametrize("size", [1e-290, 1e-200, 1e200, 1.7e308])
def test_standardising_columns_of_any_size(size):
    x = size * np.array([[0.25, -1.0], [0.5, 1.0], [1.0, 0.5]])
    y = kanml.Network([kanml.Affine.standardising(x)])(x)
    np.testing.assert_allclose(y.mean(axis=0), 0.0, atol=1e-15)
    np.testing.assert_allclose(y.std(axis=0), 1.0, rtol=1e-14)


def test_standardising_refuses_a_scale_that_float64_cannot_hold():
    with pytest.raises(ValueError, match=r"every column, got x\[:, 1\] from 0\.0 to 1e-310"):
        kanml.Affine.standardising([[0.0, 0.0], [1.0, 1e-310]])


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([1.0, 2.0], ValueError, r"x must have shape \(N, width\), not empty, got \(2,\)"),
        (np.zeros((0, 2)), ValueError, r"got \(0, 2\)"),
        ([[np.nan]], ValueError, r"x must be finite, got x\[0, 0\] = nan"),
        ([[1j]], TypeError, "x must hold real numbers"),
    ],
)
def test_standardising_refuses_what_it_cannot(x, error, message):
    with pytest.raises(error, match=message):
        kanml.Affine.standardising(x)


# Boxes


def fused(scale, x, shift):
    """scale * x + shift, rounded once."""
    return float(Fraction(scale) * Fraction(x) + Fraction(shift))


@given(
    st.tuples(*[st.floats(-1e6, 1e6)] * 2).filter(lambda box: box[1] - box[0] > 1e-6),
    st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (-3.0, 0.1), (0.3, 0.7)]),
)
def test_a_box_is_mapped_into_the_domain_with_its_ends(box, domain):
    """Whether a kernel rounds the product or not; and it fills the domain, up to rounding."""
    layer = kanml.Affine.normalising([box[0]], [box[1]], domain)
    (scale,), (shift,) = layer.scale.tolist(), layer.shift.tolist()
    images = [image for x in box for image in (scale * x + shift, fused(scale, x, shift))]
    assert domain[0] <= min(images)
    assert max(images) <= domain[1]
    length = domain[1] - domain[0]
    rounding = 8 * np.finfo(float).eps * (1 + length * max(map(abs, box)) / (box[1] - box[0]))
    np.testing.assert_allclose(images, np.repeat(domain, 2), rtol=0, atol=rounding)


@pytest.mark.parametrize(
    ("lower", "upper"), [(-3.0, -2.4), (0.1, 0.3), (-1.1, 4.9), (1000.1, 1000.7)]
)
def test_the_corner_of_a_box_is_inside(lower, upper):
    """There is no jump of derivatives, and no refusal."""
    for rule in ("linear", "error"):
        box = kanml.Affine.normalising([lower], [upper])
        net = kanml.KAN([1, 1], intervals=4, extrapolation=rule, front=[box])
        net = net.with_parameters(np.arange(7.0) ** 2)
        step = (upper - lower) * 1e-9
        x = [[lower], [lower + step], [upper - step], [upper]]
        second = net.derivatives(x, ["xx"], "x")["xx"][:, 0]
        np.testing.assert_allclose(second[[0, 3]], second[[1, 2]], rtol=1e-6)
