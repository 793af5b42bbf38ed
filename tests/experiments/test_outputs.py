"""What commands write is checked before the work, which may take hours."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import unix
from kanml.__main__ import PDES, main
from kanml.experiments import demo
from kanml.experiments.outputs import require_picture

DRAWING = [
    ["demo"],
    ["solve", "helmholtz"],
    ["reproduce", "spectrum"],
    ["reproduce", "poisson", "--quick"],
]
every_drawing_command = pytest.mark.parametrize("command", DRAWING, ids=" ".join)
as_a_user = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root may write everywhere, and Windows has other permissions",
)


def refused(arguments, capsys):
    """The message with which arguments are refused before anything is printed."""
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.fixture
def without_matplotlib(monkeypatch):
    """An environment in which importing matplotlib fails."""
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with a file, a folder, and one that may not be changed."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    Path("folder.png").mkdir()
    Path("fixed").mkdir(mode=0o500)
    return tmp_path


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        ("nowhere/x.png", "No such file or directory"),
        ("file/x.png", "Not a directory"),
        ("folder.png", "Is a directory"),
        ("x" * 300 + ".png", "File name too long"),
        pytest.param("fixed/x.png", "Permission denied", marks=as_a_user),
        ("picture", "must end in a format that matplotlib can write"),
        ("picture.doc", "'doc' is not supported"),
        ("png", "png, "),
    ],
)
@every_drawing_command
def test_a_picture_that_cannot_be_written_is_refused(command, picture, reason, here, capsys):
    before = files(here)
    message = refused([*command, "--picture", picture], capsys)
    assert "--picture must" in message
    assert f"got {picture}" in message
    assert reason in message
    assert files(here) == before


@as_a_user
def test_where_no_picture_is_named_the_present_folder_is_checked(here, capsys, monkeypatch):
    monkeypatch.chdir("fixed")
    assert "got kanml-demo.png: Permission denied" in refused(["demo"], capsys)


@unix
def test_checking_a_picture_changes_nothing(here):
    require_picture(Path("new.svg"))
    Path("link.png").symlink_to("target.png")
    require_picture(Path("link.png"))
    assert Path("link.png").is_symlink()
    assert "new.svg" not in files(here)
    assert "target.png" not in files(here)
    Path("old.PNG").write_bytes(b"an older picture")
    require_picture(Path("old.PNG"))
    assert Path("old.PNG").read_bytes() == b"an older picture"


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("file", "File exists"),
        ("file/runs", "Not a directory"),
        pytest.param("fixed/runs", "Permission denied", marks=as_a_user),
        pytest.param("fixed", "Permission denied", marks=as_a_user),
    ],
)
@pytest.mark.parametrize("name", PDES)
def test_a_folder_that_cannot_be_written_is_refused(name, folder, reason, here, capsys):
    message = refused(["reproduce", name, "--quick", "--folder", folder], capsys)
    assert f"--folder must be a folder that can be written, got {folder}: {reason}" in message
    assert Path("file").read_text() == "kept"


def test_a_format_that_needs_a_missing_program_is_refused(here, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")  # where matplotlib looks for TeX
    message = refused(["demo", "--picture", "x.pgf"], capsys)
    assert "got x.pgf: 'xelatex' not found" in message


@every_drawing_command
def test_a_picture_that_was_asked_for_needs_matplotlib(command, here, capsys, without_matplotlib):
    message = refused([*command, "--picture", "x.png"], capsys)
    assert "pictures need matplotlib: python -m pip install 'kanml[plot]'" in message


def test_what_matplotlib_refuses_is_told_in_a_line(here):
    environment = {**os.environ, "MPLBACKEND": "easel"}
    command = [sys.executable, "-m", "kanml", "demo"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search("error: .*'easel'", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_picture_that_fails_at_the_end_is_told_in_a_line(here, capsys, monkeypatch):
    def draw(results, data, picture):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(picture))

    monkeypatch.setattr(demo, "_draw", draw)
    monkeypatch.setattr(demo, "MULTILEVEL", (2, 1))
    assert main(["demo", "--picture", "x.png"]) == 1
    output = capsys.readouterr()
    assert "multilevel" in output.out  # the table
    assert output.err.endswith("error: [Errno 28] No space left on device: 'x.png'\n")


def test_demo_without_matplotlib_says_first_what_is_missing(
    here, capsys, monkeypatch, without_matplotlib
):
    monkeypatch.setattr(demo, "MULTILEVEL", (2, 1))
    before = files(here)
    assert main(["demo"]) == 0
    output = capsys.readouterr()
    assert "multilevel" in output.out  # the table is there all the same
    assert "Picture" not in output.out
    first, *_ = output.err.splitlines()
    assert first.startswith("There will be no picture: ")
    assert first.endswith("pip install 'kanml[plot]'")
    assert files(here) == before
