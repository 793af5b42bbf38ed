"""Reading what the files of a checkout use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from rooms.layers import CPP, CPP_ONLY, PYTHON, PYTHON_ONLY
from rooms.sources import Sources

__all__ = ["cpp", "python"]

PACKAGE = "kanml"


def python(root: Path) -> Sources:
    """Return the modules of the package, named without it, which is called "kanml" itself.

    All imports count: also those for types, and those within functions.
    """
    folder = root / "python" / PACKAGE
    files = {_module(path.relative_to(folder)): path for path in sorted(folder.rglob("*.py"))}
    known = {*files, "_core"}
    uses = {
        name: {_found(full, known) for full in _imported(ast.parse(path.read_text()), name)}
        for name, path in files.items()
    }
    if (folder / "_core.pyi").exists():
        uses["_core"] = set()
    return Sources("Python", uses, lambda name: name.split(".")[0], PYTHON, PYTHON_ONLY)


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or PACKAGE


def _imported(tree: ast.AST, name: str) -> Iterator[str]:
    """Yield what a module imports of the package: full names, of modules or of things in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == PACKAGE)
        elif isinstance(node, ast.ImportFrom):
            if node.level > 0:
                raise ValueError(f"{name} imports relatively; write the whole name of the module")
            if str(node.module).split(".")[0] == PACKAGE:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _found(full: str, known: set[str]) -> str:
    """Return the module that has a name, or that a thing with this name is in."""
    inner = full.removeprefix(PACKAGE).removeprefix(".")
    while inner and inner not in known:
        inner = inner.rpartition(".")[0]
    return inner or PACKAGE


def cpp(root: Path) -> Sources:
    """Return the files of the core, named by their path in cpp."""
    folder = root / "cpp"
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".hpp", ".cpp", ".cu", ".cuh")
    }
    uses: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        places = (path.parent, folder, folder / "include")
        for target in re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(), re.MULTILINE):
            found = next((place / target for place in places if (place / target).exists()), None)
            if found is not None:  # otherwise it is made by the build
                uses[name].add(found.resolve().relative_to(folder.resolve()).as_posix())
    return Sources("C++", uses, _cpp_room, CPP, CPP_ONLY)


def _cpp_room(name: str) -> str:
    """Return the innermost folder around a file that is a room, or its folder if none is."""
    rooms = {room for row in CPP for room in row}
    folders = [folder.as_posix() for folder in Path(name).parents]
    return next((folder for folder in folders if folder in rooms), folders[0])
