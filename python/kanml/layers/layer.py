"""The interface of a layer: widths, parameters, and what the network around it needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.random import Generator

from kanml._validation import Float64Array
from kanml.layers.parameters import Arrays, Parameter, ParameterKind, Plain
from kanml.splines.space import SplineSpace

__all__ = ["FixedLayer", "Layer", "Range", "TrainedLayer"]

Range: TypeAlias = tuple[Float64Array, Float64Array]
"""Lower and upper ends, each of shape (width,)."""

Self = TypeVar("Self", bound="Layer")


class Layer(ABC):
    """A layer of a network: a description that holds no parameters.

    Kinds of layers derive from `FixedLayer` or `TrainedLayer`.

    Attributes
    ----------
    name : str
        The name of this kind of layer in files.
    n_in, n_out : int or None
        Widths; None: any width, passed on unchanged.
    parameters : tuple of Parameter
        The trained arrays; empty if the layer is fixed.
    spaces : tuple of SplineSpace
        The spaces of its splines, one for each input; empty if it has none.
    degree : int or None
        The degree of its splines.
    refuses : bool
        Whether evaluation raises ValueError for some finite inputs.
    is_affine : bool
        Whether it is an affine map of its inputs, without parameters.
    smooth_order : int or None
        The order above which the derivatives of an activation or a base function vanish, where they
        exist; None: no such order. Splines have their degree instead.
    """

    name: ClassVar[str]
    n_in: int | None = None
    n_out: int | None = None
    parameters: tuple[Parameter, ...]
    spaces: tuple[SplineSpace, ...] = ()
    degree: int | None = None
    refuses: bool = False
    is_affine: ClassVar[bool] = False
    smooth_order: int | None = None

    @property
    def parameter_kind(self) -> ParameterKind:
        """The maps between what the layer stores and what kernels read."""
        return Plain(self.parameters)

    @abstractmethod
    def core(self, width: int) -> Any:
        """Return the description for the core, with `width` inputs."""

    # Files and exports

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Return the layer, without its name, as plain values that JSON represents exactly."""

    @classmethod
    @abstractmethod
    def from_description(cls: type[Self], values: Mapping[str, Any]) -> Self:
        """Return the layer that `description` described, after checking every value again."""

    @abstractmethod
    def exported(self, stored: Arrays, read: Arrays, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return the entry of the layer in the result of `export_mlp`.

        Parameters
        ----------
        stored, read : Arrays
            Its parameters: as it stores them, and as kernels read them.
        dtype : dtype
            The dtype of the returned arrays.
        """

    # Refinement, and the basis of splines

    def refine(self, factor: int = 2) -> Layer:
        """Return the layer with every knot interval, if any, divided into `factor` parts."""
        return self

    def with_space(self, space: SplineSpace | Sequence[SplineSpace]) -> Layer:
        """Return the layer on other spaces; ValueError if it has none."""
        raise ValueError(f"{self!r} has no spaces")

    def with_basis(self, basis: str) -> Layer:
        """Return the layer with the coefficients of its splines, if any, in a basis."""
        return self

    def may_become(self, finer: Layer) -> bool:
        """Say whether another layer differs from this one only in knots and basis of splines."""
        return type(finer) is type(self) and finer.description() == self.description()

    # Initial parameters

    @abstractmethod
    def values(self, arrays: Arrays, x: Float64Array) -> Float64Array:
        """Evaluate the layer in NumPy, from its parameters as kernels read them."""

    @abstractmethod
    def range_wanted(self, behind: Sequence[Layer], width: int, sender: Layer) -> Range | None:
        """Return the range in which the outputs of a trained layer should arrive at this one.

        Parameters
        ----------
        behind : sequence of Layer
            The layers that follow this one.
        width : int
            The number of outputs.
        sender : Layer
            The trained layer; fixed layers may stand between it and this one.

        Returns
        -------
        Range or None
            None if it does not matter.
        """

    @abstractmethod
    def box_before(self, box: Range) -> Range:
        """Return a box of inputs that a fixed layer maps to a box of its outputs."""

    @abstractmethod
    def box_expected(self) -> Range:
        """Return the box of inputs that a trained layer assumes to be filled."""

    @abstractmethod
    def filling(
        self, x: Float64Array, target: Range, share: float, rng: Generator
    ) -> tuple[Arrays, Float64Array]:
        """Return initial parameters with which the outputs fill a target range, and the outputs.

        The parameters are in the form that kernels read, as are those of `drawn`.

        Parameters
        ----------
        x : ndarray, shape (N, n_in)
            Samples.
        target : Range
        share : float
            The random share of splines, from 0 to 1; the rest is a linear map.
        """

    @abstractmethod
    def drawn(self, rng: Generator) -> Arrays:
        """Return initial parameters where the range of the outputs does not matter."""

    @abstractmethod
    def __repr__(self) -> str:
        """Return the call that makes the layer, as messages show it."""


class FixedLayer(Layer):
    """A layer without parameters."""

    parameters: tuple[Parameter, ...] = ()

    def box_expected(self) -> Range:
        """Raise TypeError: nothing is trained here."""
        raise TypeError(f"{self!r} is fixed")

    def filling(
        self, x: Float64Array, target: Range, share: float, rng: Generator
    ) -> tuple[Arrays, Float64Array]:
        """Raise TypeError: nothing is trained here."""
        raise TypeError(f"{self!r} is fixed")

    def drawn(self, rng: Generator) -> Arrays:
        """Raise TypeError: nothing is trained here."""
        raise TypeError(f"{self!r} is fixed")


class TrainedLayer(Layer):
    """A layer with parameters."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """The trained arrays."""

    def box_before(self, box: Range) -> Range:
        """Raise TypeError: the map of the layer is not known before it is trained."""
        raise TypeError(f"{self!r} is trained")
