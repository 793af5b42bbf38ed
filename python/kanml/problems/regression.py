"""Fitting data: the mean of a loss over samples."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, TypeVar

from kanml._validation import Float64Array
from kanml.network import Network
from kanml.parallel import ALONE, Communicator
from kanml.problems.base import Problem
from kanml.problems.data import AnyBatches, Blocks, Data, Table, TermsOfBatch, data_of
from kanml.problems.evaluation import Evaluation, Want, gradient_in_place
from kanml.problems.fresh import FreshLoss, final_prediction_error
from kanml.problems.losses import (
    DataLoss,
    Loss,
    known_loss,
)
from kanml.problems.penalty import Penalties, known_penalty
from kanml.problems.point_program import PointProgram
from kanml.problems.reduction import Reduction, Summand
from kanml.problems.sample_loss import point_loss, point_rows
from kanml.problems.stacked_rows import RowsOfTerm, StackedRows
from kanml.problems.states import checked
from kanml.problems.unknowns import Unknowns
from kanml.problems.written_loss import Written

__all__ = ["Regression"]

Key: TypeAlias = tuple[str, int, int]
"""A dtype and the numbers of inputs and outputs of a network."""
Program = TypeVar("Program", bound=PointProgram)
Form: TypeAlias = Callable[[DataLoss, int, int, bool], Program]

LIKELIHOODS = ("logistic", "softmax", "poisson")
FORGOTTEN = ("_forms", "_latest")  # in a pickle


class _Forms:
    """The loss and its rows as programs for data, each made once for a key.

    It knows no problem, so that nothing of a problem outlives it until garbage is collected.
    """

    def __init__(self, loss: DataLoss, data: Data) -> None:
        self._loss, self._data = loss, data
        self._known: dict[tuple[Form[Any], Key], tuple[Any, TermsOfBatch]] = {}

    def of(self, form: Form[Program], key: Key) -> tuple[Program, TermsOfBatch]:
        """Return the loss or its rows, and what makes terms of the core with it."""
        known: tuple[Program, TermsOfBatch] | None = self._known.get((form, key))
        if known is None:
            (dtype, _, n_out), data = key, self._data
            program = form(self._loss, n_out, data.n_targets, data.is_weighted)
            known = program, data.terms(program, self._loss, dtype, n_out)
            self._known = {**self._known, (form, key): known}
        return known

    def rows(self, key: Key, batches: AnyBatches) -> RowsOfTerm:
        """Return the rows of a batch."""
        program, terms = self.of(point_rows, key)
        counts = [program.n_rows * count for count in self._data.counts(batches)]
        return RowsOfTerm(terms(batches), counts, program.is_affine)


class Regression(Problem):
    """The mean of a loss of a network over all samples.

    Parameters
    ----------
    x : array_like or Blocks, shape (N, n_in)
        Inputs, finite. Arrays are copied. A `numpy.memmap` and other `Blocks` stay where they are:
        each evaluation reads them anew, block after block.
    y : array_like or Blocks, shape (N, n_out)
        Targets, finite. Labels may have shape (N,).
    loss : str, Huber, Quantile or callable
        What is lost at a sample. Where each output has a target of its own, it is the mean over
        the outputs.

        - "squared": ``(u - y)**2``. `kanml.Huber` and `kanml.Quantile` are other functions of the
          error.
        - "logistic": the negative log-likelihood of labels 0 and 1, or of truth values. Outputs are
          logits.
        - "softmax": the negative log-likelihood of classes 0, ..., n_out - 1, with one label a
          sample. Outputs are logits.
        - "poisson": half the deviance of counts. Outputs are logarithms of rates.
        - A function ``loss(u, y)`` in NumPy arithmetic, which is traced as a residual is. It
          receives fields if there is one output, otherwise tuples of n_out fields, and returns the
          loss of a sample. Arrays of shape (N,) in it have an entry for each sample; samples in
          blocks allow none. The function is called once, here.
    sample_weight : array_like, shape (N,), or Blocks, shape (N, 1), optional
        Weights of the samples, not negative. Only ratios matter: the weights are scaled such that
        their mean over all samples is 1.
    penalty : Smoothness, Sparsity or list of these, optional
        What is added to the mean, such as ``kanml.Smoothness(1e-6)``.
    batch_size : int, optional
        The number of samples in a minibatch; all by default. Each epoch visits the samples in a new
        random order, and leaves out those that do not fill a last batch. Samples in blocks come
        block after block, in a random order of the blocks, and of the samples in each.
    seed : int
        The seed of the order of the minibatches.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> problem = kanml.Regression(x, np.sin(3 * x))
    >>> loss, gradient = problem.value_and_gradient(kanml.KAN([1, 1], intervals=8))
    >>> gradient.shape
    (11,)

    A loss of one's own, here the logarithm of the hyperbolic cosine:

    >>> problem = kanml.Regression(x, np.sin(3 * x), loss=lambda u, y: np.log(np.cosh(u - y)))
    """

    _reduces = True

    def __init__(
        self,
        x: Table,
        y: Table,
        *,
        loss: Loss = "squared",
        sample_weight: Table | None = None,
        penalty: Penalties = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        known = known_loss(loss)
        labels = isinstance(known, DataLoss) and known.labels
        self._data = data = data_of(x, y, sample_weight, labels)
        self._loss = (
            known
            if isinstance(known, DataLoss)
            else Written(known, data.first_targets(), data.n, isinstance(data.x, Blocks))
        )
        data.require_targets(self._loss)
        self._penalty = known_penalty(penalty)
        self._batches = data.batches(batch_size, seed)
        self._forget()

    @property
    def _fixed(self) -> bool:
        return self._batches.order is None

    @property
    def x(self) -> Float64Array | Blocks:
        """The inputs, shape (N, n_in), read-only."""
        return self._data.x

    @property
    def y(self) -> Float64Array | Blocks:
        """The targets, shape (N, n_out), read-only."""
        return self._data.y

    @property
    def sample_weight(self) -> Float64Array | Blocks | None:
        """The weights of the samples, None if all are 1.

        Those in memory are scaled to the mean 1, shape (N,), read-only; blocks are as given.
        """
        return self._data.weight

    @property
    def penalty(self) -> Penalties:
        """What is added to the mean, several as a tuple; None if nothing is."""
        return self._penalty

    def evaluation(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        want: Want = "gradient",
        *,
        num_threads: int | None = None,
    ) -> Evaluation:
        """Return the loss over the present batch, with its gradient if that is wanted.

        Parameters
        ----------
        net : Network
        unknowns : array_like, shape (0,), optional
            A regression has none.
        want : {"value", "gradient", "least_squares"}
            The last needs a loss that has rows: see `residuals`.
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        Evaluation

        Raises
        ------
        ValueError
            If the network does not fit the data, or has no penalty.
        TypeError
            If least squares are wanted of a loss without rows, such as `kanml.Quantile`.
        """
        values = self._values(unknowns)
        found = self._reduction(net).evaluate(net, values, want, num_threads)
        return replace(found, gradient=gradient_in_place(found), terms={})

    def advance(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        evaluation: Evaluation | None = None,
    ) -> bool:
        """Advance to the next minibatch; return whether the loss has changed."""
        batches = self._batches
        self._batches = batches.next()
        return self._batches is not batches

    def fresh_loss(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> FreshLoss:
        """Estimate the loss at other samples from that at all of the given ones; see `Problem`.

        A mean of squares, or of another function of errors, grows by Akaike's final prediction
        error; the loss of labels or counts, which is a likelihood, by his information criterion.
        """
        whole = copy.copy(self)
        whole._batches, whole._penalty = self._data.batches(None, 0), None
        whole._forget()
        loss = whole.evaluation(net, unknowns, "value", num_threads=num_threads).value
        samples = round(self.communicator.total([self._data.n * self._data.n_targets])[0])
        rows, parameters = self._of_equal_weight(samples), net.n_parameters
        if self._loss.name in LIKELIHOODS:
            return FreshLoss(loss + parameters / rows, loss, rows)
        return FreshLoss(final_prediction_error(loss, rows, parameters), loss, rows)

    def _of_equal_weight(self, rows: int) -> int:
        """Return how many rows of equal weight would tell as much: Kish's effective sample size."""
        sums = [*self._data.sums_of_weights(), self._data.n]
        total, squares, samples = map(float, self.communicator.total(sums))
        return round(rows * total * total / (samples * squares))

    def distributed(self, communicator: Communicator) -> Regression:
        """Return a copy whose loss is that of the samples of all processes.

        The mean of the weights over all of them is 1. Minibatches that are those of another process
        begin anew, so that each process has an order of its own, whatever the seeds are.
        """
        other = super().distributed(communicator)
        if communicator is not ALONE:
            other._batches = self._batches.in_stream(communicator.rank)
        n, own = self._data.n, self._data.mean_weight
        [largest] = communicator.largest([own])  # the sum of large weights could overflow
        weights, samples = communicator.total([own / largest * n, n])
        mean = float(weights / samples * largest)
        if mean != self._data.divisor:
            other._data = self._data.of_mean_weight(mean)
            other._forget()
        return other

    def excerpt(self, samples: int) -> tuple[Regression, float]:
        """Return the problem on at most `samples` samples, and its cost relative to a batch."""
        part = copy.copy(self)
        part._data, part._batches = self._data.excerpt(self._batches, samples)
        if part._data is not self._data:
            part._forget()
        sizes = [part._batches.size, self._batches.size]
        ours, whole = self.communicator.total(sizes).tolist()
        return part, ours / whole

    def state(self) -> dict[str, Any]:
        """Return the position in the sequence of minibatches, as plain values for JSON."""
        return self._batches.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a position that `state` returned.

        Raises
        ------
        ValueError
            If it cannot be a state of this problem, which is then unchanged.
        """
        with checked("a Regression"):
            self._batches = self._batches.restored(state)

    def fingerprint(self) -> str:
        """Return a digest of the data, their weights, the loss, its penalty and the batch size."""
        data = self._data
        shapes = f"{(data.n, data.n_in)} {(data.n, data.n_targets)}"
        digest = hashlib.sha256(f"Regression {shapes} {self._batches.size} {self._loss!r}".encode())
        data.add_to(digest)
        if self.penalty is not None:
            digest.update(repr(self.penalty).encode())
        return digest.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in FORGOTTEN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def __repr__(self) -> str:
        known = self._loss.name if isinstance(self._loss, Written) else repr(self._loss)
        loss = "" if self._loss.name == "squared" else f", loss={known}"
        penalty = "" if self.penalty is None else f", penalty={self.penalty}"
        batch = "" if self._batches.order is None else f", batch_size={self._batches.size}"
        tables = {"x": self.x, "y": self.y, "sample_weight": self.sample_weight}
        data = ", ".join(
            f"{name} of shape {table.shape}"
            + (f" in blocks ({len(table.sizes)})" if isinstance(table, Blocks) else "")
            for name, table in tables.items()
            if table is not None
        )
        return f"Regression({data}{loss}{penalty}{batch})"

    def _forget(self) -> None:
        """Begin without anything that follows from other attributes and is kept for speed."""
        self._forms = _Forms(self._loss, self._data)
        self._latest: dict[Key, tuple[AnyBatches, Reduction]] = {}

    def _require_fit(self, net: Network) -> None:
        if self._data.n_in != net.n_in:
            raise ValueError(
                f"a network with {net.n_in} inputs does not fit data with x of shape "
                f"{(self._data.n, self._data.n_in)}"
            )
        self._data.require_outputs(self._loss, net.n_out)

    def _reduction(self, net: Network) -> Reduction:
        """Return the present batch, ready to be evaluated."""
        key, batches = (net.dtype.char, net.n_in, net.n_out), self._batches
        latest = self._latest.get(key)
        if latest is not None:
            of_batches, reduction = latest
            if of_batches is batches and reduction.communicator is self.communicator:
                return reduction
        self._require_fit(net)
        _, terms = self._forms.of(point_loss, key)
        rows = partial(self._forms.rows, key, batches)
        summand = Summand("data", terms(batches), rows, batches.size, 1.0, mean=True)
        reduction = Reduction([summand], self.communicator, self.penalty)
        self._latest = {**self._latest, key: (batches, reduction)}
        return reduction

    def _stacked_rows(self, net: Network) -> StackedRows:
        return self._reduction(net).rows
