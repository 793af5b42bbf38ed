"""Which room of the sources uses which: here, and in trees where something is wrong."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from rooms import drawing, reading

ROOT = Path(__file__).parents[1]
SOURCES = [reading.python(ROOT), reading.cpp(ROOT)]


def names(sources):
    return [one.title for one in sources]


@pytest.mark.parametrize("sources", SOURCES, ids=names(SOURCES))
def test_everything_goes_downwards(sources):
    assert sources.faults() == []


def test_files_of_arrays_are_files_alone():
    assert SOURCES[0].uses["network.files"] == {"_system"}


def test_what_is_read():
    """Against what stands in these files."""
    modules, files = (sources.uses for sources in SOURCES)
    assert {"_validation", "expressions.operations"} <= modules["expressions.trace"]
    assert modules["bridges"] == {"bridges.mlp"}
    assert "training" in modules["kanml"]
    assert {"bindings/arrays.hpp", "include/kanml/vector_ops.hpp"} <= files[
        "bindings/vector_ops.cpp"
    ]


# Trees with a fault


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def sound(root):
    """Write two small parts that are as they should be."""
    package = {name: "" for name in ("__init__", "network/__init__", "layers/__init__")}
    files = {f"python/kanml/{name}.py": text for name, text in package.items()}
    files |= {
        "python/kanml/layers/spline.py": "import numpy",
        "python/kanml/network/network.py": "from kanml.layers import spline\nimport kanml.layers",
        "cpp/include/kanml/types.hpp": "#include <vector>",
        "cpp/point/basis.hpp": '#include "kanml/types.hpp"',
        "cpp/kernels/spline/tiles.hpp": '#include "point/basis.hpp"\n#include "other.hpp"',
        "cpp/kernels/spline/other.hpp": "",
        "cpp/bindings/module.cpp": '#include "kanml/types.hpp"\n#include "made_by_cmake.hpp"',
    }
    return write(root, files)


def faults(root):
    return [fault for read in (reading.python, reading.cpp) for fault in read(root).faults()]


def test_a_sound_tree(tmp_path):
    root = sound(tmp_path)
    assert faults(root) == []
    assert reading.python(root).uses["network.network"] == {"layers", "layers.spline"}
    assert reading.cpp(root).rooms() == {
        "include": set(),
        "point": {"include"},
        "kernels": {"point"},
        "bindings": {"include"},
    }


IMPORT = "from kanml.layers.spline import thing"
PLANTED = {
    "when run": IMPORT,
    "by its whole name": "import kanml.layers.spline as it",
    "from its room": "from kanml.layers import spline",
    "for types": f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {IMPORT}",
    "in a function": f"def f():\n    {IMPORT}",
}


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_a_circle_of_imports(tmp_path, text):
    back = "from kanml.layers.affine import other"
    files = {"python/kanml/layers/spline.py": back, "python/kanml/layers/affine.py": text}
    root = write(sound(tmp_path), files)
    assert faults(root) == ["a circle: layers.affine -> layers.spline -> layers.affine"]


def test_a_circle_of_includes(tmp_path):
    root = write(sound(tmp_path), {"cpp/point/taylor.hpp": '#  include "basis.hpp"'})
    assert faults(root) == []
    write(root, {"cpp/point/basis.hpp": '#include "point/taylor.hpp"'})
    assert faults(root) == ["a circle: point/basis.hpp -> point/taylor.hpp -> point/basis.hpp"]


UPWARDS = {
    "python/kanml/layers/linear.py": (
        f"def f():\n    from kanml.network import network\n    {IMPORT}",
        "layers.linear uses network.network, and layers may not use network",
    ),
    "python/kanml/optim/adam.py": (
        "from kanml.threads import count",
        "optim.adam uses threads, and optim may not use threads",
    ),
    "cpp/point/taylor.hpp": (
        '#include "kernels/spline/other.hpp"',
        "point/taylor.hpp uses kernels/spline/other.hpp, and point may not use kernels",
    ),
    "cpp/bindings/network.cpp": (
        '#include "point/basis.hpp"',
        "bindings/network.cpp uses point/basis.hpp, and bindings may not use point",
    ),
    "cpp/core/runtime/threads.cpp": (
        '#include "core/cpu/tiles.hpp"',
        "core/runtime/threads.cpp uses core/cpu/tiles.hpp, and core/runtime may not use core/cpu",
    ),
}


@pytest.mark.parametrize("name", UPWARDS)
def test_what_goes_upwards(tmp_path, name):
    text, fault = UPWARDS[name]
    also = {"python/kanml/threads.py": "", "cpp/core/cpu/tiles.hpp": ""}
    root = write(sound(tmp_path), also | {name: text})
    assert faults(root) == [fault]


def test_what_has_no_place(tmp_path):
    files = {
        "python/kanml/attic/old.py": IMPORT,
        "cpp/gpu/launch.cu": '#include "kanml/types.hpp"',
    }
    assert faults(write(sound(tmp_path), files)) == [
        "attic has no place in tools/rooms/layers.py",
        "gpu has no place in tools/rooms/layers.py",
    ]


def test_relative_imports_are_refused(tmp_path):
    root = write(sound(tmp_path), {"python/kanml/layers/linear.py": "from . import spline"})
    with pytest.raises(ValueError, match=r"layers\.linear imports relatively"):
        reading.python(root)


# The command


def command(*arguments):
    line = [sys.executable, str(ROOT / "tools" / "imports"), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def test_the_command(tmp_path):
    root = sound(tmp_path / "tree")
    done = command(root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Python\n  kanml\n  network  layers\n  layers\n\n"
        "C++\n  bindings  include\n  kernels   point\n  point     include\n  include\n"
    )
    write(root, {"python/kanml/layers/spline.py": "import kanml.layers.spline"})
    picture = tmp_path / "rooms.svg"
    done = command(root, "--svg", picture)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "a circle: layers.spline -> layers.spline\n"
    assert not picture.exists()
    assert command(tmp_path / "nowhere").returncode == 2


def test_the_drawing(tmp_path):
    """A box a room below what uses it, and only the arrows that no others imply."""
    root = sound(tmp_path)
    write(root, {"cpp/kernels/table.hpp": '#include "kanml/types.hpp"'})
    picture = ElementTree.fromstring(drawing.as_svg([reading.cpp(root)]))
    space = "{http://www.w3.org/2000/svg}"
    [group] = picture.iter(f"{space}g")
    _, *labels = group.iter(f"{space}text")
    heights = {label.text: float(label.get("y")) for label in labels}
    assert heights["bindings"] < heights["kernels"] < heights["point"] < heights["include"]
    assert len(list(group.iter(f"{space}path"))) == 3  # kernels to include follows from others
    boxes = [box for box in group.iter(f"{space}rect")]
    assert len(boxes) == 4
