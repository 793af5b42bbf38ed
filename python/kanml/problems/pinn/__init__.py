"""Physics-informed networks: residuals of differential equations at points."""

from kanml.problems.pinn.pinn import PINN
from kanml.problems.pinn.term import RBA, Term

__all__ = ["PINN", "RBA", "Term"]
