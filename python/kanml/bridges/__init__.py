"""Networks in other forms."""

from kanml.bridges.mlp import export_mlp

__all__ = ["export_mlp"]
