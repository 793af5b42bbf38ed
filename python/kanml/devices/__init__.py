"""Where networks are evaluated, besides the processors: GPUs, and their arithmetic on the host."""

from kanml.devices.device import Device, DeviceArray, find
from kanml.devices.inputs import SupportsDLPack, in_place

__all__ = ["Device", "DeviceArray", "SupportsDLPack", "find", "in_place"]
