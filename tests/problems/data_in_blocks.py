"""Samples of `data_losses` in blocks."""

from __future__ import annotations

import threading

import numpy as np
from data_losses import CASES, WEIGHTS, X

import kanml
from helpers import relative_error

SIZES = [(60, 1, 64, 25), (150,), (32,) * 4 + (22,)]
IN_BLOCKS = {name: case for name, case in CASES.items() if name != "own with an array"}


class Table:
    """Rows in blocks of any sizes, and what was read."""

    def __init__(self, array, sizes):
        self.array = np.asarray(array, dtype=np.float64).reshape(len(array), -1)
        self.shape, self.sizes = self.array.shape, sizes
        self.read, self.threads = [], set()

    def block(self, i):
        self.read.append(i)
        self.threads.add(threading.get_ident())
        start = sum(self.sizes[:i])
        return self.array[start : start + self.sizes[i]]


def in_blocks(case, sizes, weighted=False, **options):
    weight = Table(WEIGHTS, sizes) if weighted else None
    x, y = Table(X, sizes), Table(case.y, sizes)
    return kanml.Regression(x, y, loss=case.loss, sample_weight=weight, **options)


def in_memory(case, weighted=False, **options):
    return case.problem(sample_weight=WEIGHTS if weighted else None, **options)


def close(found, expected, tolerance=1e-13):
    return relative_error(found, expected) <= tolerance
