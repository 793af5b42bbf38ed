"""Tables in blocks of rows: arrays on disk and own classes; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kanml

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3))
Y = RNG.normal(size=(100, 2))
NET = kanml.KAN([3, 2], intervals=3, seed=0)
EXPECTED = kanml.Regression(X, Y).evaluation(NET).value


def mapped(folder, array, name="array"):
    np.save(folder / f"{name}.npy", array)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def whole(table):
    return np.concatenate([table.block(i) for i in range(len(table.sizes))])


class Table:
    def __init__(self, shape, sizes, block=None):
        self.shape, self.sizes = shape, sizes
        self.block = block or (lambda i: np.zeros((sizes[i], shape[1])))


# Arrays on disk


@given(st.integers(1, 200), st.integers(1, 4), st.integers(1, 250))
def test_blocks_are_the_rows(n, columns, rows):
    array = np.arange(n * columns).reshape(n, columns)
    blocks = kanml.RowBlocks(array, rows=rows)
    assert blocks.shape == (n, columns)
    assert sum(blocks.sizes) == n
    assert set(blocks.sizes[:-1]) <= {rows}
    assert blocks.sizes[-1] <= rows
    assert (whole(blocks) == array).all()


def test_blocks_have_a_size_by_default():
    """16 MiB in float64, and 4096 rows at least."""
    array = np.broadcast_to(0.0, (10**7, 8))
    assert kanml.RowBlocks(array).sizes[:2] == (2**18, 2**18)
    wide = np.broadcast_to(0.0, (10**4, 10**5))
    assert kanml.RowBlocks(wide).sizes == (4096, 4096, 1808)


def test_only_slices_of_rows_are_taken():
    """Datasets of h5py are no arrays, and have these."""

    class Dataset:
        shape = (100, 3)
        taken = ()

        def __getitem__(self, rows):
            self.taken += (rows,)
            return X[rows]

    dataset = Dataset()
    problem = kanml.Regression(kanml.RowBlocks(dataset, rows=40), Y)
    assert dataset.taken == ()
    assert problem.evaluation(NET).value == pytest.approx(EXPECTED, rel=1e-13)
    assert dataset.taken == (slice(0, 40), slice(40, 80), slice(80, 100))


def test_numbers_of_rows_of_any_type():
    """Sums of small integers of NumPy would overflow."""
    blocks = kanml.RowBlocks(X, rows=np.int8(90))
    assert blocks.sizes == (90, 10)
    assert set(map(type, blocks.sizes)) == {int}
    assert (whole(blocks) == X).all()


def test_masked_entries_are_refused():
    masked = np.ma.masked_array(X, np.zeros_like(X))
    problem = kanml.Regression(kanml.RowBlocks(masked, rows=40), Y)
    assert problem.evaluation(NET).value == pytest.approx(EXPECTED, rel=1e-13)
    masked[70, 1] = np.ma.masked
    with pytest.raises(ValueError, match=r"x must have no masked entries, got one at x\[70, 1\]"):
        problem.evaluation(NET)


@pytest.mark.parametrize(
    "of", [np.asarray, np.asfortranarray, lambda a: a.astype(np.float32), lambda a: a.astype(">f8")]
)
def test_memory_maps_are_read_in_blocks(tmp_path, of):
    table = mapped(tmp_path, of(np.column_stack([X, Y])))
    problem = kanml.Regression(table[:, :3], table[:, 3:])
    assert "in blocks" in repr(problem)
    expected = kanml.Regression(np.array(table[:, :3]), np.array(table[:, 3:])).evaluation(NET)
    assert problem.evaluation(NET).value == expected.value
    assert isinstance(problem.x, kanml.Blocks)
    assert problem.sample_weight is None


def test_labels_and_weights_may_have_one_axis(tmp_path):
    labels, weight = RNG.integers(0, 2, 100), RNG.uniform(size=100)
    arguments = X, labels, weight
    maps = [mapped(tmp_path, array, name) for array, name in zip(arguments, "xyw", strict=True)]
    values = [
        kanml.Regression(x, y, loss="logistic", sample_weight=w)
        .evaluation(kanml.KAN([3, 1], intervals=3, seed=0))
        .value
        for x, y, w in (arguments, maps)
    ]
    assert values[0] == values[1]
    with pytest.raises(ValueError, match=r"y must have shape \(N, columns\), got shape \(100,\)"):
        kanml.Regression(maps[0], maps[1])


def test_other_tables_follow():
    """What has no sizes of its own takes those of the others."""
    fixed = kanml.RowBlocks(X, rows=30)
    for y in (Y, Y.tolist(), kanml.RowBlocks(Y)):
        assert kanml.Regression(fixed, y).y.sizes == (30, 30, 30, 10)
    odd = Table((100, 2), (1, 99))
    assert kanml.Regression(kanml.RowBlocks(X), odd).x.sizes == (1, 99)
    wide = np.broadcast_to(0.0, (50_000, 1000))
    problem = kanml.Regression(kanml.RowBlocks(wide), kanml.RowBlocks(wide[:, :1]))
    assert problem.y.sizes == problem.x.sizes == (4096,) * 12 + (848,)


def test_sizes_may_be_integers_of_numpy():
    """Those of a type that is too short for their sum are added nevertheless."""
    x, y = np.tile(X, (4, 1)), np.tile(Y, (4, 1))
    problems = [
        kanml.Regression(Table(x.shape, sizes, lambda i: X), y)
        for sizes in ((100,) * 4, np.full(4, 100, dtype=np.uint8))
    ]
    values = {problem.evaluation(NET).value for problem in problems}
    assert len(values) == 1
    assert values.pop() == pytest.approx(EXPECTED, rel=1e-13)
    assert problems[0].fingerprint() == problems[1].fingerprint()


def test_arrays_beside_blocks_are_copied():
    y, weight = Y.copy(), np.ones(100)
    problem = kanml.Regression(kanml.RowBlocks(X, rows=30), y, sample_weight=weight)
    y[:], weight[:] = 0.0, 0.0
    assert problem.evaluation(NET).value == pytest.approx(EXPECTED, rel=1e-13)
    assert not problem.y.block(0).flags.writeable


# What is refused


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Table((100, 2), (50, 49)), r"x must have blocks .*, 100 in all, got sizes \[50, 49\]"),
        (Table((100, 2), (100, 0)), r"x must have blocks of at least one row each"),
        (Table((100, 2), ()), r"x must have blocks of at least one row each"),
        (Table((100,), (100,)), r"x must have shape \(N, columns\), not empty, got shape \(100,\)"),
        (Table((0, 2), ()), r"x must have shape \(N, columns\), not empty, got shape \(0, 2\)"),
        (Table((100.0, 2), (100,)), r"x must have integers as shape and sizes, got \(100\.0, 2\)"),
        (Table((100, 2), (50.0, 50.0)), r"x must have integers .* and \[50\.0, 50\.0\]"),
        (Table((99, 2), (99,)), r"x of shape \(99, 2\) and y of shape \(100, 2\)"),
    ],
)
def test_tables_that_do_not_fit(table, message):
    with pytest.raises((ValueError, TypeError), match=message):
        kanml.Regression(table, Y)


def test_arrays_beside_blocks_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"y must be finite, got y\[0, 0\] = nan"):
        kanml.Regression(kanml.RowBlocks(X, rows=30), np.full((100, 2), np.nan))
    with pytest.raises(ValueError, match=r"y must have shape .*, not empty, got shape \(0, 2\)"):
        kanml.Regression(mapped(tmp_path, X), Y[:0])


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.zeros((49, 3)), r"block 1 of x must have shape \(50, 3\), got shape \(49, 3\)"),
        (np.zeros(50), r"x must have shape \(N, columns\), got shape \(50,\)"),
        (np.full((50, 3), np.inf), r"x must be finite, got x\[50, 0\] = inf"),
        (np.full((50, 3), "a"), r"x must hold real numbers, got dtype"),
    ],
)
def test_blocks_that_do_not_fit(block, message):
    table = Table((100, 3), (50, 50), lambda i: block if i else np.zeros((50, 3)))
    problem = kanml.Regression(table, Y)
    with pytest.raises((ValueError, TypeError), match=message):
        problem.evaluation(NET)


def test_targets_and_weights_that_do_not_fit():
    classes = np.zeros(100)
    classes[70] = 2
    problem = kanml.Regression(kanml.RowBlocks(X, rows=40), classes, loss="softmax")
    with pytest.raises(ValueError, match=r"has the classes 0 to 1, got the label y\[70\] = 2"):
        problem.evaluation(NET)
    problem = kanml.Regression(kanml.RowBlocks(X, rows=40), classes, loss="logistic")
    with pytest.raises(
        ValueError, match=r"labels 0 and 1 for the loss 'logistic', got y\[70\] = 2"
    ):
        problem.evaluation(kanml.KAN([3, 1]))
    weight = np.ones(100)
    weight[70] = -1
    with pytest.raises(ValueError, match=r"numbers >= 0, got sample_weight\[70\] = -1"):
        kanml.Regression(kanml.RowBlocks(X, rows=40), Y, sample_weight=weight)
    with pytest.raises(ValueError, match="a number > 0, got zeros only"):
        kanml.Regression(kanml.RowBlocks(X, rows=40), Y, sample_weight=np.zeros(100))
    with pytest.raises(ValueError, match=r"shape \(100,\) or \(100, 1\), got shape \(100, 2\)"):
        kanml.Regression(kanml.RowBlocks(X, rows=40), Y, sample_weight=kanml.RowBlocks(Y))


@pytest.mark.parametrize("weight", [1e300, 1e-300])
def test_weights_of_any_size(weight):
    weights = weight * RNG.uniform(size=100)
    found, expected = (
        kanml.Regression(x, Y, sample_weight=weights).evaluation(NET).value
        for x in (kanml.RowBlocks(X, rows=40), X)
    )
    assert found == pytest.approx(expected, rel=1e-12)


def test_arrays_in_a_loss_are_refused():
    shift = RNG.normal(size=100)
    kanml.Regression(X, Y[:, :1], loss=lambda u, y: (u - y - shift) ** 2)
    for rows in (40, 100):
        x = kanml.RowBlocks(X, rows=rows)
        with pytest.raises(ValueError, match="must hold no arrays if the samples come in blocks"):
            kanml.Regression(x, Y[:, :1], loss=lambda u, y: (u - y - shift) ** 2)


@pytest.mark.parametrize(
    ("array", "rows", "message"),
    [
        (3, None, r"array must have shape \(N, columns\) or \(N,\), not empty, got 3"),
        (np.zeros((0, 3)), None, r"not empty, got an array of shape \(0, 3\)"),
        (np.zeros((2, 3, 4)), None, r"got an array of shape \(2, 3, 4\)"),
        (X, 0, r"rows must be an integer >= 1, got 0"),
    ],
)
def test_arrays_that_are_no_tables(array, rows, message):
    with pytest.raises(ValueError, match=message):
        kanml.RowBlocks(array, rows=rows)


@pytest.mark.parametrize("i", [-1, 4])
def test_blocks_that_there_are_not(i):
    with pytest.raises(ValueError, match=r"i must be one of 0..3"):
        kanml.RowBlocks(X, rows=30).block(i)
