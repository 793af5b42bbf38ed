"""Tables of text, whose headings follow the format of their rows."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from string import Formatter

__all__ = ["heading", "with_deviation"]


def heading(row: str, names: Sequence[str]) -> str:
    """Return a line of names, aligned with the values that `row` formats.

    Parameters
    ----------
    row : str
        A format for `str.format` with a width in each field. By default text is aligned to the
        left and numbers to the right.
    names : sequence of str
        One for each field.

    Examples
    --------
    >>> row = "{:8s}{:6d}  {:<9.1e}{:>5s}"
    >>> print(heading(row, ["model", "steps", "loss", "last"]))
    model    steps  loss      last
    >>> print(row.format("KAN", 200, 1.5e-3, "x"))
    KAN        200  1.5e-03      x
    """
    parts: list[str] = []
    remaining = iter(names)
    for text, field, spec, _ in Formatter().parse(row):
        parts.append(text)
        if field is None:  # the text after the last field
            continue
        match = re.match(r"([<^>]?)(\d+)", spec or "")
        if match is None:
            raise ValueError(f"each field of a row must have a width, got {{{field}:{spec}}}")
        align = match[1] or ("<" if str(spec).endswith("s") else ">")
        parts.append(f"{next(remaining):{align}{match[2]}s}")
    return "".join(parts).rstrip()


def with_deviation(values: Sequence[float]) -> str:
    """Return the mean of positive numbers and, if there are several, their standard deviation.

    Examples
    --------
    >>> with_deviation([1e-3, 3e-3]), with_deviation([2e-3])
    ('2.00e-03 (1.4e-03)', '2.00e-03')
    """
    deviation = f" ({statistics.stdev(values):.1e})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2e}{deviation}"
