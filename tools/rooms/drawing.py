"""Rooms as text, and as a drawing: a box a room, arrows down to what it uses."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from rooms.sources import Sources, Uses

__all__ = ["as_svg", "as_text"]

Cell = tuple[str, ...]
"""What stands in a row: a room (its name), or the arrow that passes (from a room, to a room)."""

HEIGHT, STEP, GAP, MARGIN = 30, 74, 22, 24
SWEEPS = 12
STYLE = (
    "text { font: 14px sans-serif; text-anchor: middle } "
    "rect { fill: #eef3f8; stroke: #4a6785 } path { fill: none; stroke: #4a6785 }"
)


def as_text(sources: Sources) -> str:
    """Return a line a room, from the top to the bottom, with what it uses."""
    uses = sources.rooms()
    rooms = [room for row in reversed(sources.rows) for room in row if room in uses]
    width = max(map(len, rooms), default=0)
    order = {room: i for i, room in enumerate(rooms)}
    lines = [f"{room:{width}}  {', '.join(sorted(uses[room], key=order.get))}" for room in rooms]
    return "\n".join([sources.title, *(f"  {line}".rstrip() for line in lines)])


def as_svg(sources: Sequence[Sources]) -> str:
    """Return drawings, one above the other. Arrows that others imply are left out."""
    body: list[str] = []
    width = y = MARGIN
    for one in sources:
        rows, arrows = _rows(one)
        centres = _centres(rows, arrows)
        left = MARGIN - min(centres[row[0]] - _width(row[0]) / 2 for row in rows)
        body.append(f'<g transform="translate({left:.0f} {y})">')
        body.append(f'<text x="{MARGIN - left + 24:.0f}" y="14">{escape(one.title)}</text>')
        level = {cell: i for i, row in enumerate(rows) for cell in row}
        body += [_arrow(path, centres, level) for path in arrows]
        body += [_box(cell[0], centres[cell], level[cell]) for cell in level if len(cell) == 1]
        body.append("</g>")
        width = max(width, left + max(centres[row[-1]] + _width(row[-1]) / 2 for row in rows))
        y += STEP * len(rows) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + MARGIN:.0f}" height="{y}">',
            f"<style>{STYLE}</style>",
            '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0 0L8 4L0 8z" style="fill: #4a6785"/></marker>',
            '<rect width="100%" height="100%" style="fill: white; stroke: none"/>',
            *body,
            "</svg>\n",
        ]
    )


def _needed(uses: Uses) -> Uses:
    """Return the arrows without those that follow from others."""

    def reached(room: str) -> set[str]:
        return set().union(*({other} | reached(other) for other in uses[room]))

    return {
        room: used - set().union(*(reached(other) for other in used)) for room, used in uses.items()
    }


def _rows(sources: Sources) -> tuple[list[list[Cell]], list[list[Cell]]]:
    """Return the rows from the top, and each arrow as the cells that it passes."""
    uses = _needed(sources.rooms())
    present = [[room for room in row if room in uses] for row in reversed(sources.rows)]
    rows: list[list[Cell]] = [[(room,) for room in row] for row in present if row]
    level = {cell[0]: i for i, row in enumerate(rows) for cell in row}
    arrows = []
    for room, used in uses.items():
        for other in sorted(used):
            between = range(level[room] + 1, level[other])
            for i in between:
                rows[i].append((room, other, str(i)))
            arrows.append([(room,), *((room, other, str(i)) for i in between), (other,)])
    return rows, arrows


def _centres(rows: list[list[Cell]], arrows: list[list[Cell]]) -> dict[Cell, float]:
    """Sort each row by where its cells have their neighbours, and return where they stand."""
    neighbours: dict[Cell, list[Cell]] = {cell: [] for row in rows for cell in row}
    for path in arrows:
        for above, below in pairwise(path):
            neighbours[above].append(below)
            neighbours[below].append(above)
    centres: dict[Cell, float] = {}
    for row in rows:
        _stand(row, centres)
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {
                cell: sum(centres[other] for other in near) / len(near)
                for cell in row
                if (near := neighbours[cell])
            }
            row.sort(key=lambda cell: wanted.get(cell, centres[cell]))
            _stand(row, centres)
    return centres


def _stand(row: list[Cell], centres: dict[Cell, float]) -> None:
    """Put the cells of a row side by side, around 0."""
    x = -(sum(map(_width, row)) + GAP * (len(row) - 1)) / 2
    for cell in row:
        centres[cell] = x + _width(cell) / 2
        x += _width(cell) + GAP


def _width(cell: Cell) -> float:
    return 20 + 8 * len(cell[0]) if len(cell) == 1 else 0


def _box(room: str, x: float, level: int) -> str:
    width, y = _width((room,)), STEP * level + MARGIN
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y}" width="{width}" height="{HEIGHT}" rx="5"/>'
        f'<text x="{x:.1f}" y="{y + 20}">{escape(room)}</text>'
    )


def _arrow(path: list[Cell], centres: dict[Cell, float], level: dict[Cell, int]) -> str:
    """Return a curve that goes straight down past the rows in between."""
    y = STEP * level[path[0]] + MARGIN + HEIGHT
    parts = [f"M{centres[path[0]]:.1f} {y}"]
    for above, below in pairwise(path):
        top, bottom = STEP * level[above] + MARGIN + HEIGHT, STEP * level[below] + MARGIN
        middle = (top + bottom) / 2
        a, b = centres[above], centres[below]
        parts.append(f"C{a:.1f} {middle} {b:.1f} {middle} {b:.1f} {bottom}")
        if len(below) > 1:
            parts.append(f"V{bottom + HEIGHT}")
    return f'<path d="{"".join(parts)}" marker-end="url(#tip)"/>'
