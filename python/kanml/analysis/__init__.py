"""How the change of basis between B-splines and powers of ReLUs affects training."""

from kanml.analysis.kernel import NTKSpectrum, ntk, ntk_bound, ntk_spectrum
from kanml.analysis.transform import TransformSpectrum, transform_condition, transform_spectrum

__all__ = [
    "NTKSpectrum",
    "TransformSpectrum",
    "ntk",
    "ntk_bound",
    "ntk_spectrum",
    "transform_condition",
    "transform_spectrum",
]
