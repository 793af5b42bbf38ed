"""A network as something to look at: single splines, and a picture of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy.typing as npt

from kanml.network.drawing import plot_network
from kanml.network.edges import Edge, spline
from kanml.network.function import Differentiable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from scipy.interpolate import BSpline

__all__ = ["Visible"]


class Visible(Differentiable):
    """A function of inputs and parameters whose edges can be seen."""

    __slots__ = ()

    def spline(self, layer: int, i: int, j: int) -> BSpline:
        """Return the spline on one edge of a spline layer, as an object of SciPy.

        It equals the spline on its domain, from either basis, with its derivatives. A base function
        of the layer is not part of it.

        Parameters
        ----------
        layer : int
            The index of the spline layer in `layers`, where other kinds of layers count too.
        i, j : int
            Input and output of the layer.

        Returns
        -------
        scipy.interpolate.BSpline
            In float64. Outside the domain it continues as the layer does if the extrapolation of
            the layer is "polynomial". It is NaN there with every other rule, which SciPy lacks; the
            network itself has the values.

        Raises
        ------
        ValueError
            If there is no such layer, input or output, or the layer has no splines.
        TypeError
            If an index is not an integer.
        ModuleNotFoundError
            If SciPy is not installed; the message says how to install it.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([1, 1], degree=3, intervals=4, seed=0)
        >>> phi = net.spline(0, 0, 0)
        >>> bool(abs(phi(0.3) - net([[0.3]])) < 1e-15)
        True
        >>> phi.derivative().k
        2
        """
        return spline(Edge(self, layer, i, j))

    def plot(
        self,
        x: npt.ArrayLike | None = None,
        *,
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
        axes: Axes | None = None,
    ) -> Axes:
        """Draw the network as a graph, with a small picture of the function on each edge.

        Layers follow one another from the bottom to the top. An edge is the fainter the less its
        output varies, compared with the other edges of its layer. Each picture is scaled to its own
        frame; ticks mark knots. `kanml.plotting.plot_edge` draws one edge with its numbers.

        Parameters
        ----------
        x : array_like, shape (N, n_in), optional
            Inputs, training data for instance. They decide how much edges vary, and the range that
            they reach on each edge is shaded, darker from the 5 % to the 95 % quantile. Without
            them inputs are taken to fill the domains of all splines.
        inputs, outputs : sequence of str, optional
            Their names; by default x0, x1 and so on, and y0, y1 and so on.
        axes : matplotlib.axes.Axes, optional
            Where to draw; by default the axes of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            ``axes.figure.savefig("net.png")`` writes the picture.

        Raises
        ------
        ValueError
            If the network has more than 20,000 edges, or an argument is not as described.
        ModuleNotFoundError
            If matplotlib is not installed; the message says how to install it.

        Notes
        -----
        Layers of more than 64 splines are drawn as lines without pictures.

        Examples
        --------
        >>> import kanml
        >>> axes = kanml.KAN([2, 5, 1], degree=3, intervals=5).plot(inputs="tx", outputs="u")
        >>> sorted(text.get_text() for text in axes.texts)[-3:]
        ['t', 'u', 'x']
        """
        return plot_network(self, x, inputs, outputs, axes)
