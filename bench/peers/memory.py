"""What an evaluation needs beyond parameters, inputs and outputs, in fresh processes."""

from __future__ import annotations

import ctypes
import multiprocessing

import numpy as np
from pinn import MEMORY_GOAL, forget_peak, resident

import kanml
from peers.table import Options, Table

CASES = ((64, 8, 100_000), (256, 512, 100_000))  # width, intervals, batch
MB = 2**20


def memory(options: Options, table: Table) -> None:
    table.title(
        "Peak memory beyond parameters, inputs and outputs, spline layer, float32, fresh processes"
    )
    context = multiprocessing.get_context("spawn")
    for width, intervals, batch in CASES:
        for what in ("net(x)", "net.vjp"):
            with context.Pool(1) as pool:
                given = (what, width, intervals, batch, options.threads)
                beyond, outputs, reset = pool.apply(measure, given)
            name = f"{what}, {width} x {width}, n = {intervals}"
            goal = f"<= {MEMORY_GOAL:.0f} MB"
            against = f"batch {batch}, outputs {outputs:.0f} MB"
            table.row([name, f"{beyond:.1f} MB", "", against], goal, beyond <= MEMORY_GOAL)
            if not reset:
                print("  the peak could not be reset here: it is that of the process")


def measure(
    what: str, width: int, intervals: int, batch: int, threads: int
) -> tuple[float, float, bool]:
    """Megabytes beyond the outputs, those of the outputs, and whether the peak was reset."""
    kanml.set_num_threads(threads)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (batch, width)).astype(np.float32)
    cotangent = np.ones((batch, width), dtype=np.float32)
    net = kanml.KAN([width, width], degree=3, intervals=intervals, dtype="float32")
    ctypes.CDLL(None).malloc_trim(0)  # memory that is free, but resident, would hide some of it
    reset = forget_peak()
    start = resident("VmRSS")
    results = (net(x),) if what == "net(x)" else net.vjp(x, cotangent)
    outputs = sum(array.nbytes for array in results) / MB
    return resident("VmHWM") - start - outputs, outputs, reset
