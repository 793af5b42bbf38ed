"""Physics-informed networks: residuals of differential equations at collocation points."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from kanml._validation import FloatArray
from kanml.expressions import Expression
from kanml.network import Network
from kanml.optim.matrices import Triangle
from kanml.parallel import ALONE, Communicator
from kanml.problems.base import Problem
from kanml.problems.evaluation import Evaluation, Want
from kanml.problems.fresh import FreshLoss, final_prediction_error
from kanml.problems.penalty import Penalties, known_penalty, parts_of
from kanml.problems.pinn.at_points import TermsAtPoints
from kanml.problems.pinn.fields import named_fields
from kanml.problems.pinn.term import Residual, Term, different_terms
from kanml.problems.pinn.traced import TracedTerm, require_finite
from kanml.problems.stacked_rows import StackedRows
from kanml.problems.unknowns import Unknowns, starting_values

__all__ = ["PINN"]

ARGUMENTS = ("inputs", "outputs", "unknowns", "transform", "terms", "penalty")


class PINN(Problem):
    """A loss made of residuals of differential equations, boundary and initial conditions.

    ``loss = sum over terms of weight * mean (or sum) over points of |residual|^2``.

    A residual is written once, as NumPy arithmetic on fields. Tracing finds the derivatives that it
    needs, and its exact partial derivatives. The derivatives of the network are Taylor
    coefficients, which are computed together. What depends on the points alone is computed once.
    An evaluation is one pass over the points of all terms, so memory grows with their number only
    for a copy of the points, what is computed of them and, with attention, weights and residuals.

    Parameters
    ----------
    inputs : str
        One letter for each input of the network, such as "tx".
    terms : iterable of Term
        At least one.
    outputs : str or sequence of str
        The outputs of the network: a string with one letter for each, or a sequence of names.
    unknowns : mapping of str to float
        Scalars of the equations that are trained with the network, with their initial values.
        Residuals receive them by name. `Result.unknowns` holds their values after training, and
        methods take values as `unknowns`.
    transform : callable, optional
        Maps the network's outputs to the solution, for conditions that hold exactly:
        ``lambda u, t, x: -np.sin(np.pi * x) + t * (1 - x**2) * u``. It is called with outputs,
        inputs and unknowns by name, and returns one expression, or a tuple with one for each
        output. Residuals receive its results instead of the outputs. `solution` and `evaluate`
        apply it.
    penalty : Smoothness, Sparsity or list of these, optional
        What is added to the loss, as terms of the names "smoothness", "sparsity of inputs" or
        "sparsity of edges".

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, names clash, or a residual cannot be traced.

    Notes
    -----
    Several Python threads may evaluate one problem at once. A copy shares with its original what
    does not change, and has its own attention, minibatches and drawn points. A pickle holds the
    recorded operations of residuals and transform, not the functions.

    Examples
    --------
    Burgers' equation:

    >>> import kanml
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> points = rng.uniform([0, -1], [1, 1], (500, 2))
    >>> initial = np.stack([np.zeros(50), np.linspace(-1, 1, 50)], axis=1)
    >>> problem = kanml.PINN("tx", [
    ...     kanml.Term("pde", points, lambda u: u.t + u * u.x - 0.1 * u.xx),
    ...     kanml.Term("initial", initial, lambda u, x: u + np.sin(np.pi * x)),
    ... ])
    >>> net = kanml.KAN([2, 4, 1], degree=3, intervals=4, seed=0)
    >>> loss, gradient = problem.value_and_gradient(net)
    >>> list(problem.evaluation(net).terms)
    ['pde', 'initial']
    """

    _reduces = True

    def __init__(
        self,
        inputs: str,
        terms: Iterable[Term],
        *,
        outputs: str | Sequence[str] = "u",
        unknowns: Mapping[str, float] | None = None,
        transform: Residual | None = None,
        penalty: Penalties = None,
    ) -> None:
        if not isinstance(inputs, str) or not inputs:
            raise TypeError(
                f"inputs must be a string with one letter for each input, got {inputs!r}"
            )
        if not isinstance(outputs, Iterable):
            raise TypeError(f"outputs must be letters or names, got {outputs!r}")
        outputs = outputs if isinstance(outputs, str) else tuple(outputs)
        self.inputs = inputs
        self.outputs = tuple(outputs)
        self.unknowns = starting_values({} if unknowns is None else unknowns, "unknowns")
        self.transform = transform
        if transform is not None and not callable(transform):
            raise TypeError(f"transform must be callable, got {transform!r}")
        self.terms = different_terms(terms)
        self.penalty = known_penalty(penalty)
        for name in (part.name for part in parts_of(self.penalty)):
            if any(term.name == name for term in self.terms):
                raise ValueError(f"with this penalty, no term must be named {name!r}, got one")
        self._fields = named_fields(inputs, outputs, tuple(self.unknowns), transform)
        self._traced = tuple(
            TracedTerm(term, self._fields, f"term {term.name!r}: ") for term in self.terms
        )
        self._fingerprint = self._digest()  # now, since the caller may change the arrays of a term
        # The attributes that change. Each is replaced as a whole, and read once by an evaluation.
        self._at_points = TermsAtPoints.first(self._traced, self.penalty)
        self._fitting: object = None  # the architecture that was checked last
        self._residuals_checked = False  # set by the first evaluation

    def __setattr__(self, name: str, value: object) -> None:
        if name in ARGUMENTS and name in self.__dict__:  # the loss would not change with it
            raise AttributeError(f"{name} of a PINN cannot be changed; make another one")
        super().__setattr__(name, value)

    @property
    def _fixed(self) -> bool:
        return all(traced.collocation.is_fixed for traced in self._traced)

    def distributed(self, communicator: Communicator) -> PINN:
        """Return a copy whose loss is that of the points of all processes.

        Random points and minibatches that are those of another process begin anew, so that each
        process has its own, whatever the seeds are.
        """
        other = super().distributed(communicator)
        if communicator is not ALONE:
            other._at_points = self._at_points.in_stream(communicator.rank)
        return other

    def evaluation(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        want: Want = "gradient",
        *,
        num_threads: int | None = None,
    ) -> Evaluation:
        """Return the loss, with its gradient if that is wanted, and its terms.

        Parameters
        ----------
        net : Network
        unknowns : array_like, shape (number of unknowns,), or mapping of str to float
            Required if the problem has any.
        want : {"value", "gradient", "least_squares"}
        num_threads : int, optional
            As in a call of the network.

        Returns
        -------
        Evaluation

        Raises
        ------
        ValueError
            If the network does not fit the problem, or a residual is not finite at the first
            evaluation although the derivatives of the network are.
        """
        self._require_fit(net)
        values = self._values(unknowns)
        at_points = self._at_points
        reduction = at_points.reduction(net.dtype, self.communicator)
        found = reduction.evaluate(net, values, want, num_threads)
        if not self._residuals_checked:
            if not math.isfinite(found.value):
                self._require_finite(at_points, net, values, num_threads)
            self._residuals_checked = True
        return found

    def _require_finite(
        self, at_points: TermsAtPoints, net: Network, values: list[float], num_threads: int | None
    ) -> None:
        """Raise ValueError, in all processes, for a residual that is not finite without reason."""
        wrong = None
        try:
            for traced, stage in at_points.pairs():
                require_finite(traced, stage.samples, net, values, num_threads)
        except ValueError as error:
            wrong = error
        others = self.communicator.largest([wrong is not None])
        if wrong is not None:
            raise wrong
        if others[0]:
            raise ValueError("a residual of another process is not finite")

    def triangles(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> tuple[Triangle, ...]:
        """Return the triangle of each term, and that of the penalty; see `Problem.triangles`."""
        rows = self._stacked_rows(net)
        return rows.triangles(net, self._values(unknowns), num_threads)

    def _stacked_rows(self, net: Network) -> StackedRows:
        self._require_fit(net)
        return self._at_points.reduction(net.dtype, self.communicator).rows

    def solution(
        self,
        net: Network,
        points: npt.ArrayLike,
        unknowns: Unknowns | None = None,
        *,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return the solution at points, with the transform applied.

        Parameters
        ----------
        net : Network
        points : array_like, shape (N, d)
        unknowns, num_threads
            As in `evaluation`.

        Returns
        -------
        ndarray, shape (N, number of outputs)
        """

        def outputs(**fields: Expression) -> tuple[Expression, ...]:
            return tuple(fields[name] for name in self._fields.outputs)

        return self.evaluate(net, points, outputs, unknowns, num_threads=num_threads)

    def evaluate(
        self,
        net: Network,
        points: npt.ArrayLike,
        function: Residual,
        unknowns: Unknowns | None = None,
        *,
        directions: Mapping[str, npt.ArrayLike] | None = None,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Return an expression of the solution and its derivatives at points.

        Parameters
        ----------
        net : Network
        points : array_like, shape (N, d)
        function : callable
            A function of fields like the residual of a `Term`: ``lambda u: (u.x, u.xx)``.
        unknowns, num_threads
            As in `evaluation`.
        directions : mapping of str to array_like, shape (d,) or (N, d), optional
            Additional letters, as in `Term`.

        Returns
        -------
        ndarray, shape (N, number of expressions)

        Examples
        --------
        >>> import kanml
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 9)[:, None]
        >>> problem = kanml.PINN(
        ...     "x", [kanml.Term("ode", x, lambda u: u.x - u)], transform=lambda u, x: 1 + x * u
        ... )
        >>> net = kanml.KAN([1, 1], domain=(0, 1))
        >>> result = kanml.train(net, problem, [20, 20], progress=False)
        >>> slope = problem.evaluate(result.network, [[1.0]], lambda u: u.x)
        >>> bool(abs(slope[0, 0] - np.e) < 1e-4)
        True
        """
        self._require_fit(net)
        values = self._values(unknowns)
        if not callable(function):
            raise TypeError(f"function must be callable, got {function!r}")
        term = Term("at points", points, function, directions=directions or {})
        traced = TracedTerm(term, self._fields, "", "function")
        traced.require_fit(net)
        samples = traced.collocation.first(len(traced.components)).samples
        return traced.residuals(samples, net, values, num_threads)

    def advance(
        self,
        net: Network,
        unknowns: Unknowns | None = None,
        evaluation: Evaluation | None = None,
    ) -> bool:
        """Update attention, minibatches and drawn points after an accepted step.

        Parameters
        ----------
        net, unknowns
            As in `evaluation`.
        evaluation : Evaluation, optional
            What `evaluation` returned for these arguments, if it is known.

        Returns
        -------
        bool
            Whether the loss has changed.
        """
        self._require_fit(net)
        values = self._values(unknowns)
        before = self._at_points
        if evaluation is None and any(
            stage.samples.attention is not None for stage in before.stages
        ):
            evaluation = self.evaluation(net, unknowns, "value")
        terms = {} if evaluation is None else evaluation.terms
        self._at_points = before.next(terms, net, values)
        return not before.same_samples(self._at_points)

    def fresh_loss(
        self, net: Network, unknowns: Unknowns | None = None, *, num_threads: int | None = None
    ) -> FreshLoss:
        """Evaluate the residuals at points that training has not seen; see `Problem.fresh_loss`.

        They are another draw of a `Sampler`, or lie halfway between neighbouring points. A term
        stays at its points if these are few or on a curved line or surface, if its residual reads
        arrays with one entry a point, or if it has partners. If all terms stay, the loss grows by
        Akaike's final prediction error. Attention and penalty are left out.
        """
        pairs = self._at_points.pairs()
        sizes = [len(stage.samples.points) for _, stage in pairs]
        counts = [round(count) for count in self.communicator.total(sizes)]
        fresh, given, moved = [], [], False
        for (traced, stage), count in zip(pairs, counts, strict=True):
            points = traced.fresh_points(stage.stream)
            moved = moved or points is not None
            given.append(traced.recorded_at(stage.samples.points, count))
            fresh.append(given[-1] if points is None else traced.recorded_at(points, count))
        losses = [
            self._with_terms(terms).evaluation(net, unknowns, "value", num_threads=num_threads)
            for terms in (fresh, given)
        ]
        value, present = (found.value for found in losses)
        rows = sum(
            count * len(traced.components)
            for traced, count in zip(self._traced, counts, strict=True)
        )
        if not self.communicator.largest([moved])[0]:
            value = final_prediction_error(present, rows, net.n_parameters + len(self.unknowns))
        return FreshLoss(value, present, rows)

    def _with_terms(self, terms: Sequence[Term]) -> PINN:
        """Return the problem with other terms, and without a penalty."""
        arguments = {**self.__getstate__()["arguments"], "terms": terms, "penalty": None}
        return PINN(**arguments).distributed(self.communicator)

    def excerpt(self, samples: int) -> tuple[PINN, float]:
        """Return the problem on at most `samples` points of each term, and its share of the cost.

        Its sums of squares are scaled to represent the points that are left out.
        """
        part = copy.copy(self)
        part._at_points = self._at_points.excerpt(samples)
        costs = [part._at_points.cost, self._at_points.cost]
        fewer, all_points = self.communicator.total(costs).tolist()
        return part, fewer / all_points

    def state(self) -> dict[str, Any]:
        """Return what `advance` changes, as plain values for JSON."""
        return self._at_points.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned.

        Raises
        ------
        ValueError
            If it cannot be a state of this problem, which is then unchanged.
        """
        self._at_points = self._at_points.restored(state)

    # Pickles hold the arguments, with recordings instead of functions, and the state.

    def __getstate__(self) -> dict[str, Any]:
        transform = self._traced[0].transform
        arguments = {
            "inputs": self.inputs,
            "terms": [traced.recorded() for traced in self._traced],
            "outputs": self.outputs,
            "unknowns": self.unknowns,
            "transform": None if transform is None else transform.function("transform"),
            "penalty": self.penalty,
        }
        return {"arguments": arguments, "streams": self._at_points.streams, "state": self.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        PINN.__init__(self, **state["arguments"])
        streams = state.get("streams", ())  # none before there were processes
        self._at_points = TermsAtPoints.first(self._traced, self.penalty, streams)
        self.restore(state["state"])

    def __repr__(self) -> str:
        terms = ", ".join(repr(term) for term in self.terms)
        unknowns = f", unknowns={self.unknowns}" if self.unknowns else ""
        penalty = f", penalty={self.penalty}" if self.penalty is not None else ""
        return f"PINN({self.inputs!r}, [{terms}], outputs={self.outputs}{unknowns}{penalty})"

    def fingerprint(self) -> str:
        """Return a digest of residuals, points and all options."""
        return self._fingerprint

    def _digest(self) -> str:
        names = f"PINN {self.inputs} {self.outputs} {self.unknowns}"
        digest = hashlib.sha256(names.encode())
        for traced in self._traced:
            traced.add_to(digest)
        if self.penalty is not None:
            digest.update(repr(self.penalty).encode())
        return digest.hexdigest()

    def _require_fit(self, net: Network) -> None:
        """Raise ValueError if a network does not fit the problem."""
        if net._architecture is self._fitting:
            return
        if net.n_in != len(self.inputs) or net.n_out != len(self.outputs):
            raise ValueError(
                f"a network with {net.n_in} inputs and {net.n_out} outputs does not fit a problem "
                f"with inputs {self.inputs!r} and outputs {', '.join(self.outputs)}"
            )
        for traced in self._traced:
            traced.require_fit(net)
        self._fitting = net._architecture
