"""Run all cases in both environments, compare, and print what differs."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any

from bits.environment import Environment, Failed

__all__ = ["CATEGORIES", "compare"]

CASES = ("networks", "training", "equations", "problems", "starts", "spaces")  # slowest first
CATEGORIES = (*CASES, "files", "signatures")
NAMED = 5  # differing cases that are printed

Outcome = tuple[bool, str]
"""Whether two results are the same, and what to print."""


def compare(old: Environment, new: Environment, categories: Sequence[str], strict: bool) -> bool:
    """Print the comparison of two environments, and return whether they are the same.

    Raises
    ------
    Failed
        If one of them cannot be used, or both have the same kanml.
    """
    instruction_sets = _introduce(old, new)
    _require_choice(old, new, instruction_sets)
    tasks = _tasks(old, new, categories, strict, instruction_sets)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        futures = [(title, pool.submit(_outcome, task)) for title, task in tasks]
        same = True
        for title, future in futures:
            alike, text = future.result()
            print(f"{title:24s}{text}", flush=True)
            same &= alike
    return same


def _introduce(old: Environment, new: Environment) -> list[str]:
    """Print what is compared, and return the instruction sets of both."""
    found = [environment.run("environment", "description") for environment in (old, new)]
    if found[0]["location"] == found[1]["location"]:
        raise Failed(f"both environments have the kanml in {found[0]['location']}")
    for name, one in zip(("old", "new"), found, strict=True):
        print(f"{name} {one['location']}")
    for what in ("versions", "compiled", "sets"):
        if found[0][what] != found[1][what]:
            print(f"The environments differ in {what}: {found[0][what]} and {found[1][what]}")
    return [name for name in found[0]["sets"] if name in found[1]["sets"]]


def _require_choice(old: Environment, new: Environment, instruction_sets: Sequence[str]) -> None:
    """Raise Failed unless both environments use the instruction set that is asked for."""
    for name, environment in product(instruction_sets, (old, new)):
        used = environment.run("environment", "description", instructions=name)["used"]
        if used != name:
            raise Failed(f"{environment.python} has been asked for {name!r} and uses {used!r}")


def _tasks(
    old: Environment,
    new: Environment,
    categories: Sequence[str],
    strict: bool,
    instruction_sets: Sequence[str],
) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """Yield titles and comparisons, which are independent of each other."""

    def cases(category: str, instructions: str) -> Outcome:
        results = [e.run(category, "cases", instructions=instructions) for e in (old, new)]
        return _compared_cases(*results)

    def files() -> Outcome:
        with tempfile.TemporaryDirectory() as folder:
            written = old.run("files", "written", folder)
            return _compared_cases(written, new.run("files", "read", folder))

    def signatures() -> Outcome:
        results = [environment.run("signatures", "lines") for environment in (old, new)]
        alike, text = _compared_lines(*results)
        return alike or not strict, text

    for category in categories:
        if category == "files":
            yield category, files
        elif category == "signatures":
            yield category, signatures
        else:
            for one in instruction_sets:
                yield f"{category}, {one}", partial(cases, category, one)


def _outcome(task: Callable[[], Outcome]) -> Outcome:
    try:
        return task()
    except Failed as failure:
        return False, f"could not run: {failure}"


def _compared_cases(old: dict[str, Any], new: dict[str, Any]) -> Outcome:
    """Compare cases by name, all parts of what they return. No case at all is not the same."""
    names = list(dict.fromkeys([*old, *new]))
    found = {name: _difference(old.get(name), new.get(name)) for name in names}
    different = [name for name in names if found[name]]
    unexpected = [name for name in names if not found[name] and _is_unexpected(old[name])]
    text = [f"{len(names)} cases, {len(different)} differ"]
    for name in different[:NAMED]:
        text += [f"    {name}", *(f"        {line}" for line in found[name])]
    if len(different) > NAMED:
        text.append(f"    and {len(different) - NAMED} others")
    for name in unexpected[:NAMED]:
        what, (_, shown) = next(iter(old[name]["leaves"].items()))
        text += [f"    {name}", f"        no comparison, since both give {what} {shown}"]
    return bool(names) and not (different or unexpected), "\n".join(text)


def _difference(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[str]:
    """Return how a case differs, in words, or nothing."""
    if old is None or new is None:
        return [f"only in the {'new' if old is None else 'old'} environment"]
    before, after = old["leaves"], new["leaves"]
    # An exception, which is the value of the whole, says more than what is missing then.
    parts = [part for part in {"": 0, **before, **after} if before.get(part) != after.get(part)]
    if not parts:
        return []
    count = f", the first of {len(parts)} parts" if len(parts) > 1 else ""
    nothing = "", "no such part"
    shown = [side.get(parts[0], nothing)[1] for side in (before, after)]
    if shown[0] == shown[1]:
        return [f"{parts[0] or 'value'}{count}", f"both begin with {shown[0]}"]
    return [f"{parts[0] or 'value'}{count}", f"old {shown[0]}", f"new {shown[1]}"]


def _is_unexpected(case: dict[str, Any]) -> bool:
    """Say whether a case raised and should not, or the other way round: then it shows nothing."""
    return bool(case["raised"] != case["refusal"])


def _compared_lines(old: Sequence[str], new: Sequence[str]) -> Outcome:
    """Compare the lines of two interfaces."""
    difference = difflib.unified_diff(old, new, lineterm="", n=0)
    changed = [line for line in difference if not line.startswith(("---", "+++", "@@"))]
    text = [f"{len(old)} lines, {len(changed)} removed or added", *(f"    {x}" for x in changed)]
    return not changed, "\n".join(text)
