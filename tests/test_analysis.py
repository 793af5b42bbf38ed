from itertools import pairwise

import mpmath
import numpy as np
import pytest

import kanml
from helpers import naming, random_breakpoints
from kanml import analysis

DEGREES = range(1, 6)


def uniform(n, degree):
    return kanml.SplineSpace.uniform(0, 1, n, degree)


def nonuniform(n, degree):
    return kanml.SplineSpace(random_breakpoints(np.random.default_rng(n), n), degree)


SPACES = pytest.mark.parametrize("space", [uniform, nonuniform])
ALL_DEGREES = pytest.mark.parametrize("degree", DEGREES)


# The spectrum of A


def exact(space):
    """A^T A in 80 digits, from the knots of the space as they are."""
    t = [mpmath.mpf(float(v)) for v in space.knots]
    r = space.order
    a = mpmath.zeros(space.dim)
    for i in range(space.dim):
        for j in range(i, min(i + r + 1, space.dim)):
            product = mpmath.fprod(t[j] - t[m] for m in range(i, i + r + 1) if m != j)
            a[i, j] = (-1) ** r * (t[i + r] - t[i]) / product
    return a.T * a


@ALL_DEGREES
@SPACES
def test_the_spectrum_agrees_with_one_of_many_digits(space, degree):
    space = space(8, degree)
    spectrum = analysis.transform_spectrum(space)
    with mpmath.workdps(80):
        values, vectors = mpmath.eigsy(exact(space))
        for j in range(space.dim):
            relative = abs(spectrum.eigenvalues[j] / values[j] - 1)
            assert relative <= 10 * spectrum.eigenvalue_errors[j]
            column = np.array([float(v) for v in vectors[:, j]])
            mine = spectrum.eigenvectors[:, j]
            error = np.linalg.norm(mine - column * np.sign(column @ mine))
            assert error <= 10 * spectrum.vector_errors[j]
        condition = values[space.dim - 1] / values[0]
    for mine in (spectrum.condition, analysis.transform_condition(space)):
        assert mine == pytest.approx(float(condition), rel=1e-13)
    assert spectrum.eigenvalue_errors.max() < 1e-10
    assert spectrum.eigenvalue_errors[[0, -1]].max() < 1e-15


@ALL_DEGREES
def test_what_the_naive_way_would_give(degree):
    """numpy.linalg.eigvalsh of A^T A loses the least eigenvalue; that is why it is not used."""
    space = uniform(64, degree)
    a = kanml.relu_transform(space).toarray()
    naive = np.linalg.eigvalsh(a.T @ a)[0]
    mine = analysis.transform_spectrum(space).eigenvalues[0]
    assert abs(naive / mine - 1) > (0, 1e-10, 1e-6, 1e-4, 0.1, 1)[degree]


@ALL_DEGREES
@SPACES
def test_the_vectors_are_singular_vectors(space, degree):
    space = space(20, degree)
    a = kanml.relu_transform(space)
    spectrum = analysis.transform_spectrum(space)
    left, right = spectrum.left_eigenvectors, spectrum.eigenvectors
    for vectors in (left, right):
        assert abs(vectors.T @ vectors - np.eye(space.dim)).max() < 1e-9
    image = a @ right / np.sqrt(spectrum.eigenvalues)
    large = spectrum.eigenvalues > np.sqrt(spectrum.eigenvalues[-1] * spectrum.eigenvalues[0])
    assert abs(image - left)[:, large].max() < 1e-9
    back = a.solve(left) * np.sqrt(spectrum.eigenvalues)
    assert abs(back - right)[:, ~large].max() < 1e-9


@ALL_DEGREES
@pytest.mark.parametrize(
    ("space", "n"), [(uniform, n) for n in (1, 2, 7, 128, 256)] + [(nonuniform, n) for n in (2, 16)]
)
def test_vector_j_has_j_sign_changes(space, degree, n):
    """A theorem for all knots: the inverses of A^T A and A A^T are oscillation matrices."""
    spectrum = analysis.transform_spectrum(space(n, degree))
    np.testing.assert_array_equal(spectrum.sign_changes, np.arange(n + degree))
    np.testing.assert_array_equal(spectrum.left_sign_changes, np.arange(n + degree))


@ALL_DEGREES
def test_no_sign_change_is_invented_where_vectors_decay_below_rounding(degree):
    spectrum = analysis.transform_spectrum(nonuniform(64, degree))
    for counts in (spectrum.sign_changes, spectrum.left_sign_changes):
        assert (counts <= np.arange(64 + degree)).all()
        assert counts[0] == 0


def test_sign_changes_in_rounding_are_not_counted():
    vectors = np.array([[1.0, 1.0], [-1e-17, -1e-3], [1.0, 1.0]])
    counts = analysis._sign_changes(vectors, np.array([1e-15, 1e-15]))
    np.testing.assert_array_equal(counts, [0, 2])


@ALL_DEGREES
def test_the_condition_grows_with_the_power_2r(degree):
    intervals = [256, 512]
    conditions = [analysis.transform_condition(uniform(n, degree)) for n in intervals]
    for (n, before), (m, after) in pairwise(zip(intervals, conditions, strict=True)):
        exponent = np.log(after / before) / np.log(m / n)
        assert exponent == pytest.approx(2 * (degree + 1), rel=0.05)


def test_the_condition_does_not_depend_on_the_domain():
    here = analysis.transform_spectrum(kanml.SplineSpace.uniform(-1, 1, 6, 3))
    far = analysis.transform_spectrum(kanml.SplineSpace.uniform(0, 1e-6, 6, 3))
    assert far.condition == pytest.approx(here.condition, rel=1e-9)
    np.testing.assert_allclose(far.eigenvalues / here.eigenvalues, (2e6) ** 6, rtol=1e-9)


def test_eigenvalues_beyond_float64_are_refused():
    tiny = kanml.SplineSpace.uniform(0, 1e-40, 4, 5)
    with pytest.raises(ValueError, match=naming("beyond", "1e-40")):
        analysis.transform_spectrum(tiny)


@pytest.mark.parametrize("function", [analysis.transform_spectrum, analysis.transform_condition])
def test_what_is_no_space_is_named(function):
    with pytest.raises(TypeError, match=naming("space", "3")):
        function(3)
