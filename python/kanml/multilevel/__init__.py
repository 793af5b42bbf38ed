"""Between grids and bases: the maps of an optimizer's memory."""

from kanml.multilevel.geometry import geometry_maps, transfer_maps

__all__ = ["geometry_maps", "transfer_maps"]
