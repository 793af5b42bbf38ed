"""Bar charts, drawn from the tables that benchmarks print and pages show."""

import re
from pathlib import Path

import numpy as np

from kanml.plotting import figure

PERFORMANCE = Path(__file__).parents[1] / "performance.md"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1}
QUANTITY = re.compile(r"([\d.]+)(?: to ([\d.]+))? (us|ms|s)\b")


def table(page, heading, number=0):
    """Return a table of a section as lists of cells, row by row, without its head."""
    section = re.split(rf"^#* ?{re.escape(heading)}$", page.read_text(), maxsplit=1, flags=re.M)[1]
    tables = re.findall(r"^\|.*\n\|[-|]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in tables[number].splitlines()]


def seconds(cell):
    """Return the time in a cell, the middle of a range; NaN where there is none."""
    match = None if cell.startswith("not in") else QUANTITY.match(cell)
    if match is None:
        return np.nan
    low, high, unit = match.groups()
    return (float(low) + float(high or low)) / 2 * UNITS[unit]


def written(time):
    """Return a time in the unit that suits it."""
    unit = "s" if time >= 1 else "ms" if time >= 1e-3 else "us"
    value = time / UNITS[unit]
    return f"{value:.2g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def bars(axes, labels, times, names, scale="log", limit=None):
    """Draw times in seconds, one group of bars for each label and one bar for each name.

    Where a time is missing, the bar is open and reaches the limit.
    """
    height = 0.8 / len(names)
    places = np.arange(len(labels))
    for i, (name, column) in enumerate(zip(names, np.transpose(times), strict=True)):
        at = places + (i - (len(names) - 1) / 2) * height
        axes.barh(at, np.nan_to_num(column), 0.92 * height, label=name, color=f"C{i}")
        for place, time in zip(at, column, strict=True):
            if np.isfinite(time):
                note = written(time)
            elif limit:
                axes.barh(
                    place, limit, 0.92 * height, color="none", edgecolor=f"C{i}", linestyle=":"
                )
                note = f"not in {written(limit)}"
            else:
                continue
            end = (time if np.isfinite(time) else limit, place)
            away = {"xytext": (4, 0), "textcoords": "offset points"}
            axes.annotate(note, end, **away, va="center", fontsize=8)
    most = limit or np.nanmax(times)
    axes.set_xscale(scale)
    if scale == "log":
        least = 10 ** np.floor(np.log10(np.nanmin(times)) - 0.2)
        axes.set_xlim(least, most * (most / least) ** 0.22)
    else:
        axes.set_xlim(0, 1.1 * most)
        axes.xaxis.set_major_formatter(lambda time, _: written(time) if time else "0")
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("seconds" if scale == "log" else "")


def legend(picture, axes, columns):
    """Name the bars above the picture."""
    handles, names = axes.get_legend_handles_labels()
    picture.legend(handles, names, loc="outside upper center", ncols=columns)


def layers():
    """Draw the times of spline layers beside those of dense layers of as much work."""
    labels, times = [], []
    width = ""
    for row in table(PERFORMANCE, "Layers"):
        width = row[0] or width
        if row[4]:
            labels.append(f"{width}, n = {row[2]}")
            times.append([seconds(row[3]), seconds(row[4])])
    picture = figure(8, 3.4)
    axes = picture.add_subplot()
    bars(axes, labels, times, ["kanml", "four times torch.nn.Linear"], "linear")
    legend(picture, axes, 2)
    return picture


def libraries():
    """Draw the times of other libraries for the same task."""
    labels, times = [], []
    task = ours = ""
    for row in table(PERFORMANCE, "Other libraries"):
        task, ours = row[0] or task, row[2] or ours
        if np.isfinite(seconds(row[4])):
            intervals = f", n = {row[1]}" if row[1] else ""
            short = re.split(r", (?![^\[]*\])", task)[0].split(" of exp")[0]
            labels.append(f"{short}{intervals}\n{row[3].strip('`')}")
            times.append([seconds(ours), seconds(row[4])])
    picture = figure(8, 0.42 * len(labels) + 1)
    axes = picture.add_subplot()
    bars(axes, labels, times, ["kanml", "the other library"])
    axes.tick_params(axis="y", labelsize=8)
    legend(picture, axes, 2)
    return picture


def equations():
    """Draw the times in which two equations are solved to an error."""
    names = ["kanml", "MLP in torch, Levenberg-Marquardt", "MLP in torch, L-BFGS"]
    picture = figure(8, 3.6)
    both = picture.subplots(1, 2)
    for number, (axes, name) in enumerate(zip(both, ["Helmholtz", "Burgers"], strict=True)):
        rows = table(PERFORMANCE, "Solving an equation to an error", number)[:3]
        labels = [f"error {row[0]}" for row in rows]
        bars(axes, labels, [[seconds(cell) for cell in row[1:]] for row in rows], names, limit=300)
        axes.set_title(name)
    legend(picture, both[0], 3)
    return picture
