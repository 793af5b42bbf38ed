"""Files of plain arrays with a description and a digest, which hold networks and checkpoints.

A file is ``magic | length of the description | description (JSON) | arrays | SHA-256 of all that``.
Reading checks the digest before it uses anything else, and never unpickles. Writing goes to a
temporary file beside the target, which is flushed to the disk and then renamed: after a crash there
is either the old file or the new one. A temporary file that a killed process left is removed by the
next process that writes to the same target (on Windows it stays).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
import re
import secrets
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml import _system

__all__ = ["errors_about", "read", "rehearse", "replace", "write"]

MAGIC = b"kanml\x00\x00\x01"  # the last byte counts versions of the format
DIGEST_SIZE = hashlib.sha256().digest_size
DTYPES = ("<f8", "<f4", "<i8")
PROCESS = secrets.token_hex(8)  # differs for an earlier process of the same number
COUNTER = itertools.count()

PathLike = str | os.PathLike[str]


def write(
    path: PathLike, description: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write a description (values that JSON can hold) and arrays (float64, float32, int64)."""
    replace(path, _content(description, arrays))


def replace(path: PathLike, content: bytes) -> None:
    """Write a file.

    An existing file is replaced as a whole and keeps its permissions; a symbolic link is followed.
    """
    target = _target(path)
    with _temporary(target, content) as temporary:
        os.replace(temporary, target)
    _system.flush_folder(target.parent)  # where that cannot be, the new file is complete anyway


def rehearse(
    path: PathLike, description: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Raise what `write` would raise, even for lack of space, and change nothing."""
    with _temporary(_target(path), _content(description, arrays)):
        pass


def _content(description: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return the bytes of a file."""
    payload = []
    listing = []
    for name, array in arrays.items():
        dtype = array.dtype.newbyteorder("<").str
        if dtype not in DTYPES:
            raise TypeError(f"array {name!r} has dtype {array.dtype}, expected one of {DTYPES}")
        listing.append({"name": name, "dtype": dtype, "shape": list(array.shape)})
        payload.append(np.ascontiguousarray(array, dtype=dtype).tobytes())
    header = json.dumps({**description, "arrays": listing}).encode()
    content = b"".join([MAGIC, struct.pack("<Q", len(header)), header, *payload])
    return content + hashlib.sha256(content).digest()


def read(path: PathLike, kind: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read what `write` wrote with ``description["kind"] == kind``.

    Raises
    ------
    ValueError
        If the file is not a kanml file of that kind, or was truncated or altered.
    """
    content = Path(path).read_bytes()
    if content[: len(MAGIC)] != MAGIC:
        raise ValueError(f"{os.fspath(path)!r} is not a kanml file of this version, or is damaged")
    body, digest = content[:-DIGEST_SIZE], content[-DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError(f"{os.fspath(path)!r} is damaged: it was truncated or altered")
    with errors_about(path):
        description, arrays = _parse(body)
    if description.get("kind") != kind:
        raise ValueError(
            f"{os.fspath(path)!r} holds a {description.get('kind')}, expected a {kind}"
        )
    return description, arrays


@contextlib.contextmanager
def errors_about(path: PathLike, passing: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Turn every error raised while the content of a file is used into a ValueError about the file.

    Errors of the types `passing` are raised as they are.

    Such errors remain possible: the digest detects corruption, not forgery.
    """
    try:
        yield
    except passing:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{os.fspath(path)!r} is not a valid kanml file: {reason}") from error


def _parse(body: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    (length,) = struct.unpack_from("<Q", body, len(MAGIC))
    start = len(MAGIC) + 8
    description: dict[str, Any] = json.loads(body[start : start + length])
    arrays: dict[str, npt.NDArray[Any]] = {}
    offset = start + length
    for entry in description.pop("arrays"):
        name, dtype, shape = entry["name"], entry["dtype"], entry["shape"]
        if name in arrays or dtype not in DTYPES or min(shape, default=0) < 0:
            raise ValueError(f"the file lists an array {entry}")
        array = np.frombuffer(body, dtype, math.prod(shape), offset).reshape(shape)
        arrays[name] = array.astype(array.dtype.newbyteorder("="))
        offset += array.nbytes
    if offset != len(body):
        raise ValueError(f"the arrays end at {offset} of {len(body)} bytes")
    return description, arrays


def _target(path: PathLike) -> Path:
    """Return the file that a path leads to through symbolic links; it need not exist."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{os.fspath(path)!r} is not in an existing folder")
    if target.exists() and not target.is_file():
        raise IsADirectoryError(f"{os.fspath(path)!r} is not a file that can be replaced")
    return target


@contextlib.contextmanager
def _temporary(target: Path, content: bytes) -> Iterator[Path]:
    """Write a file beside the target, with its permissions, and flush it; remove it at the end."""
    _remove_abandoned(target)
    number = next(COUNTER)
    temporary = target.with_name(f"{_prefix(target)}{os.getpid()}.{PROCESS}{number}.tmp")
    try:
        with temporary.open("xb") as file:
            if target.exists():
                _system.copy_permissions(target, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _prefix(target: Path) -> str:
    """Return what names of temporary files begin with; file systems end names at 255 bytes."""
    return f".{target.name[:50]}."


def _remove_abandoned(target: Path) -> None:
    """Remove temporary files of processes that were killed while they wrote to this target."""
    pattern = re.compile(re.escape(_prefix(target)) + r"(\d+)\.([0-9a-f]{16})\d+\.tmp")
    with contextlib.suppress(OSError):  # a folder that cannot be listed, a file that is gone
        for name in os.listdir(target.parent):
            if found := pattern.fullmatch(name):
                process = int(found[1])
                if process == os.getpid():  # ours, or of an earlier process with our number
                    abandoned = found[2] != PROCESS
                else:
                    abandoned = not _system.is_running(process)
                if abandoned:
                    target.with_name(name).unlink()
