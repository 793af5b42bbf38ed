"""Spline spaces, the exact maps between them, and the change of basis to powers of ReLUs."""

from kanml.splines.power_relu import relu_basis, relu_transform
from kanml.splines.prolongation import prolongation
from kanml.splines.space import SplineSpace

__all__ = ["SplineSpace", "prolongation", "relu_basis", "relu_transform"]
