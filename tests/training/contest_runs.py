"""Runs whose first step is a contest of starts."""

from __future__ import annotations

import numpy as np

import kanml

X = np.random.default_rng(5).uniform(-1, 1, (300, 2))
Y = np.sin(np.pi * (X[:, :1] ** 2 + X[:, 1:] ** 2))
PROBLEM = kanml.Regression(X, Y)


def kan(**options):
    return kanml.KAN([2, 3, 1], **{"intervals": 4, "data": X, "seed": 1, **options})


def train(net=None, problem=PROBLEM, schedule=(100, 100), **options):
    net = kan() if net is None else net
    return kanml.train(net, problem, schedule, **{"progress": False, **options})


class Plain(kanml.Problem):
    """A problem that has no excerpt."""

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        return PROBLEM.evaluation(net, unknowns, want)

    def fingerprint(self):
        return "plain"
