"""Where networks are evaluated, besides the processors: GPUs, and their arithmetic on the host."""

from kanml.devices.array import DeviceArray
from kanml.devices.device import Device, find

__all__ = ["Device", "DeviceArray", "find"]
