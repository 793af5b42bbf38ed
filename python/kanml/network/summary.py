"""Networks in words: a line, and a table of their layers."""

from __future__ import annotations

from collections.abc import Iterable

from kanml.layers import Activation, Layer, Linear, SplineLayer
from kanml.network.parametrised import Parametrised

__all__ = ["Summary", "in_a_line", "summary"]

HEADER = ("layer", "inputs -> outputs", "degree", "intervals", "domain", "parameters")


class Summary(str):
    """A text that is shown as it is, also where a notebook shows the value of a cell."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def in_a_line(net: Parametrised) -> str:
    """Return kind, widths, splines, number of parameters and dtype of a network."""
    trained = [(layer, n_out) for layer, _, n_out in _chain(net) if layer.parameters]
    kinds = {type(layer) for layer, _ in trained}
    kind = {SplineLayer: "KAN", Linear: "MLP"}.get(*kinds) if len(kinds) == 1 else "Network"
    widths = [net.n_in, *([n_out for _, n_out in trained] or [net.n_out])]
    parts = [f"{kind} {widths}"]
    if spaces := [space for layer, _ in trained for space in layer.spaces]:
        intervals = _range(space.intervals for space in spaces)
        parts.append(f"degree {_range(space.degree for space in spaces)}")
        parts.append(f"{intervals} interval{'' if intervals == '1' else 's'}")
    return f"<{', '.join(parts)}, {net.n_parameters} parameters, {net.dtype.name}>"


def summary(net: Parametrised) -> Summary:
    """Return a table with a row for each layer, and the number of parameters."""
    sizes = [0] * len(net.layers)
    for block in net.blocks:
        sizes[block.layer] += block.slice.stop - block.slice.start
    rows = [
        (_name(layer), f"{n_in} -> {n_out}", *_splines(layer), str(size or "-"))
        for (layer, n_in, n_out), size in zip(_chain(net), sizes, strict=True)
    ]
    total = (f"total, {net.dtype.name}", f"{net.n_in} -> {net.n_out}", "", "", "")
    return Summary(_table([HEADER, *rows, (*total, str(net.n_parameters))]))


def _chain(net: Parametrised) -> list[tuple[Layer, int, int]]:
    """Return the layers with their numbers of inputs and outputs."""
    widths = net._architecture.widths
    return list(zip(net.layers, widths[:-1], widths[1:], strict=True))


def _name(layer: Layer) -> str:
    """Return the class of a layer, with the options that differ from the defaults."""
    if isinstance(layer, Activation):
        return repr(layer)
    options = []
    if isinstance(layer, SplineLayer):
        defaults = {"basis": "spline", "extrapolation": "linear", "base": None}
        values = {name: getattr(layer, name) for name in defaults}
        options = [f"{name}={v!r}" for name, v in values.items() if v != defaults[name]]
    return type(layer).__name__ + (f"({', '.join(options)})" if options else "")


def _splines(layer: Layer) -> tuple[str, str, str]:
    """Return degree, intervals and domain of the splines of a layer."""
    if not layer.spaces:
        return "-", "-", "-"
    domains = {f"[{a:g}, {b:g}]" for a, b in (space.domain for space in layer.spaces)}
    return (
        _range(space.degree for space in layer.spaces),
        _range(space.intervals for space in layer.spaces),
        *(domains if len(domains) == 1 else ("one per input",)),
    )


def _range(numbers: Iterable[int]) -> str:
    values = sorted(set(numbers))
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _table(rows: list[tuple[str, ...]]) -> str:
    """Return rows in columns, with rules below the first and above the last."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    header, *layers, total = lines
    return "\n".join([header, rule, *layers, rule, total])
