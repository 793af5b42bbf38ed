"""Saving: an old file stays until the new one is whole; permissions, links, and files of others."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

import kanml
from helpers import naming, unix
from kanml.network import files


def test_saving_keeps_the_old_file_where_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "net"
    kanml.KAN([1, 1]).save(path)
    old = path.read_bytes()

    def fail(*arguments):
        raise OSError("no space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"os.{name}", fail)
            with pytest.raises(OSError, match="no space left"):
                kanml.KAN([2, 1]).save(path)
        assert path.read_bytes() == old
        assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_paths_that_do_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError):
        kanml.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        kanml.KAN([1, 1]).save(tmp_path / "none" / "net")


def test_saving_in_a_missing_folder_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"net\.kanml' is not in an existing folder"):
        kanml.KAN([1, 1]).save(tmp_path / "missing" / "net.kanml")


def test_permissions_are_those_of_any_new_file(tmp_path):
    plain, saved = tmp_path / "plain", tmp_path / "saved"
    plain.touch()
    kanml.KAN([1, 1]).save(saved)
    assert saved.stat().st_mode == plain.stat().st_mode


@unix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_permissions_of_a_file_are_kept(mode, tmp_path):
    path = tmp_path / "net"
    path.write_bytes(b"old")
    path.chmod(mode)
    kanml.KAN([1, 1]).save(path)
    assert path.stat().st_mode & 0o777 == mode


@unix
@pytest.mark.parametrize("target", ["there/net", "there/new"])
def test_a_symbolic_link_stays_one(target, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "net").write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(target)
    for net in (kanml.KAN([1, 1]), kanml.KAN([2, 1])):
        net.save(link)
        assert link.is_symlink()
        assert repr(kanml.load(tmp_path / target).layers) == repr(net.layers)
    assert {p.name for p in tmp_path.iterdir()} == {"there", "link"}
    assert {p.name for p in (tmp_path / "there").iterdir()} == {"net", target[6:]}


@unix
def test_what_is_no_file_is_not_replaced(tmp_path):
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe, "/dev/null"):
        with pytest.raises(IsADirectoryError, match=naming(repr(str(path))[1:])):
            kanml.KAN([1, 1]).save(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "pipe"]


KILLED = """
import os, signal, sys, kanml
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
kanml.KAN([1, 1]).save(sys.argv[1])
"""


@unix
def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "net"
    for name in ("net", "other"):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], timeout=60)
        assert done.returncode == -signal.SIGKILL
    left = {p.name for p in tmp_path.iterdir()}
    assert len(left) == 2
    assert not path.exists()
    kanml.KAN([1, 1]).save(path)
    kept = {p.name for p in tmp_path.iterdir()} - {"net"}
    assert kept == {name for name in left if name.startswith(".other.")}


def test_what_others_are_writing_is_left_alone(tmp_path):
    """Files of running processes, of this one, and of names that are not ours."""
    stem, token = ".net.", "0123456789abcdef"
    names = {
        f"{stem}{os.getppid()}.{token}0.tmp",
        f"{stem}{os.getpid()}.{files.PROCESS}999999.tmp",
        f"{stem}notes.tmp",
        f"{stem}2.{token}0.tmp.kept",
        f".net.net.{2**40}.{token}0.tmp",
    }
    for name in names:
        (tmp_path / name).touch()
    abandoned = (f"{stem}{os.getpid()}.{token}0.tmp", f"{stem}{2**40}.{token}0.tmp")
    for name in abandoned:
        (tmp_path / name).touch()
    kanml.KAN([1, 1]).save(tmp_path / "net")
    assert {p.name for p in tmp_path.iterdir()} == names | {"net"}


@unix
@pytest.mark.parametrize("name", ["n" * 255, "\U0001f600" * 63, "two\nlines"])
def test_names_that_a_file_system_takes(name, tmp_path):
    path = tmp_path / name
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    net = kanml.KAN([1, 1])
    net.save(path)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (kanml.load(path).parameters == net.parameters).all()


def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path, monkeypatch):
    """Some file systems refuse it; the file has been replaced by then."""
    flush = os.fsync

    def fsync(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError("invalid argument")
        flush(file)

    monkeypatch.setattr("os.fsync", fsync)
    kanml.KAN([1, 1]).save(tmp_path / "net")
    assert kanml.load(tmp_path / "net").n_parameters == 8


def test_a_rehearsal_leaves_all_as_it_is(tmp_path):
    path = tmp_path / "net"
    files.rehearse(path, {"kind": "test"}, {})
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"old")
    files.rehearse(path, {"kind": "test"}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["net"]
    assert path.read_bytes() == b"old"
