"""Reference problems of the library, with exact or verified solutions."""

from kanml.problems.reference.base import ReferenceProblem
from kanml.problems.reference.burgers import Burgers
from kanml.problems.reference.elliptic import Biharmonic, Helmholtz, Poisson, PoissonInterface
from kanml.problems.reference.linear import Advection, Heat
from kanml.problems.reference.periodic import AllenCahn, KortewegDeVries, KuramotoSivashinsky
from kanml.problems.reference.rotated_waves import RotatedWaves

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
