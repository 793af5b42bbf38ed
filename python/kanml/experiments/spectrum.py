"""How the change of basis affects training: figures 1 and 2 of the paper, and its Supplement C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from kanml import analysis
from kanml._validation import Float64Array
from kanml.experiments.outputs import draw_picture
from kanml.experiments.tables import heading
from kanml.network import KAN, Network
from kanml.plotting import (
    figure,
    plot_conditions,
    plot_eigenvectors,
    plot_sign_changes,
    plot_spectra,
)
from kanml.splines import SplineSpace
from kanml.splines.power_relu import relu_transform

__all__ = ["reproduce"]

ORDERS = (2, 3, 4, 5)
INTERVALS = (128, 256, 512, 1024, 2048)
SIGNS_INTERVALS = 512
PICTURE_INTERVALS = (16, 64, 256)
DEGREES = (1, 2, 3, 4, 5)
PRINTED = 4  # the constant of the paper, for every order
MATRIX_INTERVALS = 256
SHAPES = (([1, 1], 8), ([2, 3, 1], 4), ([1, 4, 4, 1], 3), ([3, 2, 2, 2], 6), ([2, 2, 2, 2, 1], 2))
SEEDS = 8
SAMPLES = 16


def reproduce(picture: Path | None) -> None:
    """Print how the change of basis affects training, and draw the picture."""
    conditions = _print_conditions()
    _print_sign_changes()
    _print_ratios()
    draw_picture(picture, partial(_draw, conditions))


def unit_spacing(intervals: int, degree: int) -> SplineSpace:
    """Return the uniform space of spacing 1; its A is ``h^degree A`` of any other spacing h."""
    return SplineSpace.uniform(0, intervals, intervals, degree)


def _print_conditions() -> dict[int, list[float]]:
    """Print, and return by order, the condition of A^T A for each number of intervals."""
    print(
        "B-splines are b = A psi in powers of ReLUs (section 3). The condition of A^T A, uniform\n"
        "knots, and the power of n that fits it best; in the paper it is n^(2r).\n"
    )
    line = "{:5s}" + "{:11.2e}" * len(INTERVALS) + "{:9.2f}{:4d}"
    print(heading(line, ("order", *(f"n = {n}" for n in INTERVALS), "fitted", "2r")), flush=True)
    conditions: dict[int, list[float]] = {}
    for order in ORDERS:
        found = [analysis.transform_condition(unit_spacing(n, order - 1)) for n in INTERVALS]
        fitted = np.polyfit(np.log(INTERVALS), np.log(found), 1)[0]
        print(line.format(f"r = {order}", *found, fitted, 2 * order), flush=True)
        conditions[order] = found
    return conditions


def _print_sign_changes() -> None:
    print(
        f"\nSign changes of eigenvector j, from 0, by ascending eigenvalue of A^T A, n = "
        f"{SIGNS_INTERVALS}:\nthe number of vectors with exactly j, and the largest errors.\n"
    )
    line = "{:5s}{:>12s}{:>14s}{:13.0e}{:13.0e}"
    print(heading(line, ("order", "A^T A", "(A A^T)^-1", "eigenvalue", "eigenvector")))
    for order in ORDERS:
        spectrum = analysis.transform_spectrum(unit_spacing(SIGNS_INTERVALS, order - 1))
        dim = len(spectrum.eigenvalues)
        right, left = (
            np.count_nonzero(counts == np.arange(dim))
            for counts in (spectrum.sign_changes, spectrum.left_sign_changes)
        )
        errors = (spectrum.eigenvalue_errors.max(), spectrum.vector_errors.max())
        print(line.format(f"r = {order}", f"{right}/{dim}", f"{left}/{dim}", *errors), flush=True)


def _print_ratios() -> None:
    layers = max(len(widths) for widths, _ in SHAPES) - 1
    print(
        "\nHow much larger the neural tangent kernel can be in B-splines than in ReLU powers\n"
        "divided by h^k: rho(NTK_spline) / rho(NTK_relu), uniform knots. The paper states that it\n"
        f"is at most {PRINTED}; its argument gives the square, (2^r / (r-1)!)^2. Found for\n"
        f"- networks: {SEEDS} random ones of each of {len(SHAPES)} shapes, {SAMPLES} samples, all\n"
        f"  layers inside their domains; proven: at most L k^(-2k), L = {layers} spline layers;\n"
        "- outside: one sample left of the domain, where a layer continues linearly;\n"
        "- residual: one in u, u', ..., u^(k) at a point of the domain, one layer;\n"
        f"- functional: any linear one of a layer of {MATRIX_INTERVALS} intervals, |h^k A|^2.\n"
    )
    line = "{:5s}{:9d}{:11.4g}{:10.1e}{:9.1e}{:9.2g}{:10.2g}{:12.4g}"
    found = ("networks", "proven", "outside", "residual", "functional")
    print(heading(line, ("order", "printed", "corrected", *found)))
    for degree in DEGREES:
        matrix = relu_transform(unit_spacing(MATRIX_INTERVALS, degree)).toarray()
        first = matrix[: degree + 1, : degree + 1]  # the functions at the left end
        ratios = (
            largest_ratio(degree),
            layers / degree ** (2 * degree),
            worst_sample_outside(degree),
            np.linalg.norm(first, 2) ** 2,
            np.linalg.norm(matrix, 2) ** 2,
        )
        bound = analysis.ntk_bound(degree)
        print(line.format(f"r = {degree + 1}", PRINTED, bound, *ratios), flush=True)


def ntk_ratio(net: Network, x: Float64Array) -> float:
    """Return ``rho(NTK_spline) / rho(NTK_scaled-relu)`` of a network at samples (N, n_in)."""
    spline, relu = (
        analysis.ntk_spectrum(net, x, basis).eigenvalues[0] for basis in ("spline", "scaled-relu")
    )
    return float(spline / relu)


def largest_ratio(degree: int) -> float:
    """Return the largest ratio over random networks, evaluated inside all domains."""
    rng = np.random.default_rng(degree)
    ratios = []
    for widths, intervals in SHAPES:
        net = KAN(widths, degree=degree, intervals=intervals)
        for _ in range(SEEDS):
            x = rng.uniform(-1, 1, (SAMPLES, net.n_in))
            ratios.append(ntk_ratio(_with_values_in_the_domain(net, rng), x))
    return max(ratios)


def _with_values_in_the_domain(net: Network, rng: np.random.Generator) -> Network:
    """Return the network with random weights that map [-1, 1] into itself in every layer."""
    theta = rng.uniform(-1, 1, net.n_parameters)
    for block in net.blocks:
        theta[block.slice] /= net.layers[block.layer].n_in or 1
    return net.with_parameters(theta)


def worst_sample_outside(degree: int) -> float:
    """Return the largest ratio for one sample up to 3 intervals left of the domain of a layer."""
    net = KAN([1, 1], degree=degree, intervals=4, domain=(0, 4))
    points = np.linspace(-3, 0, 301)[:, None]
    spline, relu = (
        np.diag(analysis.ntk(net, points, basis)) for basis in ("spline", "scaled-relu")
    )
    return float((spline / relu).max())


def _draw(conditions: Mapping[int, Sequence[float]], picture: Path) -> None:
    grid = figure(14, 8)
    (spectra, condition, signs), (right, left, kernel) = grid.subplots(2, 3)
    results = {n: analysis.transform_spectrum(unit_spacing(n, degree=3)) for n in PICTURE_INTERVALS}
    plot_spectra(
        {f"n = {n}": result.eigenvalues for n, result in results.items()},
        "Eigenvalues of $A^T A$, r = 4, h = 1",
        axes=spectra,
    )
    plot_conditions(INTERVALS, conditions, axes=condition)
    middle = results[PICTURE_INTERVALS[1]]
    plot_sign_changes(
        {"$A^T A$": middle.sign_changes, "$(A A^T)^{-1}$": middle.left_sign_changes}, axes=signs
    )
    dim = len(middle.eigenvalues)
    columns = (0, 1, 2, 3, dim // 2, dim - 1)
    plot_eigenvectors(middle.eigenvectors, columns, "Eigenvectors of $A^T A$, r = 4", axes=right)
    plot_eigenvectors(
        middle.left_eigenvectors, columns, "Eigenvectors of $(A A^T)^{-1}$, r = 4", axes=left
    )
    net = _with_values_in_the_domain(
        KAN([1, 4, 1], degree=3, intervals=16), np.random.default_rng(0)
    )
    x = np.linspace(-1, 1, 48)[:, None]
    plot_spectra(
        {
            basis: analysis.ntk_spectrum(net, x, basis).eigenvalues
            for basis in ("spline", "scaled-relu")
        },
        "Neural tangent kernel, [1, 4, 1], r = 4",
        axes=kernel,
    )
    grid.savefig(picture, dpi=120)
