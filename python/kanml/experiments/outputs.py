"""Where an experiment writes, checked before work that may take hours, and what it draws."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from kanml.plotting import figure

__all__ = ["draw_picture", "require_folder", "require_picture"]


def require_picture(picture: Path) -> None:
    """Check that a picture can be drawn and written.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ValueError
        If matplotlib cannot write the format, or if the file cannot be written.
    """
    trial = figure(1, 1)
    trial.text(0, 0, "text")  # some formats need other programs for text
    try:
        trial.savefig(io.BytesIO(), format=picture.suffix.removeprefix("."))
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"--picture must end in a format that matplotlib can write, got {picture}: {error}"
        ) from None
    try:
        _try_to_write(picture.resolve())
    except OSError as error:
        raise ValueError(
            f"--picture must be a file that can be written, got {picture}: {error.strerror}"
        ) from None


def _try_to_write(file: Path) -> None:
    """Open a file for writing without changing anything."""
    is_new = not file.exists()
    with file.open("ab"):
        pass
    if is_new:
        file.unlink()


def require_folder(folder: Path) -> None:
    """Make a folder if it does not exist, and check that files can be written in it.

    Raises
    ------
    ValueError
        If no files can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"--folder must be a folder that can be written, got {folder}: {error.strerror}"
        ) from None


def draw_picture(picture: Path | None, draw: Callable[[Path], None]) -> None:
    """Draw a picture, and print where it is.

    Parameters
    ----------
    picture : Path or None
        The file; None: draw nothing.
    draw : callable
        Writes the picture to a file.
    """
    if picture is not None:
        draw(picture)
        print(f"\nPicture: {picture.resolve()}")
