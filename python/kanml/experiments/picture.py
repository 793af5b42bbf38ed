"""The last step of an experiment: its picture, if matplotlib is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["draw_picture"]


def draw_picture(picture: Path, draw: Callable[[Path], None]) -> int:
    """Draw and say where the picture is, or why there is none.

    Parameters
    ----------
    picture : Path
    draw : callable
        Writes it.

    Returns
    -------
    int
        The exit status: 1 if matplotlib is missing.
    """
    try:
        draw(picture)
    except ModuleNotFoundError as error:
        print(f"\nNo picture: {error}", file=sys.stderr)
        return 1
    print(f"\nPicture: {picture.resolve()}")
    return 0
