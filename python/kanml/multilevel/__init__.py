"""Maps that carry an optimizer's memory between grids and between bases."""

from kanml.multilevel.geometry import geometry_maps, transfer_maps

__all__ = ["geometry_maps", "transfer_maps"]
