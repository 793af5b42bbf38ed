"""The figure on which pictures are drawn; importing this module imports matplotlib."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ["ShownFigure"]


class ShownFigure(Figure):
    """A figure that notebooks show as a picture, although pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        """Return the picture as a PNG file, which IPython asks for."""
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()
