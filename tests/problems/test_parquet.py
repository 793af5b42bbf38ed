"""Parquet files as tables in blocks of rows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import kanml

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3))
Y = RNG.normal(size=(100, 2))
NET = kanml.KAN([3, 2], intervals=3, seed=0)
EXPECTED = kanml.Regression(X, Y).evaluation(NET).value


def whole(table):
    return np.concatenate([table.block(i) for i in range(len(table.sizes))])


def parquet(path, rows, group, **columns):
    table = pa.table({f"x{i}": X[rows, i] for i in range(3)} | {"u": Y[rows, 0]} | columns)
    pq.write_table(table, path, row_group_size=group)
    return path


def test_parquet(tmp_path):
    path = parquet(tmp_path / "a.parquet", slice(None), 30, v=Y[:, 1])
    x = kanml.ParquetBlocks(path, ["x0", "x1", "x2"])
    assert x.shape == (100, 3)
    assert x.sizes == (30, 30, 30, 10)
    assert repr(x) == "ParquetBlocks(shape (100, 3), blocks: 4)"
    assert (whole(x) == X).all()
    y = kanml.ParquetBlocks(str(path), ["u", "v"])
    problem = kanml.Regression(x, y)
    assert problem.evaluation(NET).value == pytest.approx(EXPECTED, rel=1e-13)
    again = pickle.loads(pickle.dumps(problem))
    assert again.evaluation(NET).value == problem.evaluation(NET).value


def test_parquet_columns_come_in_the_given_order(tmp_path):
    path = parquet(tmp_path / "a.parquet", slice(None), 30)
    assert (whole(kanml.ParquetBlocks(path, ["x2", "x0"])) == X[:, [2, 0]]).all()
    assert (whole(kanml.ParquetBlocks(path, ["x1", "x1"])) == X[:, [1, 1]]).all()


def test_several_parquet_files_follow_one_another(tmp_path):
    paths = [
        parquet(tmp_path / "a.parquet", slice(0, 50), 30),
        parquet(tmp_path / "empty.parquet", slice(50, 50), 30),
        parquet(tmp_path / "b.parquet", slice(50, 100), 40),
    ]
    x = kanml.ParquetBlocks(paths, ["x0", "x1", "x2"])
    assert x.sizes == (30, 20, 40, 10)
    assert (whole(x) == X).all()
    problem = kanml.Regression(x, Y)
    assert problem.evaluation(NET).value == pytest.approx(EXPECTED, rel=1e-13)


def test_types_of_parquet_columns(tmp_path):
    integers, truth = RNG.integers(-9, 9, 100), RNG.integers(0, 2, 100).astype(bool)
    single = RNG.normal(size=100).astype(np.float32)
    path = parquet(tmp_path / "a.parquet", slice(None), 64, i=integers, t=truth, f=single)
    found = whole(kanml.ParquetBlocks(path, ["i", "t", "f"]))
    assert (found == np.column_stack([integers, truth, single])).all()


def test_missing_values_are_refused_with_their_row(tmp_path):
    for name, values in (("n", [1.0] * 70 + [None] * 30), ("m", [1] * 70 + [None] * 30)):
        path = parquet(tmp_path / f"{name}.parquet", slice(None), 40, **{name: values})
        problem = kanml.Regression(kanml.ParquetBlocks(path, ["x0", "x1", name]), Y)
        with pytest.raises(ValueError, match=r"x must be finite, got x\[70, 2\] = nan"):
            problem.evaluation(NET)


def test_parquet_files_that_do_not_fit(tmp_path):
    path = parquet(tmp_path / "a.parquet", slice(None), 40, s=["a"] * 100)
    with pytest.raises(ValueError, match=r"columns must be among 'x0', .* got 'z'"):
        kanml.ParquetBlocks(path, ["x0", "z"])
    twins = pa.Table.from_arrays([pa.array(X[:, 0])] * 3, ["x0", "t", "t"])
    pq.write_table(twins, tmp_path / "twins.parquet")
    with pytest.raises(ValueError, match=r"columns must have one name each .*, got several 't'"):
        kanml.ParquetBlocks(tmp_path / "twins.parquet", ["x0", "t"])
    assert (whole(kanml.ParquetBlocks(tmp_path / "twins.parquet", ["x0"])) == X[:, :1]).all()
    with pytest.raises(TypeError, match=r"columns must hold numbers, got 's' of type string"):
        kanml.ParquetBlocks(path, ["s"])
    with pytest.raises(TypeError, match=r"columns must be a sequence of names, got 'x0'"):
        kanml.ParquetBlocks(path, "x0")
    for wrong in (3, b"a.parquet"):
        with pytest.raises(TypeError, match=rf"a path or a sequence of paths, got {wrong!r}"):
            kanml.ParquetBlocks(wrong, ["x0"])
    with pytest.raises(ValueError, match=r"path must have rows and columns, got shape \(100, 0\)"):
        kanml.ParquetBlocks(path, [])
    with pytest.raises(FileNotFoundError):
        kanml.ParquetBlocks(tmp_path / "none.parquet", ["x0"])
    other = kanml.ParquetBlocks(parquet(tmp_path / "b.parquet", slice(None), 50), ["u"])
    x = kanml.ParquetBlocks(path, ["x0"])
    with pytest.raises(
        ValueError,
        match=r"x and y must have blocks of the same sizes, got \(40, 40, 20\) and \(50, 50\)",
    ):
        kanml.Regression(x, other)


def test_a_file_that_was_written_again_is_refused(tmp_path):
    """Blocks know where its row groups were."""
    path = parquet(tmp_path / "a.parquet", slice(None), 40)
    x = kanml.ParquetBlocks(path, ["x0"])
    x.block(0)
    parquet(path, slice(0, 90), 30)
    with pytest.raises(ValueError, match=r"a\.parquet has changed since it was opened"):
        x.block(0)
