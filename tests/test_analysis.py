import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest

import kanml
from helpers import naming, random_breakpoints
from kanml import analysis
from kanml.analysis import kernel, transform

DEGREES = range(1, 6)
C = {k: (2 ** (k + 1) / math.factorial(k)) ** 2 for k in DEGREES}


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
            assert relative <= 3 * spectrum.eigenvalue_errors[j]
            column = np.array([float(v) for v in vectors[:, j]])
            mine = spectrum.eigenvectors[:, j]
            error = np.linalg.norm(mine - column * np.sign(column @ mine))
            assert error <= 3 * spectrum.vector_errors[j]
        condition = values[space.dim - 1] / values[0]
    for mine in (spectrum.condition, analysis.transform_condition(space)):
        assert mine == pytest.approx(float(condition), rel=1e-13)
    assert spectrum.eigenvalue_errors.max() < 1e-10
    assert spectrum.eigenvalue_errors[[0, -1]].max() < 1e-14


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
    counts = transform._sign_changes(vectors, np.array([1e-15, 1e-15]))
    np.testing.assert_array_equal(counts, [0, 2])


def test_estimated_errors():
    """The lesser relative distance from either end; ten units of rounding over the gap."""
    errors = transform._vector_errors(np.array([8.0, 4.0, 3.0]))
    np.testing.assert_allclose(errors, 10 * 2.0**-52 * np.array([2.0, 8.0, 8.0]))
    spectrum = analysis.transform_spectrum(uniform(10, 2))
    ratios = spectrum.eigenvalues / spectrum.eigenvalues[[[0], [-1]]]
    expected = 20 * 2.0**-52 * np.sqrt(np.minimum(ratios[0], 1 / ratios[1]))
    np.testing.assert_allclose(spectrum.eigenvalue_errors, expected, rtol=1e-10)


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


# The kernel


def network(seed, widths, degree, intervals, layers=()):
    """A network that maps [-1, 1] into [-1, 1] from layer to layer, with random weights."""
    rng = np.random.default_rng(seed)
    net = kanml.KAN(widths, degree=degree, intervals=intervals, front=layers)
    theta = rng.uniform(-1, 1, net.n_parameters)
    for block in net.blocks:
        theta[block.slice] /= net.layers[block.layer].n_in + (block.kind == "plain")
    return net.with_parameters(theta)


def inside(seed, n, d):
    return np.random.default_rng(seed).uniform(-1, 1, (n, d))


def greatest(net, x, basis):
    return analysis.ntk_spectrum(net, x, basis).eigenvalues[0]


def ratio(net, x):
    return greatest(net, x, "spline") / greatest(net, x, "scaled-relu")


def ratio_of_rows(space, rows):
    """Of a kernel whose Jacobian in B-spline coefficients is given."""
    h = (space.domain[1] - space.domain[0]) / space.intervals
    relu = kanml.relu_transform(space).solve(np.asarray(rows).T) * h**-space.degree
    return (np.linalg.norm(rows, 2) / np.linalg.norm(relu, 2)) ** 2


@pytest.mark.parametrize("basis", [None, "spline", "relu"])
def test_the_jacobian_is_the_derivative_by_the_parameters_of_that_basis(basis):
    net = network(0, [2, 3, 2], 3, 4, [kanml.Linear(2, 2)])
    x = inside(1, 5, 2)
    rows = kernel._jacobian(net, x, basis)
    own = net if basis is None else net.to_basis(basis)
    assert rows.shape == (10, net.n_parameters)
    for i in np.random.default_rng(2).integers(0, net.n_parameters, 10):
        unit = np.eye(net.n_parameters)[i]
        np.testing.assert_allclose(
            rows[:, i], own.jvp(x, unit).ravel(), rtol=1e-8, atol=1e-8 * abs(rows).max()
        )


def test_scaled_relu_derivatives_are_those_of_relu_weights_divided_by_a_power_of_the_spacing():
    spaces = [kanml.SplineSpace.uniform(-1, 1, n, 2) for n in (4, 8)]
    net = kanml.Network(
        [kanml.SplineLayer(2, 1, spaces), kanml.SplineLayer(1, 2, spaces[0], base="silu")]
    )
    x = inside(0, 3, 2)
    relu, scaled = (kernel._jacobian(net, x, basis) for basis in ("relu", "scaled-relu"))
    h = np.repeat([0.5, 0.25, 0.5, 1.0], [6, 10, 12, 2])  # the base function has no knots
    np.testing.assert_allclose(scaled, relu * h**-2, rtol=1e-13)


@pytest.mark.parametrize("own", ["spline", "relu"])
def test_the_basis_of_the_network_does_not_matter_once_one_is_chosen(own):
    net = network(3, [1, 2, 1], 2, 5).to_basis(own)
    x = inside(4, 6, 1)
    np.testing.assert_allclose(analysis.ntk(net, x), analysis.ntk(net, x, own), rtol=1e-9)
    other = net.to_basis("relu" if own == "spline" else "spline")
    for basis in ("spline", "scaled-relu"):
        np.testing.assert_allclose(
            analysis.ntk(net, x, basis), analysis.ntk(other, x, basis), rtol=1e-9
        )


def test_the_kernel_in_float32_is_that_of_the_same_weights_in_float64():
    net = kanml.KAN([1, 2, 1], dtype="float32", seed=5)
    double = kanml.KAN([1, 2, 1]).with_parameters(net.parameters)
    x = inside(6, 4, 1)
    np.testing.assert_array_equal(analysis.ntk(net, x), analysis.ntk(double, x))


@pytest.mark.parametrize("n", [3, 40])
def test_the_spectrum_of_the_kernel(n):
    net = network(7, [2, 2, 2], 2, 3)
    x = inside(8, n, 2)
    kernel = analysis.ntk(net, x)
    spectrum = analysis.ntk_spectrum(net, x)
    m = min(2 * n, net.n_parameters)
    assert spectrum.eigenvalues.shape == (m,)
    assert spectrum.eigenvectors.shape == (2 * n, m)
    assert (np.diff(spectrum.eigenvalues) <= 0).all()
    again = spectrum.eigenvectors * spectrum.eigenvalues @ spectrum.eigenvectors.T
    np.testing.assert_allclose(again, kernel, atol=1e-12 * abs(kernel).max())
    np.testing.assert_array_equal(kernel, kernel.T)


def test_small_eigenvalues_are_not_lost():
    """Two samples 1e-9 apart: an eigenvalue of about 1e-18 of the greatest."""
    net = kanml.KAN([1, 1], degree=1, intervals=1, domain=(0, 1))
    values = analysis.ntk_spectrum(net, [[0.5], [0.5 + 2.0**-30]]).eigenvalues
    # J = [[1/2, 1/2], [1/2 - e, 1/2 + e]] with determinant e
    assert values[0] * values[1] == pytest.approx(2.0**-60, rel=1e-6)


def test_a_network_without_splines_has_one_kernel():
    net = kanml.MLP([2, 4, 1])
    x = inside(9, 3, 2)
    np.testing.assert_array_equal(analysis.ntk(net, x), analysis.ntk(net, x, "scaled-relu"))


@pytest.mark.parametrize("function", [analysis.ntk, analysis.ntk_spectrum])
def test_bad_arguments_of_the_kernel_are_named(function):
    net = kanml.KAN([2, 1])
    with pytest.raises(TypeError, match=naming("net", "5")):
        function(5, [[0.0]])
    with pytest.raises(ValueError, match=naming("x", "(N, 2)", "(1, 1)")):
        function(net, [[0.0]])
    with pytest.raises(ValueError, match=naming("basis", "'fourier'")):
        function(net, [[0.0, 0.0]], "fourier")
    uneven = kanml.SplineLayer(1, 1, kanml.SplineSpace([0.0, 1.0, 3.0], 2))
    with pytest.raises(ValueError, match=naming("scaled-relu", "uniform", "layers[1]")):
        function(kanml.Network([kanml.Linear(2, 1), uneven]), [[0.0, 0.0]], "scaled-relu")


@pytest.mark.parametrize("function", [analysis.transform_spectrum, analysis.transform_condition])
def test_what_is_no_space_is_named(function):
    with pytest.raises(TypeError, match=naming("space", "3")):
        function(3)


# The bound of Supplement C


@ALL_DEGREES
def test_the_bound_is_that_of_the_matrix_and_approached_by_it(degree):
    assert analysis.ntk_bound(degree) == pytest.approx(C[degree], rel=1e-15)
    squares = []
    for n in (4, 16, 64, 256):
        space = kanml.SplineSpace.uniform(0, n, n, degree)  # h = 1
        squares.append(np.linalg.norm(kanml.relu_transform(space).toarray(), 2) ** 2)
    assert squares == sorted(squares)
    assert 0.999 * C[degree] < squares[-1] < C[degree]


def test_the_printed_constant_fails_for_a_single_functional():
    """A kernel of one row, aligned with the greatest singular vector of h^degree A."""
    ratios = []
    for n in (2, 4, 8, 64):
        space = kanml.SplineSpace.uniform(0, 1, n, 1)
        top = analysis.transform_spectrum(space).left_eigenvectors[:, -1:]
        ratios.append(ratio_of_rows(space, top.T))
    assert ratios == sorted(ratios)
    assert ratios[0] > 10
    assert 15.9 < ratios[-1] < 16


@pytest.mark.parametrize("degree", [0, 6, 2.0, True])
def test_degrees_of_the_bound_are_checked(degree):
    with pytest.raises((TypeError, ValueError), match=naming("degree", degree)):
        analysis.ntk_bound(degree)


SHAPES = [([1, 1], 6), ([2, 3, 1], 3), ([1, 3, 2, 2], 5), ([2, 2, 2, 2, 1], 2)]


@ALL_DEGREES
@pytest.mark.parametrize(("widths", "intervals"), SHAPES)
def test_the_bound_holds_as_an_inequality_of_quadratic_forms(degree, widths, intervals):
    net = network(degree, widths, degree, intervals)
    x = 2 * inside(10, 8, widths[0])  # it holds outside the domain too
    spline, relu = (analysis.ntk(net, x, basis) for basis in ("spline", "scaled-relu"))
    least = np.linalg.eigvalsh(C[degree] * relu - spline)[0]
    assert least >= -1e-13 * C[degree] * abs(relu).max()


@ALL_DEGREES
@pytest.mark.parametrize(("widths", "intervals"), SHAPES)
def test_inside_the_domain_a_stronger_bound_holds(degree, widths, intervals):
    """rho(NTK_spline) <= L degree^(-2 degree) rho(NTK_scaled-relu), with L spline layers."""
    for seed in range(3):
        net = network(seed, widths, degree, intervals)
        bound = (len(widths) - 1) / degree ** (2 * degree)
        assert ratio(net, inside(seed, 12, widths[0])) <= bound * (1 + 1e-12)


@ALL_DEGREES
def test_parameters_of_other_layers_contribute_equally(degree):
    net = network(11, [1, 2, 1], degree, 4, [kanml.Linear(1, 2), kanml.Activation("tanh")])
    x = inside(12, 10, 1)
    spline, relu = (analysis.ntk(net, x, basis) for basis in ("spline", "scaled-relu"))
    c = max(1.0, C[degree])
    assert np.linalg.eigvalsh(c * relu - spline)[0] >= -1e-13 * c * abs(relu).max()
    assert ratio(net, x) <= 1 + 2 / degree ** (2 * degree)


def test_beyond_the_domain_a_network_exceeds_the_printed_constant():
    """Left of the domain by h / sqrt(2), where the layer continues linearly: 3 + 2 sqrt(2)."""
    net = kanml.KAN([1, 1], degree=1, intervals=4, domain=(0, 4))
    assert ratio(net, [[-(0.5**0.5)]]) == pytest.approx(3 + 8**0.5, rel=1e-12)
    smooth = kanml.KAN([1, 1], degree=2, intervals=4, domain=(0, 4), extrapolation="polynomial")
    assert ratio(smooth, [[-1.28]]) == pytest.approx(4.486, abs=1e-3)
    deep = kanml.KAN([1, 1, 1], degree=1, intervals=4, domain=(0, 4))
    slope_first = [-1 - 0.5**0.5, -(0.5**0.5), *[0.0] * 3]  # a hidden value beyond the domain
    flat = [1.0, 1.0 + 1e-9, 1.0, 1.0, 1.0]
    assert ratio(deep.with_parameters([*slope_first, *flat]), [[1.0]]) > 4


def test_a_residual_at_a_point_of_the_domain_exceeds_the_printed_constant():
    """The kernel of the boundary residual u - (h / sqrt(2)) u', of one layer, at the left end."""
    space = kanml.SplineSpace.uniform(0, 1, 8, 1)
    row = space.design_matrix([0.0]) - 0.5**0.5 / 8 * space.design_matrix([0.0], 1)
    assert ratio_of_rows(space, row) == pytest.approx(3 + 8**0.5, rel=1e-12)
    # Degree 2: a residual in u, u' and u'' can be any functional of the first three functions.
    space = kanml.SplineSpace.uniform(0, 3, 3, 2)
    a = kanml.relu_transform(space).toarray()[:3, :3]
    row = np.zeros((1, 5))
    row[0, :3] = np.linalg.svd(a)[0][:, 0]
    rows = [space.design_matrix([0.0], m)[0] for m in range(3)]
    assert np.linalg.lstsq(np.transpose(rows), row[0], rcond=None)[2] == 2 + 1
    assert ratio_of_rows(space, row) == pytest.approx(6.99, abs=0.01)


def test_a_part_of_the_parameters_exceeds_the_printed_constant():
    """The kernel of eleven edges of a network, the others being frozen, at points of the domain.

    Sample n has input p at one end of the domain or the other, as n - p is in a difference set
    modulo 11, so that no other combination of samples is coherent in many inputs.
    """
    p, chosen = 11, {1, 3, 4, 5, 9}
    first, second = (kanml.SplineSpace.uniform(*ends, degree=1) for ends in ((0, 1, 1), (-1, 1, 2)))
    net = kanml.Network([kanml.SplineLayer(p, p, first), kanml.SplineLayer(p, 1, second)])
    diagonal = np.einsum("pq,j->pjq", np.eye(p), [-0.5, 0.5])
    slopes = np.tile([1.0, 0.0, 0.355], p)  # -1 on the left of 0, 0.355 on the right
    net = net.with_parameters(np.append(diagonal, slopes))
    x = np.array([[float((n - i) % p in chosen) for i in range(p)] for n in range(p)])
    edges = np.flatnonzero(np.append(np.broadcast_to(np.eye(p)[:, None], (p, 2, p)), 0 * slopes))
    norms = [
        np.linalg.norm(kernel._jacobian(net, x, basis)[:, edges], 2)
        for basis in ("spline", "scaled-relu")
    ]
    assert 4.2 < (norms[0] / norms[1]) ** 2 < 16
    assert ratio(net, x) <= 2  # of all parameters


def test_knots_are_uniform_up_to_rounding():
    net = kanml.KAN([1, 1], degree=1, intervals=1000)
    assert analysis.ntk(net, [[0.5]], "scaled-relu").shape == (1, 1)


def test_a_spectrum_needs_finite_derivatives():
    net = kanml.KAN([1, 1])
    with pytest.raises(ValueError, match=r"x\[1\] are not finite"):
        analysis.ntk_spectrum(net, [[0.0], [np.nan]])


def test_derivatives_by_weights_that_do_not_fit_are_had_without_a_warning():
    net = kanml.KAN([1, 1], intervals=1000, degree=5)
    assert np.isfinite(analysis.ntk(net, [[0.5]], "relu")).all()
