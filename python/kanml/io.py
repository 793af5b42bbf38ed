"""Files of plain arrays with a description and a digest: what networks and checkpoints are kept in.

A file is ``magic | length of the description | description (JSON) | arrays | SHA-256 of all that``.
Reading checks the digest before anything is believed; there is no pickle. Writing goes
to a temporary file beside the target, which is flushed to the disk and then renamed: after a crash
there is the old file or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["believing", "read", "write"]

MAGIC = b"kanml\x00\x00\x01"  # the last byte counts versions of the format
DIGEST_SIZE = hashlib.sha256().digest_size
DTYPES = ("<f8", "<f4", "<i8")

PathLike = str | os.PathLike[str]


def write(
    path: PathLike, description: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write a description (values that JSON can hold) and arrays (float64, float32, int64)."""
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
    _replace(Path(path), content + hashlib.sha256(content).digest())


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
    with believing(path):
        description, arrays = _parse(body)
    if description.get("kind") != kind:
        raise ValueError(
            f"{os.fspath(path)!r} holds a {description.get('kind')}, expected a {kind}"
        )
    return description, arrays


@contextlib.contextmanager
def believing(path: PathLike) -> Iterator[None]:
    """Take what a file says as it is: whatever goes wrong then is a ValueError about the file.

    The digest tells accidents, not files that were made to say something else.
    """
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{os.fspath(path)!r} is no valid kanml file: {reason}") from error


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


def _replace(path: Path, content: bytes) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{str(path)!r} is not in an existing folder")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)  # so that the new name is on the disk too
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
