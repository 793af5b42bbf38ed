"""Pictures of networks: what is drawn where, against SciPy's splines and plain loops."""

from __future__ import annotations

import sys
from itertools import combinations, pairwise

import matplotlib
import numpy as np
import pytest
from cycler import cycler
from matplotlib.colors import to_rgba
from scipy.interpolate import BSpline

import kanml
from helpers import naming, reference_layers
from kanml.network import drawing
from kanml.plotting import figure, plot_edge
from reference import networks

RNG = np.random.default_rng(0)
X = RNG.uniform(-0.7, 0.9, (200, 2))


def network(**options):
    """Five hidden functions, of which one varies little."""
    net = kanml.KAN([2, 5, 1], degree=3, intervals=4, seed=1, **options)
    return net.with_parameters(np.random.default_rng(2).uniform(-0.3, 0.3, net.n_parameters))


def coefficients(net, layer, i, j):
    """The B-spline coefficients of an edge of a network on equal spaces."""
    (block,) = (b for b in net.blocks if (b.layer, b.name) == (layer, "coefficients"))
    dim = net.layers[layer].spaces[0].dim
    array = net.parameters[block.slice].reshape(-1, dim, net.layers[layer].n_out)
    return array[i, :, j]


def scipy_spline(net, layer, i, j):
    space = net.layers[layer].spaces[i]
    return BSpline(space.knots, coefficients(net, layer, i, j), space.degree)


def collections(axes, name):
    return [artist for artist in axes.collections if artist.get_gid() == name]


def hidden(net, x, layer):
    """What a layer receives, by the oracle."""
    return networks.evaluate(reference_layers(net)[:layer], x)


# One edge


def test_an_edge_is_its_spline():
    net = network()
    axes = plot_edge(net, 1, 3, 0)
    t, values = axes.lines[0].get_data()
    assert (t[0], t[-1]) == net.layers[1].spaces[3].domain
    assert set(net.layers[1].spaces[3].breakpoints) <= set(t)
    np.testing.assert_allclose(values, scipy_spline(net, 1, 3, 0)(t), rtol=0, atol=1e-14)
    ticks = next(line for line in axes.lines if line.get_label() == "knots")
    np.testing.assert_array_equal(ticks.get_xdata(), [-1, -0.5, 0, 0.5, 1])
    assert axes.get_title() == "layers[1], input 3 to output 0"


def test_an_edge_with_data_that_leave_the_domain():
    """The curve follows them by the rule of the layer: here with the last value."""
    net = network(extrapolation="clamp")
    x = 3 * X
    axes = plot_edge(net, 0, 1, 2, x)
    t, values = axes.lines[0].get_data()
    assert (t[0], t[-1]) == (x[:, 1].min(), x[:, 1].max())
    expected = scipy_spline(net, 0, 1, 2)(np.clip(t, -1, 1))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-14)
    ranges = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    quantiles = np.quantile(x[:, 1], [0, 1, 0.05, 0.95]).reshape(2, 2)
    np.testing.assert_allclose(ranges, quantiles, rtol=1e-12)


def test_the_range_of_a_hidden_input():
    net = network()
    axes = plot_edge(net, 1, 4, 0, X)
    values = hidden(net, X, 1)[:, 4]
    left = axes.patches[0].get_x()
    np.testing.assert_allclose(left, values.min(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(left + axes.patches[0].get_width(), values.max(), atol=1e-13)


def test_an_edge_with_a_base_function():
    net = network(base="sin")
    (block,) = (b for b in net.blocks if (b.layer, b.name) == (0, "base_weights"))
    weight = net.parameters[block.slice].reshape(2, 5)[1, 2]
    whole, alone, *_ = plot_edge(net, 0, 1, 2).lines
    t = whole.get_xdata()
    spline = scipy_spline(net, 0, 1, 2)(t)
    np.testing.assert_allclose(alone.get_ydata(), spline, rtol=0, atol=1e-14)
    expected = spline + weight * np.sin(t)
    np.testing.assert_allclose(whole.get_ydata(), expected, rtol=0, atol=1e-14)


def test_edges_in_the_other_basis():
    net = network()
    t, values = plot_edge(net, 0, 1, 2).lines[0].get_data()
    again, others = plot_edge(net.to_basis("relu"), 0, 1, 2).lines[0].get_data()
    np.testing.assert_array_equal(t, again)
    np.testing.assert_allclose(others, values, rtol=0, atol=1e-12)


# The graph


def test_every_edge_has_its_function():
    """In frames of their own scale: each curve is its spline up to a scale and a shift."""
    net = network()
    axes = net.plot()
    layers = collections(axes, "functions")
    assert [len(layer.get_segments()) for layer in layers] == [10, 5]
    for at, layer in enumerate(layers):
        found = set()
        for curve in layer.get_segments():
            across, up = curve.T
            t = -1 + 2 * (across - across[0]) / (across[-1] - across[0])
            for i in range(net.layers[at].n_in):
                for j in range(net.layers[at].n_out):
                    values = scipy_spline(net, at, i, j)(t)
                    share = (values - values.min()) / np.ptp(values)
                    if np.abs(share - (up - up.min()) / np.ptp(up)).max() < 1e-9:
                        found.add((i, j))
        assert len(found) == net.layers[at].n_in * net.layers[at].n_out


def test_lines_lead_from_inputs_through_the_frames_to_outputs():
    net = network()
    axes = net.plot()
    (nodes,) = collections(axes, "nodes")
    places = {tuple(place) for place in nodes.get_offsets().round(9)}
    assert len(places) == 2 + 5 + 1
    below, above = (np.array(lines.get_segments()) for lines in collections(axes, "edges"))
    for lines, frames, joined in (
        (below, collections(axes, "frames")[0], 10),
        (above, collections(axes, "frames")[1], 5),
    ):
        assert len(frames.get_paths()) == joined
        first, second = lines[::2], lines[1::2]
        ends = {(*start, *end) for start, end in zip(first[:, 0], second[:, 1], strict=True)}
        assert len(ends) == joined  # every pair once
        assert {tuple(p) for p in [*first[:, 0].round(9), *second[:, 1].round(9)]} <= places
        assert (first[:, 1, 0] == second[:, 0, 0]).all()
    frames = [path.get_extents() for path in collections(axes, "frames")[0].get_paths()]
    frames.sort(key=lambda box: box.x0)
    assert all(left.x1 < right.x0 for left, right in pairwise(frames))


def test_knots_and_ranges_stand_where_the_frames_have_them():
    """The range of the data is inside the domain for one input and beyond it for the other."""
    net = network()
    x = X * [1, 2]
    axes = net.plot(x)
    frames, wide, dark = (
        [path.get_extents() for path in collections(axes, name)[0].get_paths()]
        for name in ("frames", "range of the data", "middle of the data")
    )
    knots = np.array(collections(axes, "knots")[0].get_segments())[:, 0, 0].reshape(10, 5)
    seen = []
    for frame, outer, inner, ticks in zip(frames, wide, dark, knots, strict=True):
        ranges = []
        for i in range(2):
            low, high = min(-1, x[:, i].min()), max(1, x[:, i].max())
            values = [*np.quantile(x[:, i], [0, 0.05, 0.95, 1]), *np.linspace(-1, 1, 5)]
            share = (np.array(values) - low) / (high - low)
            ranges.append(frame.x0 + share * frame.width)
        drawn = [outer.x0, inner.x0, inner.x1, outer.x1, *ticks]
        errors = [np.abs(places - drawn).max() for places in ranges]
        seen.append(int(np.argmin(errors)))
        assert min(errors) < 1e-9
    assert sorted(seen) == [0] * 5 + [1] * 5


def opacities(net, x, layer):
    """The opacity of the functions of a layer by edge, in the order of the frames."""
    (artist,) = [collections(net.plot(x), "functions")[layer]]
    return artist.get_colors()[:, 3]


def test_faint_edges_vary_little():
    net = network()
    expected = {}
    for i in range(5):
        inputs = hidden(net, X, 1)[:, i]
        expected[i] = scipy_spline(net, 1, i, 0)(inputs).std()
    share = np.array(list(expected.values())) / max(expected.values())
    faint = drawing.FAINT
    # With one output, frames come in the order of the inputs.
    np.testing.assert_allclose(opacities(net, X, 1), faint + (1 - faint) * share, rtol=1e-10)


def test_without_data_inputs_fill_the_domain():
    net = network()
    t = np.linspace(-1, 1, drawing.POINTS)
    size = np.array([scipy_spline(net, 1, i, 0)(t).std() for i in range(5)])
    faint = drawing.FAINT
    expected = faint + (1 - faint) * size / size.max()
    np.testing.assert_allclose(opacities(net, None, 1), expected, rtol=1e-10)


def test_weights_of_dense_layers_and_lines_of_fixed_ones():
    """On data, an edge of a dense layer varies by its weight times its input."""
    net = kanml.MLP([2, 3, 1], seed=0)
    axes = net.plot(X)
    dense, fixed, last = collections(axes, "edges")
    assert [len(lines.get_segments()) for lines in (dense, fixed, last)] == [6, 3, 3]
    weights = net.parameters[:6].reshape(2, 3)
    size = np.abs(weights * X.std(axis=0)[:, None]).ravel()
    faint = drawing.FAINT
    expected = faint + (1 - faint) * size / size.max()
    np.testing.assert_allclose(dense.get_colors()[:, 3], expected, rtol=1e-10)
    assert (fixed.get_colors()[:, 3] == 1).all()
    for line in fixed.get_segments():
        assert line[0, 0] == line[1, 0]
    assert not collections(axes, "functions")


def test_an_embedding_leads_to_its_features():
    front = kanml.PeriodicEmbedding(2, {1: 2.0})
    axes = kanml.KAN([2, 2, 1], front=[front]).plot()
    lines = collections(axes, "edges")[0].get_segments()
    left, right = sorted({line[0, 0] for line in lines})
    assert [line[0, 0] for line in lines] == [left, right, right]


def test_names():
    net = kanml.KAN([2, 3, 1], activation="tanh", base="silu")
    texts = {text.get_text() for text in net.plot().texts}
    assert {"x0", "x1", "y0", "layers[0]\nspline + silu", "layers[1]\ntanh"} <= texts
    texts = [text.get_text() for text in net.plot(inputs=["time", "place"], outputs="u").texts]
    assert {"time", "place", "u"} <= set(texts)
    assert not {"x0", "y0"} & set(texts)


def overlapping(axes, names):
    """The names that overlap another one, as they are drawn."""
    axes.figure.draw_without_rendering()
    boxes = {t.get_text(): t.get_window_extent() for t in axes.texts if t.get_text() in names}
    pairs = combinations(boxes, 2)
    return [pair for pair in pairs if boxes[pair[0]].overlaps(boxes[pair[1]])], [*boxes]


@pytest.mark.parametrize(
    ("names", "written"),
    [
        ([f"n{p}" for p in range(10)], 10),
        ([f"n{p}" for p in range(25)], 25),
        ([f"n{p}" for p in range(100)], 25),
        ([f"the concentration of substance {p}" for p in range(6)], 6),
        ([f"W{p}" * 5 for p in range(25)], 25),
        ([f"W{p}" * 5 for p in range(64)], 22),
    ],
    ids=["few", "more", "many", "long", "more long", "many long"],
)
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_names_do_not_overlap(names, written, side):
    """They are turned, or some are left out, at equal distances."""
    widths = [len(names), 2] if side == "inputs" else [2, len(names)]
    net = kanml.KAN(widths, degree=1, intervals=1)
    axes = figure(6.7, 4).add_subplot()  # as wide as the layer is drawn with lines
    net.plot(**{side: names}, axes=axes)
    pairs, found = overlapping(axes, names)
    assert pairs == []
    assert found == names[:: len(names) // len(found)][: len(found)]
    assert len(found) >= 0.8 * written


def test_names_that_are_short_stand_upright():
    rotations = {t.get_text(): t.get_rotation() for t in kanml.KAN([9, 2]).plot().texts}
    assert {rotations[f"x{p}"] for p in range(9)} == {0}


def test_colours_are_those_of_the_style():
    """On a dark ground too, where black lines would not be seen."""
    net = network(base="sin")
    with matplotlib.rc_context({"text.color": "#123456", "axes.prop_cycle": cycler(color=["red"])}):
        axes, edge = net.plot(X), plot_edge(net, 0, 0, 0, X)
    ink, red = to_rgba("#123456")[:3], to_rgba("red")[:3]
    for name, colour in (("edges", ink), ("knots", ink), ("functions", ink), ("nodes", ink)):
        for artist in collections(axes, name):
            colours = artist.get_facecolor() if name == "nodes" else artist.get_color()
            assert {tuple(one[:3]) for one in colours} == {colour}
    for name, colour in (("frames", ink), ("range of the data", red), ("middle of the data", red)):
        for artist in collections(axes, name):
            drawn = artist.get_edgecolor() if name == "frames" else artist.get_facecolor()
            assert {tuple(one[:3]) for one in drawn} == {colour}
    assert [to_rgba(line.get_color())[:3] for line in edge.lines] == [ink] * 3
    assert [patch.get_facecolor()[:3] for patch in edge.patches] == [red, red]


def test_many_edges_are_lines():
    """200 splines are too many for pictures; the 20 behind them are not."""
    axes = kanml.KAN([10, 20, 1]).plot()
    edges = collections(axes, "edges")
    assert [len(lines.get_segments()) for lines in edges] == [200, 40]
    (functions,) = collections(axes, "functions")
    assert len(functions.get_segments()) == 20


def test_too_many_edges():
    net = kanml.KAN([150, 150, 1], degree=1, intervals=1)
    with pytest.raises(ValueError, match=naming("20000 edges", "22650", "plot_edge")):
        net.plot()
    assert plot_edge(net, 0, 149, 149).lines


def test_what_is_not_finite_is_not_drawn():
    net = network()
    parameters = net.parameters.copy()
    parameters[[3, -1]] = np.nan, np.inf
    net = net.with_parameters(parameters)
    for axes in (net.plot(), net.plot(X), plot_edge(net, 0, 0, 3, X)):
        axes.figure.draw_without_rendering()


@pytest.mark.parametrize("value", [0.3, -1.0, 1.0, 2.0])
def test_data_that_are_all_equal_are_seen(value):
    """The shading is 3 % of the frame at least, and does not go beyond data and domain."""
    net = network()
    x = np.column_stack([X[:, 0], np.full(200, value)])
    axes = plot_edge(net, 0, 1, 2, x)
    low, high = -1.0, max(1.0, value)
    for patch in axes.patches:
        left, right = patch.get_x(), patch.get_x() + patch.get_width()
        np.testing.assert_allclose(right - left, 0.03 * (high - low))
        assert left - 1e-12 <= value <= right + 1e-12
        assert low - 1e-12 <= left < right <= high + 1e-12
    frames, wide, dark = (
        [path.get_extents() for path in collections(net.plot(x), name)[0].get_paths()]
        for name in ("frames", "range of the data", "middle of the data")
    )
    least = [min(w.width, d.width) / f.width for f, w, d in zip(frames, wide, dark, strict=True)]
    np.testing.assert_allclose(sorted(least)[:5], 0.03)
    assert min(sorted(least)[5:]) > 0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_on_one_edge_leaves_the_other_curves(dtype):
    """It can move from edge to edge without a change of the network."""
    net = kanml.KAN([2, 5, 1], degree=3, intervals=4, seed=1, dtype=dtype)
    coefficients = np.random.default_rng(2).uniform(-0.3, 0.3, net.n_parameters)
    (block,) = (b for b in net.blocks if (b.layer, b.name) == (1, "coefficients"))
    dim = net.layers[1].spaces[0].dim
    shifted = coefficients.copy()
    shifted[block.slice][:dim] += 1e4  # of the first edge
    before, after = (
        collections(net.with_parameters(c).plot(), "functions")[1].get_segments()
        for c in (coefficients, shifted)
    )
    for left, right in zip(before[1:], after[1:], strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [1e160, 1e200, 1e290])
def test_huge_values_are_drawn(size):
    """Without warnings, and with the same curves and opacities."""
    net = network()
    huge = net.with_parameters(net.parameters * size)
    for left, right in zip(
        collections(net.plot(), "functions"), collections(huge.plot(), "functions"), strict=True
    ):
        np.testing.assert_allclose(left.get_segments(), right.get_segments(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(left.get_color(), right.get_color(), rtol=1e-9)
    plot_edge(huge, 0, 0, 0, X).figure.draw_without_rendering()
    net.plot(X * size).figure.draw_without_rendering()


def test_constant_edges_are_flat():
    """Rounding errors of a constant are not blown up to the height of a frame."""
    net = kanml.KAN([1, 2, 1], degree=3, intervals=4)
    parameters = np.zeros(net.n_parameters)
    parameters[0:14:2] = 1 / 3  # the first function; the others vanish
    axes = net.with_parameters(parameters).plot()
    for functions in collections(axes, "functions"):
        for curve in functions.get_segments():
            assert np.ptp(curve[:, 1]) < 1e-6


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_ends_of_a_domain_are_not_refused(dtype):
    net = kanml.KAN([2, 3], domain=(-0.1, 0.7), extrapolation="error", dtype=dtype)
    x = np.array([[-0.1, 0.7], [0.3, 0.2]])
    for axes in (net.plot(), net.plot(x), plot_edge(net, 0, 0, 1, x)):
        axes.figure.draw_without_rendering()


def test_data_that_a_layer_refuses():
    """The message is that of the network, with the index of the layer."""
    net = kanml.KAN([1, 1, 1], extrapolation="error")
    net = net.with_parameters(np.full(net.n_parameters, 5.0))
    for draw in (net.plot, lambda x: plot_edge(net, 1, 0, 0, x)):
        with pytest.raises(ValueError, match="layer 1 refuses the value"):
            draw([[0.3]])
    assert plot_edge(net, 0, 0, 0, [[0.3]]).lines


# Arguments


@pytest.mark.parametrize(
    ("arguments", "error", "parts"),
    [
        ({"x": [1.0, 2.0]}, ValueError, ["x", "(N, 2)", "(2,)"]),
        ({"x": np.zeros((0, 2))}, ValueError, ["x", "N >= 1", "(0, 2)"]),
        ({"x": [[0.0, np.nan]]}, ValueError, ["x[0, 1]", "nan"]),
        ({"inputs": "abc"}, ValueError, ["inputs", "2 names", "'abc'"]),
        ({"inputs": 5}, TypeError, ["inputs", "2 names", "5"]),
        ({"outputs": ["u", "v"]}, ValueError, ["outputs", "1 names", "['u', 'v']"]),
        ({"axes": "left"}, TypeError, ["axes", "'left'"]),
    ],
)
def test_bad_arguments(arguments, error, parts):
    with pytest.raises(error, match=naming(*parts)):
        network().plot(**arguments)


def test_edges_that_do_not_exist():
    with pytest.raises(ValueError, match=naming("j must be", "0..4", "got 5")):
        plot_edge(network(), 0, 0, 5)
    with pytest.raises(TypeError, match=naming("net must be a Network", "'net'")):
        plot_edge("net", 0, 0, 0)
    with pytest.raises(ValueError, match="which has none"):
        plot_edge(kanml.MLP([2, 3, 1]), 0, 0, 0)


def test_given_axes_are_used_and_returned():
    left, right = figure(8, 4).subplots(1, 2)
    assert network().plot(axes=left) is left
    assert plot_edge(network(), 0, 0, 0, axes=right) is right


def test_without_matplotlib(monkeypatch):
    axes = figure(4, 3).add_subplot()
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.axes"):
        monkeypatch.setitem(sys.modules, name, None)
    for draw in (
        network().plot,
        lambda: plot_edge(network(), 0, 0, 0),
        lambda: network().plot(axes=axes),
    ):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'kanml\[plot\]'"):
            draw()
