"""The tables: rooms from the bottom to the top, as docs/architecture.md has them.

A file uses files of lower rows, and of its own room. `ONLY` names the rooms that see less.
"""

from __future__ import annotations

__all__ = ["CPP", "CPP_ONLY", "PYTHON", "PYTHON_ONLY"]

PYTHON = [
    ["_core", "_system"],
    ["_validation"],
    ["threads", "splines", "expressions", "optim", "parallel", "canvas", "cuda"],
    ["layers", "devices"],
    ["network"],
    ["problems"],
    ["equations", "multilevel"],
    ["training"],
    ["analysis", "bridges", "plotting", "sklearn"],
    ["experiments"],
    ["kanml"],  # the package itself
    ["__main__"],
]
PYTHON_ONLY = {"optim": {"_core", "_validation"}}  # the optimizers know vectors alone

CPP = [
    ["include"],
    ["point"],
    ["simd"],
    ["kernels", "block"],
    ["core/runtime"],
    ["core/linalg"],
    ["core/splines"],
    ["core/parameters"],
    ["core/network"],
    ["core/cpu"],
    ["core/block"],
    ["cuda"],
    ["core/devices"],
    ["bindings"],
]
CPP_ONLY = {"bindings": {"include"}}
