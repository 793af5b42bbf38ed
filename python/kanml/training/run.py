"""One training run: its levels, its steps, and all ways in which it can end."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from kanml._core import OutsideDomain
from kanml._validation import absolute_path
from kanml.network import Network
from kanml.optim import Optimizer, State
from kanml.parallel import ALONE
from kanml.problems import Evaluation, FreshLoss
from kanml.training.agreement import agreed
from kanml.training.auto import is_stalled, reason_to_stop
from kanml.training.callbacks import Callback, TrainingState, wishes
from kanml.training.divergence import Diverged, not_finite, refusals_diverge
from kanml.training.history import History, Row
from kanml.training.interrupts import CtrlC
from kanml.training.loss import Loss
from kanml.training.moment import Moment
from kanml.training.objective import Objective
from kanml.training.progress import ProgressBar
from kanml.training.refinement import moved_towards, refined
from kanml.training.result import Result, Status
from kanml.training.resume import load_moment
from kanml.training.settings import Settings
from kanml.training.snapshot import Snapshot
from kanml.training.tries import Contest

__all__ = ["Run"]

Phase: TypeAlias = Callable[[Sequence[Callback], bool], None]

RETREATS = (0.0, 1e-12, 1e-10, 1e-8, 1e-6)  # tried in turn; the last is the rounding of float32


class Run:
    """The moments of a run, and its history."""

    def __init__(self, settings: Settings, ctrl_c: CtrlC) -> None:
        self.settings = settings
        self.objective = Objective(settings)
        self.ctrl_c = ctrl_c
        self.history = History()
        self.started = time.perf_counter()
        self.ending: tuple[Status, str] = "interrupted", ""
        state: State = settings.optimizers[0].init(self.objective.start(settings.net))
        self.moment = Moment(
            net=settings.net,
            level=0,
            coarser=(),
            geometry=self.objective.geometry(settings.net, level=0),
            problem=settings.problem,
            state=state,
            best=state,
            best_value=math.inf,
            rows=0,
        )

    @property
    def optimizer(self) -> Optimizer[Any]:
        """The optimizer of the present level."""
        return self.settings.optimizer_of(self.moment.level)

    # From the start to the end

    def run(self, callbacks: Sequence[Callback], progress: bool) -> None:
        """Train to the end. KeyboardInterrupt is raised before the first row only.

        Afterwards `ending` holds status and message, and the history is that of the moment.
        """
        try:
            for phase in (self.train, self.finish):
                self.run_phase(phase, callbacks, progress)
        finally:
            for callback in callbacks:
                callback._release(self.history)
        if self.is_interrupted():  # even after the last step, the user is told
            self.interrupt()

    def run_phase(self, phase: Phase, callbacks: Sequence[Callback], progress: bool) -> None:
        """Call a phase, which an interrupt may end."""
        try:
            # Processes stop together: what a second Ctrl-C does is left to what started them.
            self.ctrl_c.armed = self.settings.communicator is None
            phase(callbacks, progress)
            self.ctrl_c.armed = False
        except KeyboardInterrupt:
            if not self.moment.rows:
                raise
            self.interrupt()
        finally:  # for other exceptions; one that comes in this line would not be caught here
            self.ctrl_c.armed = False

    def train(self, callbacks: Sequence[Callback], progress: bool) -> None:
        """Train on all levels, and note how that ended."""
        try:
            with ProgressBar(self.settings.levels, progress and self.settings.speaks) as bar:
                self.ending = self.levels(callbacks, bar)
        except Diverged as error:
            self.ending = "diverged", str(error)

    def finish(self, callbacks: Sequence[Callback], progress: bool) -> None:
        """Tell the callbacks that the run has ended."""
        self.history.truncate(self.moment.rows)
        if self.moment.state.value is not None:  # else it diverged before it began
            self.ask(callback.end for callback in callbacks)

    def interrupt(self) -> None:
        """Note that the run was interrupted, and drop an unfinished step."""
        self.history.truncate(self.moment.rows)
        self.ending = "interrupted", ""  # which `kept` reads
        kept, step = self.kept().step, self.moment.state.step
        said = f"after step {step}; the network is that of step {kept}"
        self.ending = "interrupted", f"interrupted from the keyboard {said}"

    def levels(self, callbacks: Sequence[Callback], bar: ProgressBar) -> tuple[Status, str]:
        """Go through Algorithm 1; return status and message, unless an exception ends it."""
        if not self.moment.rows:
            self.choose_start(bar)
            self.accept(self.moment, self.moment.state, forget_best=True)
        answers = self.ask(callback.begin for callback in callbacks)
        while True:
            now = self.moment
            bar.show(now.level, now.state, self.history.last["loss"])
            stop, next_level, interrupted = self.of_all_processes(*wishes(answers))
            if interrupted:
                raise KeyboardInterrupt  # where it does no harm
            if stop:
                return "stopped", "a callback stopped the training"
            if reason := self.level_is_over(next_level):
                if last := self.is_last(reason):
                    best = len(self.networks()) - 1
                    said = f"; the network is that of level {best}" if self.settings.auto else ""
                    return "completed", last + said
                self.refine()
                answers = []
            else:
                answers = self.ask(callbacks) if self.step() else []

    def ask(self, callbacks: Iterable[Callable[[TrainingState], object]]) -> list[object]:
        """Show the present state to callbacks, or to methods of them; return their answers."""
        asked = list(callbacks)
        if not asked:  # saves the view, which copies the parameters
            return []
        view = self.view()
        return [callback(view) for callback in asked]

    def of_all_processes(self, stop: bool, next_level: bool) -> tuple[bool, bool, bool]:
        """Return what the callbacks of any process want, and whether any had a Ctrl-C.

        Raises
        ------
        ProcessError
            Unless all processes have the same parameters.
        """
        communicator, state = self.settings.communicator, self.moment.state
        if communicator is None:
            return stop, next_level, self.ctrl_c.noted
        wanted = [stop, next_level, self.ctrl_c.noted]
        stop, next_level, noted = agreed(communicator, wanted, state.parameters, state.step)
        if noted:  # a Ctrl-C that came since is of this process alone: all hear of it later
            self.ctrl_c.note_another()
        return stop, next_level, noted

    def is_interrupted(self) -> bool:
        """Say whether there was a Ctrl-C in any process; all ask at the same time."""
        if self.settings.communicator is None:
            return self.ctrl_c.noted
        noted = bool(self.settings.communicator.largest([self.ctrl_c.noted])[0])
        if noted:
            self.ctrl_c.note_another()
        return noted

    def level_is_over(self, next_level: bool) -> str:
        """Return why the level ends, or an empty string if it does not."""
        state, level, settings = self.moment.state, self.moment.level, self.settings
        if settings.auto:
            if is_stalled(self.history, level, state.level_step, self.optimizer.window):
                return state.finished or "the loss no longer falls"
        elif state.level_step >= settings.levels[level]:
            return state.finished or "all steps are done"
        if next_level:
            return "a callback, such as EarlyStopping, ended the last level"
        return state.finished

    def is_last(self, reason: str) -> str:
        """Return why a level that is over for a reason is the last one; empty if it is not."""
        settings, level = self.settings, self.moment.level
        if settings.auto:
            estimate = None if settings.validation else self.look_at_fresh()
            try:
                finer = settings.require_level(level + 1).n_parameters
            except ValueError as error:
                return str(error)
            return reason_to_stop(self.history, estimate, finer + len(settings.problem.unknowns))
        if level + 1 == len(settings.levels):
            return reason
        if settings.levels[level] > 0 and self.has_not_improved():
            return f"the validation loss did not improve on level {level}"
        return ""

    def look_at_fresh(self) -> FreshLoss | None:
        """Note the loss at fresh samples, or where that is unknown the loss, and the best state."""
        now = self.moment
        found = self.objective.fresh_loss(now.problem, now.net, now.state.parameters)
        value = self.history.last["loss"] if found is None else float(found.value)
        self.history.note_fresh(value)
        if not value > now.best_value:
            best = State(parameters=now.state.parameters, step=now.state.step)
            self.moment = now._replace(best=best, best_value=value)
        return found

    def has_not_improved(self) -> bool:
        """Say whether the steps on a finer level have not lowered the loss that says what is best.

        That is the validation loss, or at the end of a level the loss at fresh samples.
        """
        now = self.moment
        if self.settings.validation is not None:
            return now.level > 0 and now.best.level_step == 0
        return self.settings.auto and self.history.last["fresh"] > now.best_value

    # From moment to moment

    def choose_start(self, bar: ProgressBar) -> None:
        """Try other starts on the coarsest grid, and continue from the best."""
        now, settings, objective = self.moment, self.settings, self.objective
        contest = Contest(objective, interrupted=self.is_interrupted)
        count = contest.starts_within(1 + settings.restarts, settings.steps)
        if count > 1:
            given = now.net, now.state.parameters
            objective.evaluate_trial(now.problem, *given)  # raises errors of the whole problem
            objective.validation_loss(*given, first=True)
            best, self.history.tries = contest.winner(count, bar.remark)
            if best is not None:
                state = contest.continued(best)
                self.moment = now._replace(state=state, best=state)

    def step(self) -> bool:
        """Take a step; return whether one was accepted."""
        now = self.moment
        loss = Loss(
            self.objective,
            now.problem,
            now.net,
            now.state.parameters,
            now.evaluation,
            before=self.before_evaluation,
            trial=True,
        )
        with refusals_diverge(f"after step {now.state.step}"):
            state = self.optimizer.step(loss, now.state, now.geometry)
        if state.step == now.state.step:  # nothing was accepted: the level is finished
            self.moment = now._replace(state=state)
            return False
        with refusals_diverge(f"after step {state.step}"):
            # A search may return to an earlier trial than the last.
            evaluation = loss.at(state.parameters)
            problem = copy.copy(now.problem)
            changed = problem.advance(*self.objective.split(now.net, state.parameters), evaluation)
            if changed:
                state, evaluation = state.stale(), None
            forget_best = changed and self.settings.validation is None
            self.accept(now._replace(problem=problem), state, forget_best, evaluation)
        return True

    def before_evaluation(self) -> None:
        """Raise KeyboardInterrupt after a Ctrl-C, in all processes."""
        if self.is_interrupted():
            raise KeyboardInterrupt

    def refine(self) -> None:
        """Go to the next level."""
        if self.settings.auto:
            self.settings.warn_of_few_rows(self.moment.level + 1)
        moment, state = refined(self.moment, self.objective)
        with refusals_diverge(f"after the refinement to level {moment.level}"):
            self.accept_refined(moment, state)

    def accept_refined(self, moment: Moment, state: State) -> None:
        """Make a refined state the present one.

        The finer spline rounds differently. Values that were at the end of a domain may then be
        outside it, where a layer refuses them. Such a state is moved by the smallest sufficient
        share towards the start of the run, whose values are inside.
        """
        forget_best = self.settings.validation is not None
        for share in RETREATS:
            moved = state
            if share > 0:
                *_, start = self.settings.grids(moment.level)
                moved = moved_towards(start, state, share)
            try:
                self.accept(moment, moved, forget_best)
                return
            except OutsideDomain:
                if share == RETREATS[-1]:
                    raise

    def accept(
        self,
        moment: Moment,
        state: State,
        forget_best: bool,
        evaluation: Evaluation | None = None,
    ) -> None:
        """Make a moment with a state the present one, and write its row.

        Parameters
        ----------
        moment : Moment
            The next moment, except for its state, best and rows.
        state : State
            It is evaluated here if it has not been.
        forget_best : bool
            Whether earlier states no longer count, since their losses were those of another
            function.
        evaluation : Evaluation, optional
            That of the state, if it is known.
        """
        optimizer = self.settings.optimizer_of(moment.level)
        problem, net = moment.problem, moment.net
        loss = Loss(self.objective, problem, net, state.parameters, evaluation)
        state = optimizer.evaluate(loss, state)
        if state.value is None or state.gradient is None:
            raise TypeError(f"{optimizer!r} did not evaluate its state")
        at = problem, net, state.parameters
        found = loss.at(state.parameters) or self.objective.evaluation(*at)
        if what := not_finite(state.value, state.gradient):
            if moment.rows:
                where = f"after step {state.step}; the network is the last finite one"
                raise Diverged(f"{what} {where}")
            self.record(moment, state, found)
            self.moment = moment._replace(rows=1)
            raise Diverged(f"{what} before the first step: it is that of the network given")
        value, best = self.record(moment, state, found), state
        of_levels = self.settings.validation is None and self.settings.auto
        if not (forget_best or value < moment.best_value) or (of_levels and moment.rows):
            value, best = moment.best_value, moment.best
        elif self.settings.validation is None:  # no step returns to it: parameters suffice
            best = State(parameters=state.parameters, step=state.step)
            value = math.inf if of_levels else value
        self.moment = moment._replace(
            state=state, best=best, best_value=value, rows=moment.rows + 1, evaluation=found
        )

    def record(self, moment: Moment, state: State, evaluation: Evaluation) -> float:
        """Write the row of a state, and return the loss that says whether it is the best."""
        loss = state.value
        assert loss is not None
        at = moment.net, state.parameters
        validation = self.objective.validation_loss(*at, first=not self.moment.rows)
        self.history.append(
            Row(
                level=moment.level,
                step=state.step,
                loss=loss,
                seconds=time.perf_counter() - self.started,
                evaluations=state.evaluations,
                ascents=state.ascents,
                validation=validation,
                terms={name: float(term.loss) for name, term in evaluation.terms.items()},
                report=state.report,
                fresh=math.nan if self.settings.auto and validation is None else None,
            )
        )
        if validation is None:
            return loss
        return validation if math.isfinite(validation) else math.inf

    # Results and views

    def kept(self) -> State:
        """Return the state whose parameters the result has."""
        status, _ = self.ending
        if self.settings.validation is not None:
            return self.moment.best
        if self.settings.auto:
            return self.moment.best if self.has_not_improved() else self.moment.state
        return self.moment.best if status == "interrupted" else self.moment.state

    def networks(self) -> tuple[Network, ...]:
        """Return the networks at the end of each level, coarse to fine; the last is the result."""
        now = self.moment
        if self.has_not_improved():  # then the coarser one is the same function
            return now.coarser
        return (*now.coarser, self.objective.network(now.net, self.kept().parameters))

    def view(self) -> TrainingState:
        """Return the state that callbacks receive."""
        now = self.moment
        last = self.history.last
        return TrainingState(
            network=self.objective.network(now.net, now.state.parameters),
            problem=now.problem,
            level=now.level,
            step=now.state.step,
            level_step=now.state.level_step,
            loss=last["loss"],
            evaluation=now.evaluation
            or self.objective.evaluation(now.problem, now.net, now.state.parameters),
            validation=last.get("validation"),
            steps_since_best=now.state.step - now.best.step,
            history=self.history,
            unknowns=self.objective.unknowns(now.state.parameters),
            snapshot=lambda: Snapshot.of(now, self.history, self.objective),
            communicator=self.settings.processes,
        )

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Make the moment that a file holds the present one.

        The first moment is found again: Ctrl-C may have ended the search for the best start.
        """
        moment, history = load_moment(absolute_path(path, "resume"), self.objective)
        if moment.rows == 1 and history.tries:
            return
        self.moment, self.history = moment, history
        self.started = time.perf_counter() - self.history.last["seconds"]

    def result(self) -> Result:
        """Return the result of the run."""
        status, message = self.ending
        levels = self.networks()
        problem = self.moment.problem
        if self.settings.communicator is not None:
            problem = problem.distributed(ALONE)  # users evaluate it in one process
        return Result(
            network=levels[-1],
            history=self.history,
            status=status,
            message=message,
            unknowns=self.objective.unknowns(self.kept().parameters),
            levels=levels,
            problem=problem,
        )
