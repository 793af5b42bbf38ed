"""One training run: levels, steps, and every way in which it can end."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from kanml._core import OutsideDomain
from kanml._validation import FloatArray, require_memory
from kanml.multilevel.geometry import geometry_maps, transfer_maps
from kanml.network import Network, files
from kanml.optim import Geometry, Optimizer, State
from kanml.optim.base import frozen
from kanml.problems import Problem
from kanml.training.callbacks import Callback, TrainingState, Wish
from kanml.training.history import History, Row
from kanml.training.interrupts import CtrlC
from kanml.training.moment import Moment, towards
from kanml.training.progress import ProgressBar
from kanml.training.snapshot import Snapshot, load_snapshot, run_fingerprint
from kanml.training.tries import Contest, continued, for_contest

__all__ = ["Run", "Status", "Transfer"]

Transfer: TypeAlias = Literal["prolong", "reset"]
Status: TypeAlias = Literal["completed", "stopped", "interrupted", "diverged"]


RETREATS = (0.0, 1e-12, 1e-10, 1e-8, 1e-6)  # shares of the way, up to the rounding of float32


class Diverged(Exception):
    """There is no finite loss, or no finite gradient, after a step."""


class Run:
    """The moments of a run, and its history."""

    def __init__(
        self,
        net: Network,
        problem: Problem,
        schedule: Sequence[int],
        optimizer: Optimizer[Any],
        *,
        transfer_state: Transfer,
        validation: Problem | None,
        restarts: int,
        num_threads: int | None,
        ctrl_c: CtrlC,
    ) -> None:
        self.start = net
        self.schedule = schedule
        self.optimizer = optimizer
        self.transfer_state = transfer_state
        self.validation = copy.copy(validation)
        self.restarts = restarts
        self.num_threads = num_threads
        self.ctrl_c = ctrl_c
        self.history = History()
        self.started = time.perf_counter()
        self.ending: tuple[Status, str] = "interrupted", ""
        # The vector that is trained: the network's parameters, then the problem's unknowns.
        self.names = tuple(problem.unknowns)
        values = np.array(list(problem.unknowns.values()), dtype=net.dtype)
        state: State = optimizer.init(np.concatenate([net.parameters, values]))
        _require_levels(net, schedule, optimizer)
        self.moment = Moment(
            net=net,
            level=0,
            coarser=(),
            geometry=self.maps(net),
            problem=copy.copy(problem),
            state=state,
            best=state,
            best_value=math.inf,
            rows=0,
        )

    # From the start to the end

    def run(self, callbacks: Sequence[Callback], progress: bool) -> None:
        """Train to the end, whatever it is; KeyboardInterrupt is raised before the first row only.

        Afterwards `ending` is its status and message, and the history is that of the moment.
        """
        for phase in (self.train, self.finish):
            try:
                self.ctrl_c.armed = True
                phase(callbacks, progress)
                self.ctrl_c.armed = False
            except KeyboardInterrupt:
                if not self.moment.rows:
                    raise
                self.interrupt()
            finally:  # for other exceptions; one that comes in this line would not be caught here
                self.ctrl_c.armed = False
        if self.ctrl_c.noted:  # also after the last step: whoever pressed it is told
            self.interrupt()

    def train(self, callbacks: Sequence[Callback], progress: bool) -> None:
        """Go through the levels, and note how that ended."""
        try:
            with ProgressBar(self.schedule, progress) as bar:
                self.ending = self.levels(callbacks, bar)
        except Diverged as error:
            self.ending = "diverged", str(error)

    def finish(self, callbacks: Sequence[Callback], progress: bool) -> None:
        """Tell the callbacks that it has ended."""
        self.history.truncate(self.moment.rows)
        if self.moment.state.value is not None:  # else it diverged before it began
            self.show(callback.end for callback in callbacks)

    def interrupt(self) -> None:
        """Note that it ended by an interrupt, and drop what that broke off."""
        self.history.truncate(self.moment.rows)
        now = self.moment
        self.ending = (
            "interrupted",
            f"interrupted from the keyboard after step {now.state.step}; "
            f"the network is that of step {now.best.step}",
        )

    def levels(self, callbacks: Sequence[Callback], bar: ProgressBar) -> tuple[Status, str]:
        """Algorithm 1; return how it ended, unless that is by an exception."""
        if not self.moment.rows:
            self.choose_start(bar)
            self.accept(self.moment, self.moment.state, afresh=True)
        answers = self.show(callback.begin for callback in callbacks)
        while True:
            now = self.moment
            bar.show(now.level, now.state.level_step, self.history.last["loss"])
            self.ctrl_c.raise_if_noted()
            if any(answer for answer in answers if answer is not Wish.NEXT_LEVEL):
                return "stopped", "a callback stopped the training"
            if reason := self.level_is_over(answers):
                if now.level + 1 == len(self.schedule):
                    return "completed", reason
                if self.schedule[now.level] > 0 and self.has_not_improved():
                    return "completed", f"the validation loss did not improve on level {now.level}"
                self.refine()
                answers = []
            else:
                answers = self.show(callbacks) if self.step() else []

    def show(self, callbacks: Iterable[Callable[[TrainingState], object]]) -> list[object]:
        """Call functions with what callbacks see, and return what they return."""
        functions = list(callbacks)
        if not functions:  # then nobody looks at the view, a copy of the parameters
            return []
        view = self.view()
        return [function(view) for function in functions]

    def level_is_over(self, answers: Sequence[object]) -> str:
        """Return why the level ends, or nothing."""
        state = self.moment.state
        if state.level_step >= self.schedule[self.moment.level]:
            return state.finished or "all steps are done"
        if any(answer is Wish.NEXT_LEVEL for answer in answers):
            return "a callback, such as EarlyStopping, ended the last level"
        return state.finished

    def has_not_improved(self) -> bool:
        """Say whether the steps on a finer level have not lowered the validation loss."""
        now = self.moment
        return self.validation is not None and now.level > 0 and now.best.level_step == 0

    # From moment to moment

    def choose_start(self, bar: ProgressBar) -> None:
        """Try other starts on the coarsest grid, and make the best of them the present one."""
        now = self.moment
        given = now.state.parameters
        contest = Contest(
            net=now.net,
            problem=now.problem,
            validation=self.validation,
            unknowns=given[now.net.n_parameters :],
            optimizer=for_contest(self.optimizer),
            value_and_gradient=partial(self.finite_or_infinite, now.net),
            interrupted=lambda: self.ctrl_c.noted,
        )
        count = contest.starts_within(1 + self.restarts, sum(self.schedule))
        if count > 1:
            self.finite_or_infinite(now.net, now.problem, given)  # raises what has to be raised
            self.validation_loss(now.net, given)
            best, self.history.tries = contest.winner(count, bar.remark)
            if best is not None:
                state = continued(self.optimizer, now.net, best)
                self.moment = now._replace(state=state, best=state)

    def step(self) -> bool:
        """Take a step; return whether one was accepted."""
        now = self.moment
        state = self.optimizer.step(self.function, now.state, now.geometry)
        if state.step == now.state.step:  # nothing was accepted: the level is finished
            self.moment = now._replace(state=state)
            return False
        with _refusals(f"after step {state.step}"):
            problem = copy.copy(now.problem)
            changed = problem.advance(*self.split(now.net, state.parameters))
            if changed:
                state = state.stale()
            self.accept(now._replace(problem=problem), state, changed and self.validation is None)
        return True

    def refine(self) -> None:
        """Go to the next level, from the best state of this one if there is validation."""
        now = self.moment
        fine = now.net.refine()
        maps = transfer_maps(now.net, fine, self.optimizer.geometry, len(self.names))
        last = now.state if self.validation is None else now.best
        counts = {name: getattr(now.state, name) for name in ("step", "evaluations", "ascents")}
        state = self.optimizer.transfer(replace(last, **counts), maps, self.transfer_state)
        best = frozen(maps.parameters(now.best.parameters), fine.dtype)
        moment = now._replace(
            net=fine,
            level=now.level + 1,
            coarser=(*now.coarser, self.split(now.net, last.parameters)[0]),
            geometry=self.maps(fine),
            best=State(parameters=best, step=now.best.step),
        )
        with _refusals(f"after the refinement to level {moment.level}"):
            self.accept_refined(moment, state)

    def accept_refined(self, moment: Moment, state: State) -> None:
        """Make a refined state the present one.

        The finer spline rounds otherwise, and may put values outside a domain on whose end the
        coarse one had them. Such a state moves towards the start of the run, whose values are
        inside, by as little as helps.
        """
        for share in RETREATS:
            try:
                moved = state if share == 0 else towards(self.start, moment.level, state, share)
                self.accept(moment, moved, self.validation is not None)
                return
            except OutsideDomain:
                if share == RETREATS[-1]:
                    raise

    def accept(self, moment: Moment, state: State, afresh: bool) -> None:
        """Make a moment with a state the present one, and write its row.

        Parameters
        ----------
        moment : Moment
            As it is to be, but for its state, best and rows.
        state : State
            Is evaluated if it is not.
        afresh : bool
            Whether it is the best whatever was before.
        """

        def function(theta: FloatArray) -> tuple[float, FloatArray]:
            return self.value_and_gradient(moment.net, moment.problem, theta)

        state = self.optimizer.evaluate(function, state)
        if state.value is None or state.gradient is None:
            raise TypeError(f"{self.optimizer!r} did not evaluate its state")
        if what := _not_finite(state.value, state.gradient):
            if moment.rows:
                where = f"after step {state.step}; the network is the last finite one"
                raise Diverged(f"{what} {where}")
            self.record(moment, state, state.value)
            self.moment = moment._replace(rows=1)
            raise Diverged(f"{what} before the first step: it is that of the network given")
        value, best = self.record(moment, state, state.value), state
        if not (afresh or value < moment.best_value):
            value, best = moment.best_value, moment.best
        elif self.validation is None:  # then nothing returns to it
            best = State(parameters=state.parameters, step=state.step)
        self.moment = moment._replace(
            state=state, best=best, best_value=value, rows=moment.rows + 1
        )

    def record(self, moment: Moment, state: State, loss: float) -> float:
        """Write the row of a state, and return the loss that says whether it is the best."""
        validation = self.validation_loss(moment.net, state.parameters)
        self.history.append(
            Row(
                level=moment.level,
                step=state.step,
                loss=loss,
                seconds=time.perf_counter() - self.started,
                evaluations=state.evaluations,
                ascents=state.ascents,
                validation=validation,
                terms=self.terms(moment.net, moment.problem, state.parameters),
            )
        )
        if validation is None:
            return loss
        return validation if math.isfinite(validation) else math.inf

    # What is evaluated

    def function(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return loss and gradient for the optimizer."""
        self.ctrl_c.raise_if_noted()
        return self.finite_or_infinite(self.moment.net, self.moment.problem, theta)

    def finite_or_infinite(
        self, net: Network, problem: Problem, theta: FloatArray
    ) -> tuple[float, FloatArray]:
        """Return loss and gradient of a problem: infinite where a layer refuses its inputs."""
        try:
            return self.value_and_gradient(net, problem, theta)
        except OutsideDomain:
            return math.inf, np.full_like(theta, math.nan)

    def value_and_gradient(
        self, net: Network, problem: Problem, theta: FloatArray
    ) -> tuple[float, FloatArray]:
        """Return loss and gradient of a problem on a network's grid."""
        trained, unknowns = self.split(net, theta)
        if not problem.unknowns:  # a validation problem may have none
            unknowns = unknowns[:0]
        return problem.value_and_gradient(trained, unknowns, num_threads=self.num_threads)

    def validation_loss(self, net: Network, theta: FloatArray) -> float | None:
        """Return the loss of the validation problem, if there is one."""
        if self.validation is None:
            return None
        try:
            loss, _ = self.value_and_gradient(net, self.validation, theta)
        except ValueError as error:
            if not self.moment.rows:
                raise ValueError(f"validation: {error}") from error
            if isinstance(error, OutsideDomain):
                return math.inf
            raise
        return float(loss)

    def terms(self, net: Network, problem: Problem, theta: FloatArray) -> dict[str, float]:
        """Return what each term of a problem contributes, if it has terms."""
        return problem.losses(*self.split(net, theta), num_threads=self.num_threads)

    def split(self, net: Network, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Return the network and the unknowns of the problem."""
        n = net.n_parameters
        return net.with_parameters(theta[:n]), theta[n:]

    def unknowns(self, theta: FloatArray) -> dict[str, float]:
        """Return the unknowns of the problem by name."""
        values = theta[theta.size - len(self.names) :].tolist()
        return dict(zip(self.names, values, strict=True))

    def maps(self, net: Network) -> Geometry:
        """Return the maps of the optimizer's geometry on a grid."""
        return geometry_maps(net, self.optimizer.geometry, len(self.names))

    # What others see

    def kept(self) -> State:
        """Return the state that the result is made of."""
        status, _ = self.ending
        latest = self.validation is None and status != "interrupted"
        return self.moment.state if latest else self.moment.best

    def networks(self) -> tuple[Network, ...]:
        """Return the networks at the end of each level, coarse to fine; the last is the result."""
        now = self.moment
        if self.has_not_improved():  # then the coarser one is the same function
            return now.coarser
        return (*now.coarser, self.split(now.net, self.kept().parameters)[0])

    def view(self) -> TrainingState:
        """Return what callbacks see."""
        now = self.moment
        last = self.history.last
        return TrainingState(
            network=self.split(now.net, now.state.parameters)[0],
            problem=now.problem,
            level=now.level,
            step=now.state.step,
            level_step=now.state.level_step,
            loss=last["loss"],
            validation=last.get("validation"),
            steps_since_best=now.state.step - now.best.step,
            history=self.history,
            unknowns=self.unknowns(now.state.parameters),
            snapshot=lambda: self.snapshot(now),
        )

    def snapshot(self, moment: Moment) -> Snapshot:
        """Return all that is needed to continue from a moment."""
        return Snapshot(
            network=self.split(moment.net, moment.state.parameters)[0],
            coarser=moment.coarser,
            optimizer_state=moment.state,
            level=moment.level,
            best=moment.best,
            best_value=moment.best_value,
            problem_state=moment.problem.state(),
            history=self.history.first(moment.rows),
            fingerprint=self.fingerprint(),
        )

    def fingerprint(self) -> str:
        """Return a digest of all that decides the course of the run, but for callbacks."""
        return run_fingerprint(
            self.start,
            self.moment.problem.fingerprint(),
            repr(self.optimizer),
            repr(list(self.schedule)),
            self.transfer_state,
            str(self.restarts),
            self.validation.fingerprint() if self.validation is not None else "",
        )

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Make the moment that a file holds the present one."""
        snapshot = load_snapshot(
            path,
            self.start,
            self.schedule,
            self.optimizer,
            self.fingerprint(),
            n_unknowns=len(self.names),
            validated=self.validation is not None,
        )
        problem = copy.copy(self.moment.problem)
        with files.believing(path):
            problem.restore(snapshot.problem_state)
            self.require_same_loss(problem, snapshot)
        self.history = snapshot.history
        self.started = time.perf_counter() - self.history.last["seconds"]
        self.moment = Moment(
            net=snapshot.network,
            level=snapshot.level,
            coarser=snapshot.coarser,
            geometry=self.maps(snapshot.network),
            problem=problem,
            state=snapshot.optimizer_state,
            best=snapshot.best,
            best_value=snapshot.best_value,
            rows=len(snapshot.history),
        )

    def require_same_loss(self, problem: Problem, snapshot: Snapshot) -> None:
        """Raise ValueError unless the problem has the loss, and the terms, that a file says."""
        state, history = snapshot.optimizer_state, snapshot.history
        loss, _ = self.value_and_gradient(snapshot.network, problem, state.parameters)
        # Other processors round differently, which is all there is where the fit is exact.
        rounding = float(np.finfo(self.start.dtype).eps) * float(abs(history.loss).max())
        if not math.isclose(loss, history.last["loss"], rel_tol=0.01, abs_tol=rounding):
            raise ValueError(f"the loss is {loss}, and not {history.last['loss']} as it says")
        terms = self.terms(snapshot.network, problem, state.parameters)
        if terms.keys() != history.terms.keys():
            raise ValueError(f"the terms are {list(terms)}, and not {list(history.terms)}")


def _require_levels(net: Network, schedule: Sequence[int], optimizer: Optimizer[Any]) -> None:
    """Refuse before the first step what the refinement to the last level would refuse."""
    if len(schedule) == 1:
        return
    try:
        finest = net._refined_shape(len(schedule) - 1)
        geometry_maps(finest, optimizer.geometry)
        numbers = finest.n_parameters * optimizer.vectors(sum(schedule))
        require_memory(numbers * finest.dtype.itemsize, f"{optimizer!r} needs")
    except (ValueError, MemoryError) as error:
        raise ValueError(
            f"schedule has {len(schedule)} levels, but the last of them is impossible: {error}"
        ) from error


@contextlib.contextmanager
def _refusals(where: str) -> Iterator[None]:
    """Turn what a layer refuses into the end of the run."""
    try:
        yield
    except OutsideDomain as refusal:
        raise Diverged(
            f"{refusal}, {where}; the network is the last one without such a value"
        ) from None


def _not_finite(value: float, gradient: FloatArray) -> str:
    """Say what is not finite, or nothing."""
    if not math.isfinite(value):
        return f"the loss became {value}"
    return "" if np.isfinite(gradient).all() else "the gradient became NaN or infinite"
