"""Files and what they use, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Sources", "Uses"]

Uses = Mapping[str, set[str]]
"""Names, and for each those that it uses."""


@dataclass(frozen=True)
class Sources:
    """The files of one language.

    Parameters
    ----------
    title : str
    uses : mapping of str to set of str
        For each file, or module, those that it uses.
    room_of : callable
        Returns the room of a file.
    rows : sequence of sequence of str
        Rooms from the bottom to the top: each may use those of lower rows.
    only : mapping of str to set of str
        The rooms that may use fewer: all that they may use.
    """

    title: str
    uses: Uses
    room_of: Callable[[str], str]
    rows: Sequence[Sequence[str]]
    only: Uses = field(default_factory=dict)

    def rooms(self) -> Uses:
        """Return the rooms there are, and for each the others that it uses."""
        found: dict[str, set[str]] = {}
        for name, used in self.uses.items():
            room = self.room_of(name)
            found.setdefault(room, set()).update(map(self.room_of, used))
        return {room: used - {room} for room, used in found.items()}

    def faults(self) -> list[str]:
        """Return what is wrong, in sentences: what is unknown, upwards, in a circle."""
        row = {room: i for i, rooms in enumerate(self.rows) for room in rooms}
        unknown = sorted(self.rooms().keys() - row.keys())
        faults = [f"{room} has no place in tools/rooms/layers.py" for room in unknown]
        for name in sorted(self.uses):
            room = self.room_of(name)
            for other in sorted(self.uses[name]):
                below = self.room_of(other)
                if below == room or room not in row or below not in row:
                    continue
                if row[below] >= row[room] or below not in self.only.get(room, row):
                    faults.append(f"{name} uses {other}, and {room} may not use {below}")
        if circle := first_circle(self.uses):
            faults.append(f"a circle: {' -> '.join(circle)}")
        return faults


def first_circle(uses: Uses) -> list[str]:
    """Return names each of which uses the next, the last being the first; none without a circle."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(uses.get(name, ())):
                if circle := visit(other, [*path, name]):
                    return circle
            done.add(name)
        return []

    return next((circle for name in sorted(uses) if (circle := visit(name, []))), [])
