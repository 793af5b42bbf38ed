"""Where networks are evaluated, besides the processors: GPUs, and their arithmetic on the host."""

from kanml.devices.device import Device, DeviceArray, find

__all__ = ["Device", "DeviceArray", "find"]
