"""Plots of the cases that vary a size, drawn with matplotlib."""

from __future__ import annotations

from pathlib import Path

from ganbaru import files

from .interleaved import Row, Table


def save(table: Table, path: Path) -> None:
    """Plot the seconds of a step over the table's varied size, as PNG; bars are quartiles.

    The dotted line is the time of its matrix products at the machine's peak speed.
    """
    from matplotlib.figure import Figure  # only the figure: pyplot would open a window system

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(row[""] for row in table.rows):
        _line(axes, name, [row for row in table.rows if row[""] == name], table.over)
    # All contestants of these cases do the same work: their shares give the same minimum.
    least = {row[table.over]: row["seconds"] * row["of GEMM"] for row in table.rows}
    axes.plot(list(least), list(least.values()), "k:", label="GEMM ceiling")
    ticks = sorted({row[table.over] for row in table.rows})
    # On log scales the time of a step that is proportional to its work is a straight line.
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(ticks, labels=map(str, ticks))
    axes.set_xlabel(table.over)
    axes.set_ylabel("seconds for a step")
    axes.set_title(table.title, fontsize="medium")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _line(axes: object, name: str, rows: list[Row], over: str) -> None:
    middles = [row["seconds"] for row in rows]
    low = [row["seconds"] - row["quartiles"][0] for row in rows]
    high = [row["quartiles"][1] - row["seconds"] for row in rows]
    at = [row[over] for row in rows]
    axes.errorbar(at, middles, yerr=(low, high), marker="o", capsize=3, linewidth=1, label=name)
