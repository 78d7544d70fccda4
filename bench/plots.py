"""Plots of the cases that go over something, drawn with matplotlib."""

from __future__ import annotations

from pathlib import Path

from ganbaru import files

from .racing import Row, Table


def save(table: Table, path: Path) -> None:
    """Plot a step's seconds over what its table goes over, as PNG; bars are quartiles.

    Dotted is how long the products of its matrices take as fast as the machine makes them.
    """
    from matplotlib.figure import Figure  # the figure alone: no window system is touched

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(row[""] for row in table.rows):
        _line(axes, name, [row for row in table.rows if row[""] == name], table.over)
    # All contestants of these cases need the same: their shares give the same least seconds.
    least = {row[table.over]: row["seconds"] * row["of GEMM"] for row in table.rows}
    axes.plot(list(least), list(least.values()), "k:", label="GEMM ceiling")
    ticks = sorted({row[table.over] for row in table.rows})
    # Work grows by factors: on these scales a step whose time is its work is a straight line.
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
