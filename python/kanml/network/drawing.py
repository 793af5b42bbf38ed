"""A network as a picture: the graph of its edge functions, and single ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, finite, names, samples
from kanml.canvas import Colour, accent, add_legend, given_or_new, ink
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
RANGE, MIDDLE = 0.1, 0.15  # the opacities of both ranges
LEAST = 0.03  # how much of a frame a range covers at least, so that it is seen
KNOTS, FRAME = 0.65, 0.3  # the opacities of both
POINTS = 65  # equispaced ones at which an edge is evaluated
LARGEST = 1e300  # differences of larger values overflow
FAINT = 0.12  # the opacity of an edge that changes nothing


class Span(NamedTuple):
    """The range of an edge's input in the data, and of the middle of it."""

    least: float
    low: float
    high: float
    greatest: float

    def visible(self, window: tuple[float, float]) -> Span:
        """Return the ranges, widened within a window until they are seen where data are equal."""
        least, greatest = _visible(self.least, self.greatest, window)
        return Span(least, *_visible(self.low, self.high, window), greatest)


def _visible(left: float, right: float, window: tuple[float, float]) -> tuple[float, float]:
    width = LEAST * (window[1] - window[0])
    if not right - left < width:
        return left, right
    start = min(max((left + right - width) / 2, window[0]), window[1] - width)
    return start, start + width


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
        If `net` is no network, or an index is not an integer.

    Examples
    --------
    >>> import kanml
    >>> net = kanml.KAN([2, 3, 1], degree=3, intervals=4)
    >>> axes = kanml.plotting.plot_edge(net, 1, 2, 0)
    >>> axes.get_title()
    'layers[1], input 2 to output 0'
    """
    if not isinstance(net, Parametrised):
        raise TypeError(f"net must be a Network, got {net!r}")
    edge = Edge(net, layer, i, j)
    span = None
    if x is not None:
        span = _span(layer_inputs(net, _data(net, x), edge.layer)[edge.layer][:, edge.i])
    axes = given_or_new(axes)
    t = _window(edge, span)
    if span is not None:
        span = span.visible((t[0], t[-1]))
        label = "data; dark: 5-95 %"
        axes.axvspan(span.least, span.greatest, color=accent(RANGE), lw=0, zorder=0, label=label)
        axes.axvspan(span.low, span.high, color=accent(MIDDLE), lw=0, zorder=0)
    axes.plot(t, _drawable(edge(t)), color=ink(), label="edge")
    if edge.of.base is not None:
        inside = t[(t >= edge.space.domain[0]) & (t <= edge.space.domain[1])]
        alone = edge.space.evaluate(edge.coefficients, inside)
        axes.plot(inside, alone, "--", color=ink(), lw=0.9, label="spline")
    ticks = edge.space.breakpoints
    below = axes.get_xaxis_transform()
    height = np.full(len(ticks), 0.03)
    axes.plot(ticks, height, "|", color=ink(KNOTS), ms=10, transform=below, label="knots")
    axes.locator_params(axis="x", nbins=6)
    axes.set_title(f"layers[{layer}], input {i} to output {j}")
    axes.set_xlabel(f"input {i}")
    axes.set_ylabel(f"part of output {j}")
    add_legend(axes)
    return axes


def plot_network(
    net: Parametrised,
    x: npt.ArrayLike | None,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    axes: Axes | None,
) -> Axes:
    """Draw a network; see `Network.plot`."""
    below = _names(inputs, "inputs", net.n_in, "x")
    above = _names(outputs, "outputs", net.n_out, "y")
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
            _add_lines(axes, "edges", lines, ink(), opacity, 1.0 if len(lines) < 100 else 0.5)
        _name_layer(axes, graph, at, layer)
    _draw_nodes(axes, graph)
    _write_names(axes, graph, 0, below)
    _write_names(axes, graph, len(widths) - 1, above)
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
    rounding = float(np.finfo(net.dtype).eps) ** 0.5
    lines, boxes, wide, dark, knots, curves = [], [], [], [], [], []
    for pair, frame in frames.items():
        (start, end), window = graph.line(at, pair), (windows[pair][0], windows[pair][-1])
        lines.append([start, (frame.x, frame.y - frame.half_height)])
        lines.append([(frame.x, frame.y + frame.half_height), end])
        boxes.append(frame.box(frame.x - frame.half_width, frame.x + frame.half_width))
        if span := spans.get(pair[0]):
            places = frame.across(span.visible(window), window)
            wide.append(frame.box(places[0], places[3]))
            dark.append(frame.box(places[1], places[2]))
        bottom = frame.y - frame.half_height
        for place in frame.across(edges[pair].space.breakpoints, window):
            knots.append([(place, bottom), (place, bottom + 0.16 * frame.half_height)])
        heights = frame.up(values[pair], rounding)
        curves.append(np.stack([frame.across(windows[pair], window), heights], axis=1))
    shades = [opacity[pair] for pair in frames]
    _add_lines(axes, "edges", lines, ink(), np.repeat(shades, 2), 1.0)
    _add_boxes(axes, "range of the data", wide, accent(RANGE))
    _add_boxes(axes, "middle of the data", dark, accent(MIDDLE))
    _add_boxes(axes, "frames", boxes, "none", ink(FRAME))
    _add_lines(axes, "knots", knots, ink(KNOTS), None, 0.7)
    _add_lines(axes, "functions", curves, ink(), shades, 1.6)


def _name_layer(axes: Axes, graph: Graph, at: int, layer: Layer) -> None:
    """Write on the left which layer this is."""
    where = -graph.width / 2 - 0.2, graph.middle(at)
    axes.text(*where, f"layers[{at}]\n{_kind(layer)}", ha="right", va="center", fontsize="small")


def _draw_nodes(axes: Axes, graph: Graph) -> None:
    """Draw the nodes."""
    nodes = [graph.node(row, p) for row, width in enumerate(graph.widths) for p in range(width)]
    across, up = np.array(nodes).T
    axes.scatter(across, up, 16, color=[ink()], zorder=3, gid="nodes")
    axes.set_xlim(-graph.width / 2 - 0.1, graph.width / 2 + 0.1)
    axes.set_ylim(-0.2, graph.heights[-1] + 0.2)
    axes.set_axis_off()


def _write_names(axes: Axes, graph: Graph, row: int, texts: Sequence[str]) -> None:
    """Write names below the inputs or above the outputs.

    They are turned if they would overlap side by side. If there is no room for all of them, every
    second one is written, or third, and so on.
    """
    from matplotlib import rcParams
    from matplotlib.textpath import TextPath

    points = axes.bbox.width * 72 / axes.figure.dpi  # of the axes, as wide as they are now
    room = points * graph.width / (graph.width + 0.2) / len(texts)
    size = float(rcParams["font.size"])
    longest = max("\n".join(texts).split("\n"), key=len)
    width = TextPath((0, 0), longest, size).get_extents().width if longest.strip() else 0.0
    turned = width + 0.3 * size > room
    every = math.ceil(1.1 * size / room) if turned else 1
    where, shift = ("bottom", 0.06) if row else ("top", -0.06)
    for p in range(0, len(texts), every):
        x, y = graph.node(row, p)
        axes.text(x, y + shift, texts[p], ha="center", va=where, rotation=90 if turned else 0)


def _add_lines(
    axes: Axes, name: str, lines: Sequence[Any], colour: Colour, opacity: Any, width: float
) -> None:
    """Add lines, each a sequence of points, as one artist that is found by its name."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba_array

    colours = to_rgba_array([colour] * len(lines), opacity)
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=width, gid=name))


def _add_boxes(
    axes: Axes,
    name: str,
    boxes: Sequence[Any],
    colour: Colour | str,
    outline: Colour | str = "none",
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
    """Return values in float64, with NaN for infinite and huge ones, which give no warnings."""
    exact = values.astype(np.float64)
    return np.where(np.abs(exact) < LARGEST, exact, np.nan)


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
        rows.append(_deviation(_drawable(from_input(net, at, i, t))))
    return np.array([rows[i][j] for i, j in pairs])


def _deviation(values: Float64Array) -> Float64Array:
    """Return the standard deviations of columns, also where squares overflow."""
    size = np.abs(values).max(axis=0)
    scale = np.where(size > 0, size, 1.0)
    deviation: Float64Array = (values / scale).std(axis=0) * scale
    return deviation


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


def _names(given: Sequence[str] | None, what: str, width: int, letter: str) -> list[str]:
    """Return the names of inputs or outputs."""
    return names([f"{letter}{p}" for p in range(width)] if given is None else given, what, width)
