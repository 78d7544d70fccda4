"""Scores over seconds of training: our presets compared with the reference systems' settings.

python -m bench.quality -o runs/quality                              3 presets, 3 seeds, 60 s each
python -m bench.quality mnist --seconds 300 --seeds 1 -o runs/long   one of them, for longer
python -m bench.quality -o runs/quality                              again: finished runs are reused

A run is scored during training (`--evaluate-every`; outside of its training time) and at its end,
by `ganbaru evaluate` and, if it has labels, by the held-out classifier of `bench.judge`. On a
shared machine a run sees fewer images in its time: the table shows how many.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ganbaru
from ganbaru import files
from ganbaru.errors import InputError
from ganbaru.metrics import milestones
from ganbaru.training.run_folder import Folder

from . import reporting
from .judge import COUNT, Judges

# Images between two scores: about ten scores in a minute on two cores.
PRESETS = {"mnist": 10_000, "cgan-mnist28": 10_000, "dcgan-mnist28": 2_000}
OTHERS = 10_000
SCORES = {"label_accuracy": "label accuracy", "frechet": "Fréchet distance", "coverage": "coverage"}

Result = dict[str, Any]


def result(preset: str, seed: int, seconds: float, folder: Path, judges: Judges) -> Result:
    """Train and score a run, or read the result of a finished one."""
    run = folder / f"{preset}-{seed}"
    path = run / "quality.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    ganbaru.train(ganbaru.from_preset(
        preset, run=str(run), seed=seed, minutes=seconds / 60, overwrite=True,
        evaluate_every=PRESETS.get(preset, OTHERS), sample_every=10 * OTHERS,
    ))  # fmt: skip
    log = [json.loads(line) for line in Folder(run).log.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in log if "frechet" in line]
    ended = ganbaru.evaluate(run, number=COUNT).scores
    found = {name: ended[name].value for name in SCORES if name in ended}
    reals = {name: ended[name].floor for name in found}
    judged = judges.of(run)
    # Scores during training use fewer images than those at the end: they are not comparable.
    made = {
        "preset": preset,
        "curve": lines,
        "curve of reals": milestones.baselines(Folder(run)),
        "end": {
            "images": log[-1]["images"],
            **found,
            **{n: judged[n] for n in judged if n != "real"},
        },
        "reals": {**reals, **({"judge": judged["real"]} if judged else {})},
    }
    files.write_text(path, json.dumps(made, indent=1))
    return made


def table(results: Sequence[Result]) -> str:
    """Return Markdown: medians over seeds, minimum and maximum, and the real baseline."""
    titles = ["preset", "seeds", "images", *SCORES.values(), "held-out judge"]
    rows = []
    for preset in dict.fromkeys(one["preset"] for one in results):
        of = [one for one in results if one["preset"] == preset]
        ends = [one["end"] for one in of]
        cells = [_cell([end[name] for end in ends if name in end])
                 for name in ("images", *SCORES, "judge")]  # fmt: skip
        rows.append([f"`{preset}`", str(len(of)), *cells])
        reals = [of[0]["reals"].get(name) for name in (*SCORES, "judge")]
        rows.append(["its real images", "", "", *(_cell([x] if x else []) for x in reals)])
    return reporting.grid(titles, rows)


def _cell(values: Sequence[float]) -> str:
    return reporting.spread(values, ",.0f" if values and values[0] > 1_000 else ".4g")


def plot(results: Sequence[Result], path: Path) -> None:
    """Plot each run's scores over seconds of training, one colour per preset."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    presets = list(dict.fromkeys(one["preset"] for one in results))
    for axes, (name, title) in zip(figure.subplots(1, 3), SCORES.items(), strict=True):
        for one in results:
            points = [(line["seconds"], line[name]) for line in one["curve"] if name in line]
            colour = f"C{presets.index(one['preset'])}"
            axes.plot(
                *zip(*points, strict=True), ".-", color=colour, linewidth=1
            ) if points else None
            if name in one["curve of reals"]:
                axes.axhline(one["curve of reals"][name], color=colour, linestyle=":")
        axes.set(title=title, xlabel="seconds of training")
        axes.grid(alpha=0.3, which="both")
        axes.set_yscale("log" if name == "frechet" else "linear")
    for i, preset in enumerate(presets):
        figure.axes[0].plot([], [], color=f"C{i}", label=preset)
    figure.axes[0].plot([], [], "k:", label="real images")
    figure.legend(loc="outside lower center", ncols=len(presets) + 1, frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("presets", nargs="*", default=list(PRESETS), metavar="PRESET")
    parser.add_argument("-o", "--output", required=True, type=Path, help="the folder for runs")
    parser.add_argument("--seconds", type=float, default=60, help="each run's training")
    parser.add_argument("--seeds", type=int, default=3)
    wanted = parser.parse_args()
    judges, results = Judges(), []
    try:
        for seed in range(wanted.seeds):
            for preset in wanted.presets:
                results.append(result(preset, seed, wanted.seconds, wanted.output, judges))
    except InputError as error:
        parser.exit(2, f"{error}\n")
    plot(results, wanted.output / "quality.png")
    print(table(results))


if __name__ == "__main__":
    main()
