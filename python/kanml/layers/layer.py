"""What a layer promises: its widths and parameters, and what it does for the network around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.random import Generator

from kanml._validation import Float64Array
from kanml.layers.parameters import Arrays, Parameter, ParameterKind, Plain
from kanml.splines.space import SplineSpace

__all__ = ["Layer", "Range"]

Range: TypeAlias = tuple[Float64Array, Float64Array]
"""Lower and upper ends, shape (width,) each."""

Self = TypeVar("Self", bound="Layer")


class Layer(ABC):
    """A layer of a network: a description, without parameters.

    Attributes
    ----------
    name : str
        What this kind of layer is called in files.
    n_in, n_out : int or None
        Widths; None: as many as arrive.
    parameters : tuple of Parameter
        What is trained; empty if the layer is fixed.
    spaces : tuple of SplineSpace
        Of splines, one for each input; empty if there are none.
    degree : int or None
        Of splines.
    refuses : bool
        Whether evaluation raises ValueError for some finite inputs.
    smooth_order : int or None
        Above which order derivatives of an activation vanish, where they exist; None: nowhere.
        For splines that is their degree.
    """

    name: ClassVar[str]
    n_in: int | None = None
    n_out: int | None = None
    parameters: tuple[Parameter, ...] = ()
    spaces: tuple[SplineSpace, ...] = ()
    degree: int | None = None
    refuses: bool = False
    smooth_order: int | None = None

    @property
    def parameter_kind(self) -> ParameterKind:
        """How what is stored becomes what kernels read."""
        return Plain(self.parameters)

    @abstractmethod
    def core(self, width: int) -> Any:
        """Return the core's description, for `width` inputs."""

    # Files, and other forms

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Return the layer as plain values that JSON can hold exactly, without its name."""

    @classmethod
    @abstractmethod
    def from_description(cls: type[Self], values: Mapping[str, Any]) -> Self:
        """Return the layer that `description` described; every value is checked again."""

    @abstractmethod
    def exported(self, stored: Arrays, read: Arrays, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return what the layer is in `export_mlp`.

        Parameters
        ----------
        stored, read : Arrays
            Its parameters: as it stores them, and as kernels read them.
        dtype : dtype
            Of the arrays returned.
        """

    # Refinement, and the basis of splines

    def refine(self, factor: int = 2) -> Layer:
        """Return the layer with every knot interval, if it has any, cut into `factor` parts."""
        return self

    def with_space(self, space: SplineSpace | Sequence[SplineSpace]) -> Layer:
        """Return the layer on other spaces; ValueError if it has none."""
        raise ValueError(f"{self!r} has no spaces")

    def with_basis(self, basis: str) -> Layer:
        """Return the layer with the coefficients of its splines, if it has any, in a basis."""
        return self

    def may_become(self, finer: Layer) -> bool:
        """Say whether another layer is this one but for the knots, and the basis, of splines."""
        return type(finer) is type(self) and finer.description() == self.description()

    # Where training starts

    @abstractmethod
    def values(self, arrays: Arrays, x: Float64Array) -> Float64Array:
        """Evaluate the layer in NumPy, from its parameters as kernels read them."""

    def range_wanted(self, behind: Sequence[Layer], width: int, sender: Layer) -> Range | None:
        """Return the range that outputs of a trained layer should take when they come to this one.

        Parameters
        ----------
        behind : sequence of Layer
            What follows this layer.
        width : int
            How many outputs there are.
        sender : Layer
            The trained layer; fixed layers may be in between.

        Returns
        -------
        Range or None
            None if it does not matter.
        """
        return None

    def box_before(self, box: Range) -> Range:
        """Return a box of inputs that a fixed layer maps to a box of its outputs."""
        raise TypeError(f"{self!r} is trained")

    def box_expected(self) -> Range:
        """Return the box of inputs that a trained layer takes to be filled."""
        raise TypeError(f"{self!r} is fixed")

    def filling(
        self, x: Float64Array, target: Range, share: float, rng: Generator
    ) -> tuple[Arrays, Float64Array]:
        """Return initial parameters with which the outputs range over a target, and the outputs.

        Like those of `drawn`, they are what kernels read.

        Parameters
        ----------
        x : ndarray, shape (N, n_in)
            Samples.
        target : Range
        share : float
            How much of splines is random, from 0 to 1; the rest is a linear map.
        """
        raise TypeError(f"{self!r} is fixed")

    def drawn(self, rng: Generator) -> Arrays:
        """Return initial parameters where the range of the outputs does not matter."""
        raise TypeError(f"{self!r} is fixed")
