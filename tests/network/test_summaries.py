"""What networks show of themselves, against what was asked for and counted here."""

from __future__ import annotations

import pytest

import kanml

uniform = kanml.SplineSpace.uniform
SPACES = [uniform(0, 10, 6, degree=3), kanml.SplineSpace([-1, 0, 3], degree=3)]
MIXED = kanml.Network(
    [
        kanml.SplineLayer(2, 5, SPACES, extrapolation="clamp"),
        kanml.Activation("sigmoid"),
        kanml.Linear(5, 2),
        kanml.SplineLayer(2, 1, uniform(-1, 1, 1, degree=2), basis="relu", base="sin"),
    ],
    dtype="float32",
)
# An interval of degree 3 has 4 coefficients, each further one another.
LINES = {
    "KAN": (
        kanml.KAN([2, 5, 1], degree=3, intervals=4),
        "<KAN [2, 5, 1], degree 3, 4 intervals, 105 parameters, float64>",
    ),
    "KAN with more layers": (
        kanml.KAN(
            [2, 5, 1],
            degree=2,
            intervals=1,
            activation="tanh",
            front=[kanml.PeriodicEmbedding(2, {1: 2.0})],
        ),
        "<KAN [2, 5, 1], degree 2, 1 interval, 60 parameters, float64>",
    ),
    "MLP": (kanml.MLP([2, 8, 1]), "<MLP [2, 8, 1], 32 parameters, float64>"),
    "mixed": (
        MIXED,
        "<Network [2, 5, 2, 1], degree 2 to 3, 1 to 6 intervals, 90 parameters, float32>",
    ),
    "fixed": (
        kanml.Network([kanml.PeriodicEmbedding(2, {1: 2.0})]),
        "<Network [2, 3], 0 parameters, float64>",
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_a_network_is_shown_in_a_line(case):
    net, line = LINES[case]
    assert repr(net) == str(net) == line


def test_a_table_has_a_row_for_each_layer():
    table = MIXED.summary()
    assert table == repr(table)  # so that a notebook shows lines
    header, rule, *rows, other_rule, total = table.split("\n")
    assert " ".join(header.split()) == (
        "layer inputs -> outputs degree intervals domain parameters"
    )
    assert {*rule} == {*other_rule} == {"-"}
    assert len({len(line) for line in (header, rule, *rows, other_rule, total)}) == 1
    assert [" ".join(row.split()) for row in rows] == [
        "SplineLayer(extrapolation='clamp') 2 -> 5 3 2 to 6 one per input 70",
        "Activation('sigmoid') 5 -> 5 - - - -",
        "Linear 5 -> 2 - - - 12",
        "SplineLayer(basis='relu', base='sin') 2 -> 1 2 1 [-1, 1] 8",
    ]
    assert " ".join(total.split()) == "total, float32 2 -> 1 90"


def test_a_table_follows_the_refinement():
    rows = kanml.KAN([1, 1], degree=3, intervals=4, domain=(0, 0.5)).refine().summary().split("\n")
    assert " ".join(rows[2].split()) == "SplineLayer 1 -> 1 3 8 [0, 0.5] 11"
