"""The figures of Mathematics."""

import numpy as np
from matplotlib import rcParams

import kanml
from kanml.plotting import figure


def every_function(space, x):
    """Return all basis functions at points, of shape (points, dim), and NaN where they vanish."""
    first, values = space.basis(x)
    table = np.full((len(x), space.dim), np.nan)
    table[np.arange(len(x))[:, None], first[:, None] + np.arange(space.order)] = values
    return table


def draw_basis(axes, space, colour=None, **style):
    """Draw the basis functions of a space, with ticks at its breakpoints."""
    x = np.linspace(*space.domain, 60 * space.intervals + 1)
    axes.plot(x, every_function(space, x), color=colour, **style)
    axes.plot(space.breakpoints, 0 * space.breakpoints, "|", color=rcParams["text.color"], ms=8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def basis():
    """Draw a cubic basis, and the four functions that are nonzero at a point."""
    space = kanml.SplineSpace.uniform(0, 5, intervals=5, degree=3)
    picture = figure(8, 2.6)
    axes = picture.add_subplot()
    draw_basis(axes, space, COARSE, alpha=0.45, linewidth=1.3)
    point = 2.35
    (first,), (values,) = space.basis([point])
    x = np.linspace(0, 5, 301)
    table = every_function(space, x)
    for i, value in enumerate(values):
        axes.plot(x, table[:, first + i], color=FINE)
        axes.plot(point, value, "o", color=FINE, ms=5)
    axes.axvline(point, color=rcParams["text.color"], linewidth=0.8, linestyle=":")
    axes.set_xticks([point, *range(6)], ["x", *(f"$t_{i}$" for i in range(6))])
    return picture


def refinement():
    """Draw one spline with its coefficients on a coarse grid and on a finer one."""
    coarse = kanml.SplineSpace.uniform(0, 5, intervals=5, degree=3)
    fine = coarse.refine()
    c = np.array([0.1, 0.9, 0.2, -0.6, 0.5, 1.1, -0.2, 0.3])
    transfer = kanml.prolongation(coarse, fine)
    picture = figure(8, 3)
    axes = picture.add_subplot()
    x = np.linspace(0, 5, 400)
    axes.plot(
        x, coarse.evaluate(c, x), color=rcParams["text.color"], label="the function, on both grids"
    )
    for space, values, colour, marker, name in (
        (coarse, c, COARSE, "o", "8 coefficients on 5 intervals"),
        (fine, transfer @ c, FINE, "s", "13 coefficients on 10 intervals"),
    ):
        abscissae = [space.knots[j + 1 : j + 1 + space.degree].mean() for j in range(space.dim)]
        axes.plot(abscissae, values, marker + "--", color=colour, ms=5, linewidth=1, label=name)
    axes.plot(fine.breakpoints, np.full(11, -0.95), "|", color=FINE, ms=7)
    axes.plot(coarse.breakpoints, np.full(6, -0.95), "|", color=COARSE, ms=13, mew=1.6)
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    axes.set_yticks([-0.5, 0, 0.5, 1])
    return picture


def change_of_basis():
    """Draw a B-spline as a sum of powers of ReLUs, and the matrix that says which."""
    space = kanml.SplineSpace.uniform(0, 8, intervals=8, degree=3)
    matrix = kanml.relu_transform(space).toarray()
    picture = figure(8, 3)
    left, right = picture.subplots(1, 2, width_ratios=[2, 1])
    row = 3  # b_0, which begins at the lower end
    x = np.linspace(0, 4.6, 300)
    terms = matrix[row] * kanml.relu_basis(space, x)
    for j in np.flatnonzero(matrix[row]):
        left.plot(
            x, terms[:, j], linewidth=1.2, label=rf"${matrix[row, j]:+.2f}\,\psi_{{{j - 3}}}$"
        )
    left.plot(
        x, terms.sum(axis=1), color=rcParams["text.color"], linewidth=2.4, label="$b_0$, their sum"
    )
    left.set_ylim(-2.2, 2.2)
    left.legend(loc="lower left", fontsize=9)
    left.set_xticks(range(5), [f"$t_{i}$" for i in range(5)])
    right.imshow(
        np.where(matrix == 0, np.nan, np.sign(matrix) * np.sqrt(abs(matrix))),
        cmap="RdBu",
        vmin=-1,
        vmax=1,
    )
    right.set_xticks([])
    right.set_yticks([])
    right.set_xlabel("$A$: five diagonals, blue +, red $-$")
    return picture


def hierarchy():
    """Draw nested spaces, and what each of them adds to the approximation of a function."""
    x = np.linspace(0, 1, 801)
    target = np.sin(2 * np.pi * x) + np.exp(-(((x - 0.62) / 0.035) ** 2))
    picture = figure(8, 4.4)
    rows = picture.subplots(3, 2, sharex=True, width_ratios=[1, 1.3])
    space = kanml.SplineSpace.uniform(0, 1, intervals=4, degree=3)
    for level, (left, right) in enumerate(rows):
        draw_basis(left, space, COARSE, linewidth=1.1)
        left.set_ylabel(
            f"level {level}\n{space.intervals} intervals", rotation=0, ha="right", va="center"
        )
        matrix = np.nan_to_num(every_function(space, x))
        fit = matrix @ np.linalg.lstsq(matrix, target)[0]
        right.plot(x, target, color=rcParams["text.color"], linewidth=1)
        right.plot(x, fit, color=FINE, linewidth=2)
        right.set_yticks([])
        right.set_title(f"largest error {abs(fit - target).max():.2f}", fontsize=9)
        space = space.refine()
    rows[0, 0].set_title("the basis", fontsize=9)
    return picture


COARSE, FINE = "C0", "C1"
