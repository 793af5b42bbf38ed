"""The kinds of parameters: the maps between what layers store and what kernels read."""

from kanml import _core
from kanml.layers.parameters.basis import Basis
from kanml.layers.parameters.bsplines import BSplines
from kanml.layers.parameters.joined import Joined
from kanml.layers.parameters.kind import Arrays, Parameter, ParameterKind, Part
from kanml.layers.parameters.plain import Plain
from kanml.layers.parameters.power_relus import PowerReLUs

__all__ = ["BASES", "Arrays", "Basis", "Joined", "Parameter", "ParameterKind", "Part", "Plain"]

BASES: dict[str, type[Basis]] = {basis.name: basis for basis in (BSplines, PowerReLUs)}
if BASES.keys() != _core.Basis.__members__.keys():
    raise ImportError(
        f"the core has the bases {list(_core.Basis.__members__)}, and Python {list(BASES)}"
    )
