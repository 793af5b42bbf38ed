"""Pictures of the pages: each is drawn once for light pages and once for dark ones."""

from pathlib import Path

import charts
import drawings
from matplotlib import rc_context

MODES = {"light": "#3b4045", "dark": "#cfd3d7"}  # the colour of lines and letters
COLOURS = ["#4a7fc1", "#e08a3c", "#4fa36b", "#c65b66", "#8f77b5", "#8c8c8c"]


def drawn(name, mode, folder):
    """Draw a picture, and return its file."""
    ink = MODES[mode]
    style = {
        "axes.edgecolor": ink,
        "axes.labelcolor": ink,
        "axes.prop_cycle": f"cycler('color', {COLOURS})",
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": ink,
        "figure.dpi": 100,
        "font.size": 10,
        "legend.frameon": False,
        "legend.labelcolor": ink,
        "lines.linewidth": 1.8,
        "savefig.transparent": True,
        "svg.hashsalt": name,  # the same file in every build
        "text.color": ink,
        "xtick.color": ink,
        "ytick.color": ink,
    }
    folder.mkdir(exist_ok=True)
    path = Path(folder, f"{name}-{mode}.svg")
    with rc_context(style):
        draw = getattr(drawings, name, None) or getattr(charts, name)
        draw().savefig(path, metadata={"Date": None})
    return path
