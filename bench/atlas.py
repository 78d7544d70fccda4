"""The figure of docs/failures.md: pictures and curves of the labs' sick runs and a healthy one.

python -m bench.atlas -o runs/atlas --figure docs/images/failures.png

A run that is there is not trained again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ganbaru import callbacks, config, data, labs
from ganbaru.training import run_folder, run_log

# What shows each disease: keys of the log, of which the first found is drawn.
SHOWN = {
    "collapse": "nearest",
    "class-collapse": "class_diversity",
    "d-wins": "fake_accuracy",
    "d-loses": "fake_accuracy",
    "no-learning": "g_update",
    "high-rate": "d_update",
    "overfitting": "held_out_d_loss",
    "labels": "label_gap",
    "range": "lowest",
}
COLUMNS = 3


def train(name: str, place: Path) -> Path:
    """Train a lab's sick run, or the healthy one, with its sample grids; return its folder."""
    folder, lab = place / name, labs.LABS.get(name)
    if not (folder / "samples").exists() or not (folder / "losses.png").exists():
        fields = {**labs.SMALL, **(lab.options if lab else {})}
        settings = config.from_preset(
            "digits", **fields, run=str(folder), overwrite=folder.exists()
        )
        chosen = [callbacks.Log(), callbacks.Samples(), callbacks.LossPlot()]
        labs.train(settings, lab.plant if lab else labs.plants.nothing, chosen, data.silent)
    return folder


def draw(place: Path, figure: Path) -> None:
    """Draw the last grid's corner and the curve of each disease, healthy in grey."""
    from matplotlib.figure import Figure
    from PIL import Image

    rows = -(-len(SHOWN) // COLUMNS)
    drawn = Figure(figsize=(10, 1.7 * rows), layout="constrained")
    panels = drawn.subplots(rows, 2 * COLUMNS, width_ratios=[1, 1.4] * COLUMNS).flatten()
    for number, (name, key) in enumerate(SHOWN.items()):
        picture, curve = panels[2 * number : 2 * number + 2]
        last = sorted((place / name / "samples").glob("*.png"))[-1]
        with Image.open(last) as grid:
            side = min(grid.size) // 2
            picture.imshow(
                grid.convert("L").crop((0, 0, side, side)), cmap="gray", vmin=0, vmax=255
            )
        picture.set_axis_off()
        picture.set_title(name, fontsize=8)
        for each, colour in (("healthy", "silver"), (name, "tab:red")):
            lines = run_log.read_log(run_folder.Folder(place / each))
            points = [(line["images"], line[key]) for line in lines if key in line]
            curve.plot(*zip(*points, strict=True), color=colour, marker=".", markersize=3)
        curve.set_title(key, fontsize=8)
        curve.tick_params(labelsize=6)
        if key == "g_update":
            curve.set_yscale("log")
    drawn.savefig(figure, dpi=80)
    with Image.open(figure) as full:  # a third of the bytes
        small = full.convert("RGB").quantize(48)
    small.save(figure, optimize=True)


def main() -> None:
    """Train what is missing, and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--figure", required=True, type=Path)
    given = parser.parse_args()
    for name in ("healthy", *SHOWN):
        train(name, given.output)
    draw(given.output, given.figure)


if __name__ == "__main__":
    main()
