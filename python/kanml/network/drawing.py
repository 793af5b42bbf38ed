"""A network as a picture: the graph of its edge functions, and single ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, finite, samples
from kanml.canvas import given_or_new
from kanml.layers import Activation, Layer, Linear, SplineLayer
from kanml.network.edges import Edge, connections, from_input, layer_inputs
from kanml.network.layout import Graph
from kanml.network.parametrised import Parametrised

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_edge", "plot_network"]

PICTURES = 64  # a layer of more splines than these is drawn as lines
LINES = 20_000  # a network of more edges is not drawn
SHARES = (0.05, 0.95)  # the quantiles of the data between which the range is dark
RANGE, MIDDLE = "#eaf2fa", "#c8ddf0"  # the colours of both ranges
CURVE, KNOTS, FRAME = "#08306b", "0.35", "0.7"
POINTS = 65  # equispaced ones at which an edge is evaluated
NAMES = 40  # of more inputs or outputs none is named unless the user does
FAINT = 0.12  # the opacity of an edge that changes nothing


class Span(NamedTuple):
    """The range of an edge's input in the data, and of the middle of it."""

    least: float
    low: float
    high: float
    greatest: float


def plot_edge(
    net: Parametrised,
    layer: int,
    i: int,
    j: int,
    x: npt.ArrayLike | None = None,
    *,
    axes: Axes | None = None,
) -> Axes:
    """Plot the function on one edge of a spline layer.

    Ticks below mark its knots. The curve is what the layer computes: with a base function, which is
    also left out in a dashed curve, and by the rule of the layer where data leave the domain.

    Parameters
    ----------
    net : Network
    layer : int
        The index of the spline layer in `net.layers`.
    i, j : int
        Input and output of the layer.
    x : array_like, shape (N, n_in), optional
        Inputs of the network. The range that they reach on this edge is shaded, darker from the 5 %
        to the 95 % quantile.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is no such edge, or `x` is not finite or of another shape.
    TypeError
        If an index is not an integer.

    Examples
    --------
    >>> import kanml
    >>> net = kanml.KAN([2, 3, 1], degree=3, intervals=4)
    >>> axes = kanml.plotting.plot_edge(net, 1, 2, 0)
    >>> axes.get_title()
    'layers[1], input 2 to output 0'
    """
    edge = Edge(net, layer, i, j)
    span = None
    if x is not None:
        span = _span(layer_inputs(net, _data(net, x), edge.layer)[edge.layer][:, edge.i])
    axes = given_or_new(axes)
    t = _window(edge, span)
    if span is not None:
        label = "data; dark: 5-95 %"
        axes.axvspan(span.least, span.greatest, color=RANGE, lw=0, zorder=0, label=label)
        axes.axvspan(span.low, span.high, color=MIDDLE, lw=0, zorder=0)
    axes.plot(t, _drawable(edge(t)), color=CURVE, label="edge")
    if edge.of.base is not None:
        inside = t[(t >= edge.space.domain[0]) & (t <= edge.space.domain[1])]
        alone = edge.space.evaluate(edge.coefficients, inside)
        axes.plot(inside, alone, "--", color=CURVE, lw=0.9, label="spline")
    ticks = edge.space.breakpoints
    below = axes.get_xaxis_transform()
    height = np.full(len(ticks), 0.03)
    axes.plot(ticks, height, "|", color=KNOTS, ms=10, transform=below, label="knots")
    axes.locator_params(axis="x", nbins=6)
    axes.set_title(f"layers[{layer}], input {i} to output {j}")
    axes.set_xlabel(f"input {i}")
    axes.set_ylabel(f"part of output {j}")
    axes.legend(fontsize="small")
    return axes


def plot_network(
    net: Parametrised,
    x: npt.ArrayLike | None,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    axes: Axes | None,
) -> Axes:
    """Draw a network; see `Network.plot`."""
    names = _names(inputs, "inputs", net.n_in, "x"), _names(outputs, "outputs", net.n_out, "y")
    widths = net._architecture.widths
    _require_few(net, widths)
    data = None if x is None else layer_inputs(net, _data(net, x), len(net.layers) - 1)
    joined = [connections(*pair) for pair in zip(net.layers, widths[:-1], strict=True)]
    pictured = [
        isinstance(layer, SplineLayer) and len(pairs) <= PICTURES
        for layer, pairs in zip(net.layers, joined, strict=True)
    ]
    sizes = list(zip(map(len, joined), pictured, strict=True))
    heights = [1.0 if has or count > PICTURES else 0.4 for count, has in sizes]
    graph = Graph(widths, heights, max([6, *(count for count, has in sizes if has)]))
    axes = given_or_new(axes, *graph.size)
    for at, (layer, pairs) in enumerate(zip(net.layers, joined, strict=True)):
        received = None if data is None else data[at]
        opacity = _opacity(_importance(net, at, pairs, received))
        if pictured[at]:
            _draw_pictures(axes, graph, net, at, dict(zip(pairs, opacity, strict=True)), received)
        else:
            lines = [graph.line(at, pair) for pair in pairs]
            _add_lines(axes, "edges", lines, "black", opacity, 1.0 if len(lines) < 100 else 0.5)
        _name_layer(axes, graph, at, layer)
    _draw_nodes(axes, graph, names)
    return axes


def _require_few(net: Parametrised, widths: Sequence[int]) -> None:
    """Raise ValueError if a network has too many edges to be drawn."""
    joined = zip(net.layers, pairwise(widths), strict=True)
    count = sum(n_in * n_out if layer.parameters else n_out for layer, (n_in, n_out) in joined)
    if count > LINES:
        raise ValueError(
            f"a picture shows networks of at most {LINES} edges, but this one has {count}; "
            "kanml.plotting.plot_edge draws one edge of a spline layer"
        )


def _draw_pictures(
    axes: Axes,
    graph: Graph,
    net: Parametrised,
    at: int,
    opacity: Mapping[tuple[int, int], float],
    received: FloatArray | None,
) -> None:
    """Draw the edges of a spline layer, each with its function in a frame."""
    frames = graph.frames(at, list(opacity))
    spans = {} if received is None else {i: _span(c) for i, c in enumerate(received.T)}
    edges = {pair: Edge(net, at, *pair) for pair in opacity}
    windows = {pair: _window(edge, spans.get(pair[0])) for pair, edge in edges.items()}
    values = {pair: _drawable(edge(windows[pair])) for pair, edge in edges.items()}
    largest = max(float(np.abs(curve).max()) for curve in values.values())
    least = float(np.finfo(net.dtype).eps) ** 0.5 * largest or 1.0  # rounding errors stay flat
    lines, boxes, wide, dark, knots, curves = [], [], [], [], [], []
    for pair, frame in frames.items():
        (start, end), window = graph.line(at, pair), (windows[pair][0], windows[pair][-1])
        lines.append([start, (frame.x, frame.y - frame.half_height)])
        lines.append([(frame.x, frame.y + frame.half_height), end])
        boxes.append(frame.box(frame.x - frame.half_width, frame.x + frame.half_width))
        if span := spans.get(pair[0]):
            places = frame.across(span, window)
            wide.append(frame.box(places[0], places[3]))
            dark.append(frame.box(places[1], places[2]))
        bottom = frame.y - frame.half_height
        for place in frame.across(edges[pair].space.breakpoints, window):
            knots.append([(place, bottom), (place, bottom + 0.16 * frame.half_height)])
        heights = frame.up(values[pair], least)
        curves.append(np.stack([frame.across(windows[pair], window), heights], axis=1))
    shades = [opacity[pair] for pair in frames]
    _add_lines(axes, "edges", lines, "black", np.repeat(shades, 2), 1.0)
    _add_boxes(axes, "range of the data", wide, RANGE)
    _add_boxes(axes, "middle of the data", dark, MIDDLE)
    _add_boxes(axes, "frames", boxes, "none", FRAME)
    _add_lines(axes, "knots", knots, KNOTS, None, 0.7)
    _add_lines(axes, "functions", curves, CURVE, shades, 1.6)


def _name_layer(axes: Axes, graph: Graph, at: int, layer: Layer) -> None:
    """Write on the left which layer this is."""
    where = -graph.width / 2 - 0.2, graph.middle(at)
    axes.text(*where, f"layers[{at}]\n{_kind(layer)}", ha="right", va="center", fontsize="small")


def _draw_nodes(axes: Axes, graph: Graph, names: tuple[Sequence[str], Sequence[str]]) -> None:
    """Draw the nodes, with the names of the inputs below and those of the outputs above."""
    nodes = [graph.node(row, p) for row, width in enumerate(graph.widths) for p in range(width)]
    across, up = np.array(nodes).T
    axes.scatter(across, up, 16, color="black", zorder=3, gid="nodes")
    last = len(graph.widths) - 1
    for row, texts, where, shift in ((0, names[0], "top", -1), (last, names[1], "bottom", 1)):
        for p, text in enumerate(texts):
            x, y = graph.node(row, p)
            axes.text(x, y + 0.06 * shift, text, ha="center", va=where)
    axes.set_xlim(-graph.width / 2 - 0.1, graph.width / 2 + 0.1)
    axes.set_ylim(-0.2, graph.heights[-1] + 0.2)
    axes.set_axis_off()


def _add_lines(
    axes: Axes, name: str, lines: Sequence[Any], colour: str, opacity: Any, width: float
) -> None:
    """Add lines, each a sequence of points, as one artist that is found by its name."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba_array

    colours = to_rgba_array([colour] * len(lines), opacity)
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=width, gid=name))


def _add_boxes(
    axes: Axes, name: str, boxes: Sequence[Any], colour: str, outline: str = "none"
) -> None:
    """Add boxes, each as its corners, as one artist that is found by its name."""
    from matplotlib.collections import PolyCollection

    axes.add_collection(
        PolyCollection(boxes, facecolors=colour, edgecolors=outline, linewidths=0.6, gid=name)
    )


# What is drawn


def _data(net: Parametrised, x: npt.ArrayLike) -> FloatArray:
    """Return samples, at least one, in the dtype of a network."""
    data = finite(samples(x, "x", net.n_in, net.dtype), "x")
    if len(data) == 0:
        raise ValueError(f"x must have shape (N, {net.n_in}) with N >= 1, got shape {data.shape}")
    return data


def _drawable(values: FloatArray) -> Float64Array:
    """Return values in float64, with NaN for infinite ones, which give no warnings."""
    return np.where(np.isfinite(values), values, np.nan).astype(np.float64)


def _span(column: FloatArray) -> Span:
    values = _drawable(column)
    low, high = np.quantile(values, SHARES)
    return Span(float(values.min()), float(low), float(high), float(values.max()))


def _window(edge: Edge, span: Span | None) -> Float64Array:
    """Return where an edge is drawn: its domain, and what data reach beyond it."""
    points = edge.space.breakpoints
    low, high = edge.space.domain
    if span is not None:
        low, high = min(low, span.least), max(high, span.greatest)
    return np.union1d(np.linspace(low, high, POINTS), points)  # a spline of degree 1 bends there


def _importance(
    net: Parametrised, at: int, pairs: Sequence[tuple[int, int]], received: FloatArray | None
) -> Float64Array:
    """Return for each edge of a layer how much its output varies: the standard deviation.

    Without data, inputs are assumed to fill the domains, and [-1, 1] in front of dense layers. The
    edges of fixed layers count equally.
    """
    layer = net.layers[at]
    if not isinstance(layer, (SplineLayer, Linear)):
        return np.ones(len(pairs))
    rows = []
    for i in range(layer.n_in):
        if received is None:
            ends = layer.spaces[i].domain if layer.spaces else (-1.0, 1.0)
            t = np.linspace(*ends, POINTS).astype(net.dtype)
        else:
            t = received[:, i]
        rows.append(_drawable(from_input(net, at, i, t)).std(axis=0))
    return np.array([rows[i][j] for i, j in pairs])


def _opacity(importance: Float64Array) -> Float64Array:
    """Return opacities of edges, relative to the most important one of their layer."""
    size = np.where(np.isfinite(importance), importance, 0.0)
    share: Float64Array = size / (size.max() or 1.0)
    return FAINT + (1 - FAINT) * share


def _kind(layer: Layer) -> str:
    """Return what a layer is, in a word or two."""
    if isinstance(layer, Activation):
        return layer.kind
    if isinstance(layer, SplineLayer) and layer.base is not None:
        return f"spline + {layer.base}"
    return layer.name


def _names(names: Sequence[str] | None, what: str, width: int, letter: str) -> Sequence[str]:
    """Return the names of inputs or outputs; by default none where they would overlap."""
    if names is None:
        return [f"{letter}{p}" for p in range(width)] if width <= NAMES else []
    if len(names) != width:
        raise ValueError(f"{what} must be {width} names, got {names!r}")
    return names
