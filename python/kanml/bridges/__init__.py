"""Exports of networks to other forms."""

from kanml.bridges.mlp import export_mlp

__all__ = ["export_mlp"]
