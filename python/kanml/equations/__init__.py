"""Reference problems of the library, with exact or verified solutions."""

from kanml.equations.base import ReferenceProblem
from kanml.equations.burgers import Burgers
from kanml.equations.elliptic import Biharmonic, Helmholtz, Poisson, PoissonInterface
from kanml.equations.linear import Advection, Heat
from kanml.equations.periodic import AllenCahn, KortewegDeVries, KuramotoSivashinsky
from kanml.equations.rotated_waves import RotatedWaves

__all__ = [
    "Advection",
    "AllenCahn",
    "Biharmonic",
    "Burgers",
    "Heat",
    "Helmholtz",
    "KortewegDeVries",
    "KuramotoSivashinsky",
    "Poisson",
    "PoissonInterface",
    "ReferenceProblem",
    "RotatedWaves",
]
