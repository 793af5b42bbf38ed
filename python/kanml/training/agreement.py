"""What processes that train together have in common: how they begin, and where they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from kanml import _core
from kanml.optim import Vector
from kanml.parallel import Communicator, ProcessError

__all__ = ["agreed", "require_same", "software"]

SHOWN = 200  # characters of what differs


def software() -> str:
    """Return what the bits of a run depend on beside its arguments."""
    kernels = _core.instruction_set()
    return f"kanml {_core.__version__} with the kernels {kernels}, NumPy {np.__version__}"


def require_same(communicator: Communicator, parts: Mapping[str, str]) -> None:
    """Raise ValueError in all processes unless they begin the same run.

    Parameters
    ----------
    communicator : Communicator
    parts : mapping of str to str
        What they must have in common, by name. The names are the same everywhere.
    """
    ours = [_number(text.encode()) for text in parts.values()]
    every = np.array(communicator.gathered(np.array(ours)))
    differing = np.argwhere(every != every[0])
    if not differing.size:
        return
    rank, part = differing[0].tolist()
    name = list(parts)[part]
    texts = communicator.texts(parts[name])
    begin = _first_difference(texts[rank], texts[0])
    theirs, first = (_shortened(texts[of], begin) for of in (rank, 0))
    raise ValueError(
        "all processes must call train with the same network, unknowns, schedule, options and "
        f"software: those of process {rank} are not those of process 0: {name} is {theirs} and "
        f"{first}"
    )


def _first_difference(text: str, other: str) -> int:
    pairs = enumerate(zip(text, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(text), len(other)))


def _shortened(text: str, begin: int) -> str:
    """Return a text around the place where it begins to differ from another."""
    begin = 0 if len(text) <= SHOWN else max(begin - SHOWN // 4, 0)
    part = text[begin : begin + SHOWN]
    return ("..." if begin else "") + part + ("..." if begin + SHOWN < len(text) else "")


def agreed(
    communicator: Communicator, wanted: Sequence[bool], parameters: Vector, step: int
) -> list[bool]:
    """Return what is wanted by any process.

    Parameters
    ----------
    communicator : Communicator
    wanted : sequence of bool
    parameters : Vector
        Those that training has reached.
    step : int

    Raises
    ------
    ProcessError
        In all processes, unless they have the same parameters, bit for bit.
    """
    digest = _number(np.ascontiguousarray(parameters).data)
    every = np.array(communicator.gathered(np.array([*wanted, digest], np.float64)))
    differing = np.flatnonzero(every[:, -1] != every[0, -1]).tolist()
    if differing:
        ranks = ", ".join(map(str, differing))
        raise ProcessError(
            f"after step {step} processes have different parameters: those of process {ranks} are "
            "not those of process 0. Their processors, libraries or settings may differ, or an "
            "optimizer or problem that depends on the process"
        )
    return [bool(votes.any()) for votes in every[:, :-1].T]


def _number(content: bytes | memoryview) -> float:
    """Return a digest of 48 bits, which a float64 holds exactly."""
    return float(int.from_bytes(hashlib.blake2b(content, digest_size=6).digest(), "little"))
