"""Pictures of networks, runs, solutions and spectra; they need matplotlib, from the extra ``plot``.

Every function takes ``axes``, by default those of a new figure, and returns them. None changes
matplotlib's global state or its backend. `Network.plot` draws a network as a graph.
"""

from kanml.canvas import figure
from kanml.network.drawing import plot_edge
from kanml.plotting.samples import plot_partial_dependence, plot_points
from kanml.plotting.spectra import (
    plot_conditions,
    plot_decay,
    plot_eigenvectors,
    plot_sign_changes,
    plot_spectra,
)
from kanml.plotting.surfaces import log10_size, plot_error, plot_solution, plot_surface
from kanml.plotting.training import plot_errors, plot_history

__all__ = [
    "figure",
    "log10_size",
    "plot_conditions",
    "plot_decay",
    "plot_edge",
    "plot_eigenvectors",
    "plot_error",
    "plot_errors",
    "plot_history",
    "plot_partial_dependence",
    "plot_points",
    "plot_sign_changes",
    "plot_solution",
    "plot_spectra",
    "plot_surface",
]
