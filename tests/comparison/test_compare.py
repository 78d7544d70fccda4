"""Tournaments: equal conditions, resuming, published results, and invalid input."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train_helpers import (
    NO_PLOTS,
    background,
    command,
    log,
    needs_posix,
    newest,
    pictures,
    trained,
    until,
)

import ganbaru
from ganbaru import Config, InputError, metrics
from ganbaru.callbacks import periodic_evaluation
from ganbaru.comparison import contestants, plot, tournament, training
from ganbaru.comparison.contestants import Budget
from ganbaru.comparison.training import Outcome
from ganbaru.config import load_yaml
from ganbaru.formatting import with_interval
from ganbaru.training import setup

COMMON = {"width": 4, "latent": 8, "batch": 8, "image_size": "16", "engine": "numpy"}
FLAGS = [word for key, value in COMMON.items()
         for word in (f"--{key.replace('_', '-')}", value)]  # fmt: skip
VARIED = {"objective": ["hinge", "rsgan"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with 240 random pictures, enough to score with."""
    folder = tmp_path_factory.mktemp("compare")
    pictures(folder / "pictures.npz", count=240)
    return folder


@pytest.fixture
def options(place) -> dict:
    return {**COMMON, "data": str(place / "pictures.npz"), "evaluate_images": 50}


@pytest.fixture(scope="module")
def result(place):
    """A tournament of two objectives, two seeds each."""
    return ganbaru.compare(
        ["digits"], vary=VARIED, seeds=2, images=96, folder=place / "whole", evaluate_images=50,
        **COMMON, data=str(place / "pictures.npz"),
    )  # fmt: skip


# --- equal conditions -------------------------------------------------------------------------


def first_and_batch(folder: Path) -> tuple[dict, object]:
    fields = load_yaml(folder / "config.yaml")
    run = setup.build(Config(**{**fields, "run": f"{folder}-again"}))
    return run.state, run.sampler.step(3).d[0]


def test_contestants_share_weights_batches_and_latents_by_seed(result):
    found = {
        (name, seed): first_and_batch(result.folder / name / f"seed{seed}")
        for name in VARIED["objective"]
        for seed in (0, 1)
    }
    for seed in (0, 1):
        (one, batch), (other, twin) = (found[name, seed] for name in VARIED["objective"])
        for group in ("generator", "discriminator"):
            assert one[group].keys() == other[group].keys()
            for name, array in one[group].items():
                np.testing.assert_array_equal(array, other[group][name])
        for field in ("real", "latent", "real_label"):
            np.testing.assert_array_equal(getattr(batch, field), getattr(twin, field))
    assert (found["hinge", 0][1].latent != found["hinge", 1][1].latent).any()


def test_every_run_is_an_ordinary_one(place, result, options):
    """What `ganbaru train` makes of the same options, bit for bit."""
    folder = result.folder / "rsgan" / "seed1"
    alone = ganbaru.from_preset(
        "digits", **{**options, "evaluate_every": 10, "log_every": 10}, objective="rsgan", seed=1,
        images=96, run=place / "alone",
    )  # fmt: skip
    ganbaru.train(alone)
    assert log(folder) == log(place / "alone")
    (one, _), (other, _) = newest(folder), newest(place / "alone")
    assert all(x.tobytes() == other["ema"][name].tobytes() for name, x in one["ema"].items())
    assert (folder / "samples").is_dir() and (folder / "checkpoints" / "best.safetensors").exists()


def test_scores_are_those_of_evaluate(result):
    folder = result.folder / "hinge" / "seed0"
    found = metrics.evaluate(folder, number=50, seed=periodic_evaluation.SEED)
    ended = training.outcome(folder)
    assert ended.scores["frechet"] == found.scores["frechet"].value
    assert metrics.Passport(**ended.passport) == dataclasses.replace(found.passport, seed=0)
    assert ended.images == 96 and 0 < ended.seconds < 60
    assert [line["images"] for line in ended.curve] == [16, 24, 32, 40, 56, 64, 72, 80, 96]


def test_budget_in_seconds_ends_runs_by_training_time(place, options):
    names = {name: ganbaru.from_preset("digits", **options | {"objective": name})
             for name in VARIED["objective"]}  # fmt: skip
    for one in names.values():
        assert one.images == 60_000
    made = contestants.with_equal_budget(names, Budget(None, 0.5, 100, 50))
    assert all((one.images, one.steps, one.minutes) == (None, None, 0.5 / 60)
               for one in made.values())  # fmt: skip
    found = ganbaru.compare(made, seeds=1, seconds=0.5, folder=place / "timed", evaluate_every=100,
                           evaluate_images=50)  # fmt: skip
    for (ended,) in found.outcomes.values():
        assert 0.5 <= ended.seconds < 1.5
    assert "0.5 seconds of training" in (place / "timed" / "results.md").read_text()


# --- results ----------------------------------------------------------------------------------


def test_table_json_and_standings_agree(result):
    found = json.loads((result.folder / "results.json").read_text())
    scores = {
        name: [one["scores"]["frechet"] for one in each] for name, each in found["runs"].items()
    }
    means = {name: np.mean(each) for name, each in scores.items()}
    assert found["order"] == sorted(means, key=means.get) == result.standings.order
    (pair,) = found["pairs"]
    first, second = found["order"]
    expected = np.subtract(scores[first], scores[second])
    assert pair["difference"] == pytest.approx(expected.mean())
    assert pair["interval"] == pytest.approx([expected.min(), expected.max()])  # of two seeds
    assert pair["flips"] == found["winner_changes"] == float(expected[0] * expected[1] < 0)
    text = (result.folder / "results.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| 2 |")]
    interval = [-expected.max(), -expected.min()]
    assert f"| {second} | " in row and f"| {with_interval(-expected.mean(), *interval)} |" in row
    lines = list(csv.DictReader((result.folder / "results.csv").read_text().splitlines()))
    assert [float(line["frechet"]) for line in lines if line["contestant"] == second] == (
        pytest.approx(list(scores[second]))
    )
    assert f"{second} & " in (result.folder / "results.tex").read_text()
    for part in (
        "96 real images shown to D",
        "They differ in: objective.",
        "2 runs (seeds 0 to 1)",
        "at most 50% of times",
        result.outcomes[first][0].passport["scorer_hash"][:12],
    ):
        assert part in text  # fmt: skip


def test_curves_are_means_over_seeds_at_milestones(place, result, real_plots):
    places, scores = plot.curve(result.outcomes["hinge"], "images")
    assert places.tolist() == [16, 24, 32, 40, 56, 64, 72, 80, 96] and scores.shape == (9, 2)
    for seed, ended in enumerate(result.outcomes["hinge"]):
        assert scores[:, seed].tolist() == [line["frechet"] for line in ended.curve]
    seconds, _ = plot.curve(result.outcomes["hinge"], "seconds")
    assert (np.diff(seconds) > 0).all()
    with Image.open(result.folder / "scores.png") as image:
        assert image.size == (1, 1)  # the stand-in's
    plot.draw(result.outcomes, result.standings.order, place / "scores.png")
    with Image.open(place / "scores.png") as image:
        assert image.width == 1320 and len(image.convert("RGB").getcolors(10**6)) > 100


def test_curve_of_runs_of_different_lengths_and_of_none():
    def ended(count: int, images: int) -> Outcome:
        curve = [{"images": 10 * i, "seconds": i, "frechet": 9 - i} for i in range(1, count + 1)]
        return Outcome(images=images, seconds=9, scores={"frechet": 1.0}, curve=curve)

    places, scores = plot.curve([ended(2, 25), ended(4, 45), Outcome(failed="x")], "images")
    assert places.tolist() == [10, 20, 27.5]
    assert scores.tolist() == [[8, 8], [7, 7], [1, 6]]
    assert not len(plot.curve([Outcome(failed="x")], "images")[0])


def test_numbers_of_other_passports_are_not_compared(place, options, result):
    folder = result.folder / "hinge" / "seed1"
    text = (folder / "result.json").read_text()
    changed = json.loads(text)
    changed["passport"]["fakes"] = 49
    (folder / "result.json").write_text(json.dumps(changed))
    try:
        with pytest.raises(InputError, match="hinge, seed 1 cannot be compared.*fakes: 50 and 49"):
            ganbaru.compare(folder=result.folder)
    finally:
        (folder / "result.json").write_text(text)


def test_run_that_diverges_ranks_last_with_its_reason(place, options):
    entrants = [{"preset": "digits"}, {"preset": "digits", "lr": 1e30}]
    with np.errstate(all="ignore"):
        found = ganbaru.compare(entrants, seeds=1, images=96, folder=place / "diverges", **options)
    last = found.standings.order[-1]
    assert "1e+30" in last and found.standings.means[last] is None
    text = (found.folder / "results.md").read_text()
    assert "none, 1 of 1 diverged" in text and "The training diverged before" in text
    assert json.loads((found.folder / "results.json").read_text())["means"][last] is None


# --- stopped and resumed ----------------------------------------------------------------------


def planned(folder: Path, options: dict) -> tournament.Plan:
    budget = Budget(96, evaluate_images=options["evaluate_images"])
    fields = {name: value for name, value in options.items() if name != "evaluate_images"}
    return tournament.plan_tournament(["digits"], VARIED, fields, budget, 1, folder)


class Stop:
    """Interrupts at a call of this number."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("calls", [17, pytest.param(3, marks=pytest.mark.extended)])
def test_resumed_tournament_has_the_same_result(place, result, options, calls):
    folder = place / f"stopped{calls}"
    plan = planned(folder, options)
    lines: list[str] = []
    assert tournament.run(plan, Stop(calls), tell=lines.append) is None
    assert not (folder / "results.md").exists() and len(lines) == calls // 14
    before = {path: path.read_bytes() for path in folder.rglob("result.json")}
    again = ganbaru.compare(folder=folder, tell=lines.append)
    assert lines[-1].startswith("2 of 2: rsgan, seed 0: Fréchet distance ")
    for path, content in before.items():
        assert path.read_bytes() == content
    for name, (ended,) in again.outcomes.items():
        assert ended.scores == result.outcomes[name][0].scores
        assert log(folder / name / "seed0") == log(result.folder / name / "seed0")


def test_run_killed_before_its_first_checkpoint_restarts(place, result, options):
    folder = place / "killed"
    plan = planned(folder, options)
    run = folder / "hinge" / "seed0"
    trained(place, **options | {"run": run, "steps": 1})
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    found = tournament.run(plan, lambda: False)
    assert found.outcomes["hinge"][0].scores == result.outcomes["hinge"][0].scores


def test_more_seeds_continue_the_same_tournament(place, result, options):
    folder = place / "more"
    first = ganbaru.compare(["digits"], vary=VARIED, seeds=1, images=96, folder=folder, **options)
    assert first.standings.winner_changes is None
    assert "One seed gives no ranking" in (folder / "results.md").read_text()
    lines: list[str] = []
    assert ganbaru.compare(folder=folder, seeds=2, tell=lines.append).standings == result.standings
    assert lines[0] == "2 of 4 runs are finished already." and len(lines) == 3
    with pytest.raises(InputError, match="2 seeds.*--seeds"):
        ganbaru.compare(folder=folder, seeds=1)


def test_workers_side_by_side_give_the_same_result(place, result, monkeypatch, capfd):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [str(NO_PLOTS), *sys.path])  # of the workers
    said = command(
        "compare", "digits", "--vary", "objective=hinge,rsgan", "--seeds", 1, "--images", 96,
        "--evaluate-images", 50, "--workers", 2, "-o", "side", "--data", "pictures.npz", *FLAGS,
    )  # fmt: skip
    assert (said.code, said.err, capfd.readouterr().err) == (0, "", ""), said
    found = json.loads((place / "side" / "results.json").read_text())
    for name, (one, _) in result.outcomes.items():  # other threads round differently
        assert found["means"][name] == pytest.approx(one.scores["frechet"], rel=0.02)


def _processes(variable: str) -> list[Path]:
    """Return the processes that inherited an environment variable, without those that ended."""

    def has(path: Path) -> bool:
        try:
            return variable.encode() in (path / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    return [path for path in Path("/proc").glob("[0-9]*") if has(path)]


@needs_posix
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_save_and_end_with_the_command(place, how):
    """A single process is interrupted in the tests above; Ctrl-C prints how to continue.

    No process of theirs searches the current folder for Python's own modules.
    """
    folder, workers, mark = place / how.name / "cmp", 2, f"GANBARU_TEST={how.name} {place}"
    folder.parent.mkdir()
    for name in ("multiprocessing", "pickle", "numpy") if sys.version_info >= (3, 11) else ():
        (folder.parent / f"{name}.py").write_text("open('imported', 'w')")
    words = ["compare", "digits", "--vary", "objective=hinge,rsgan", "--seeds", 1, "--seconds", 600,
             "--evaluate-images", 50, "--workers", workers, "-o", folder.name, "--data",
             "../pictures.npz", "--log-every", 80, *FLAGS]  # fmt: skip
    environment = dict(os.environ, GANBARU_TEST=mark.partition("=")[2])
    with background(*words, cwd=folder.parent, env=environment) as started:
        logs = [folder / name / "seed0" / "log.jsonl" for name in VARIED["objective"]]
        until(lambda: all(path.exists() and path.stat().st_size for path in logs), started)
        started.send_signal(how)
        if how == signal.SIGINT:
            out, err = started.communicate(timeout=300)
            assert started.returncode == 130 and err == "", err
            assert f"-m ganbaru compare -o {folder.name}\n" in out
        assert started.wait(60) in (130, -signal.SIGKILL)
    assert not (folder.parent / "imported").exists()
    left = time.monotonic() + 60
    while processes := _processes(mark):
        assert time.monotonic() < left, processes
        time.sleep(0.05)
    for path in logs:
        assert newest(path.parent)[1].images > 0
    assert not list(folder.rglob("result.json"))


# --- contestants ------------------------------------------------------------------------------


def test_names_state_what_differs():
    def names(entries, **vary) -> list[str]:
        return list(contestants.expand(entries, vary))

    assert names([{"preset": "mnist"}, {"preset": "digits"}]) == ["mnist", "digits"]
    assert names([{"preset": "mnist"}], objective=["hinge", "rsgan"]) == ["hinge", "rsgan"]
    assert names([{"preset": "mnist"}], d_steps=[1, 2], penalty=["none", "r1"]) == [
        "d_steps=1 penalty=none", "d_steps=1 penalty=r1", "d_steps=2 penalty=none",
        "d_steps=2 penalty=r1",
    ]  # fmt: skip
    assert names([{"preset": "mnist"}, {"preset": "digits"}], lr=[0.1, 0.2]) == [
        "mnist 0.1", "mnist 0.2", "digits 0.1", "digits 0.2",
    ]  # fmt: skip
    assert names([{"preset": "mnist"}, {"preset": "mnist", "penalty": "r1"}]) == ["mnist", "r1"]
    assert contestants.folder_name("objective=rsgan penalty=r1:gamma=1") == (
        "objective=rsgan-penalty=r1-gamma=1"
    )


def test_vary_is_parsed():
    from ganbaru.cli import compare

    read = compare._varied
    assert read(["objective=non-saturating:real=0.9,fake=0.1,hinge"]) == {
        "objective": ["non-saturating:real=0.9,fake=0.1", "hinge"]
    }
    assert read(["penalty=none,r1:gamma=1,r2:gamma=2", "--d-steps=1,5"]) == {
        "penalty": ["none", "r1:gamma=1", "r2:gamma=2"], "d_steps": [1, 5],
    }  # fmt: skip
    assert read(["betas=0.5 0.99,0 0.9", "minibatch-deviation=true,false"]) == {
        "betas": [(0.5, 0.99), (0.0, 0.9)], "minibatch_deviation": [True, False],
    }  # fmt: skip


# --- invalid input ----------------------------------------------------------------------------

G = ["--images", 96, *FLAGS]
V = ["--vary", "objective=hinge,rsgan"]
REFUSED = [
    (["digts", "mnist", *G], ["Unknown preset 'digts'", "Did you mean 'digits'", "presets"]),
    (["digits --objectve hinge", "digits", *G], ["no option --objectve", "'--objective'"]),
    (["digits --seed 3", "digits", *G], ["no option --seed"]),
    (["digits --batch x", "digits", *G], ["--batch x"]),
    (["digits 'open", "digits", *G], ["'open"]),
    (["digits", *G], ["needs two contestants or more", "--vary objective="]),
    ([], ["needs two contestants or more"]),
    (["digits", "digits", *G], ["Two contestants are the same (digits)"]),
    (["digits", *V, *FLAGS], ["--images or --seconds"]),
    (["digits", *V, *G, "--seconds", 3], ["--images or --seconds"]),
    (["digits", *V, "--images", 0], ["--images 0"]),
    (["digits", *V, "--seconds", 0], ["--seconds 0"]),
    (["digits", *V, *G, "--seeds", 0], ["--seeds 0"]),
    (["digits", *V, *G, "--workers", 0], ["--workers 0"]),
    (["digits", *V, *G, "--evaluate-every", 0], ["--evaluate-every 0"]),
    (["digits", *V, *G, "--evaluate-images", 9], ["--evaluate-images 9"]),
    (["digits", "--vary", "objectve=hinge,rsgan", *G],
     ["Unknown field 'objectve'", "Did you mean 'objective'"]),
    (["digits", "--vary", "objective=hinge,rsgann", *G], ["'rsgann'", "Did you mean 'rsgan'"]),
    (["digits", "--vary", "seed=1,2", *G], ["--seed"]),
    (["digits", "--vary", "objective", *G], ["KEY=VALUE,VALUE"]),
    (["digits", "--vary", "batch=8,x", *G], ["--batch x"]),
    (["digits", "--vary", "short_batch=1,true", *G], ["short-batch 1", "true or false"]),
    (["digits", "mnist", "--images", 96], ["--data digits and mnist"]),
    (["mnist", "cgan-mnist", "--images", 96], ["--image-size None and 64", "--image-size"]),
    (["small", *V, "--images", 96], ["--data"]),
    (["-o", "nowhere"], ["tournament", "nowhere"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "parts"), REFUSED)
def test_invalid_input_gets_one_message(tmp_path, monkeypatch, arguments, parts):
    monkeypatch.chdir(tmp_path)
    said = command("compare", *arguments)
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1, said
    for part in parts:
        assert part in said.err, said.err
    assert "Traceback" not in said.err and not list(tmp_path.iterdir())


def test_folder_with_other_files_is_refused_untouched(place, result, options):
    given = {"vary": VARIED, "seeds": 2, "images": 96, **options}
    (place / "thesis").mkdir()
    (place / "thesis" / "words.txt").write_text("words")
    with pytest.raises(InputError, match="thesis.*-o"):
        ganbaru.compare(["digits"], folder=place / "thesis", **given)
    before = (result.folder / "tournament.json").read_bytes()
    for change, difference in (
        ({"images": 97}, "hinge: --images 96, not 97"),
        ({"vary": {"objective": ["hinge", "wgan"]}}, "of hinge, rsgan"),
        ({"width": 8}, "--width 4, not 8"),
        ({"seeds": 1}, "2 seeds, not fewer"),
    ):
        with pytest.raises(InputError, match=f"another tournament .*{difference}.*-o"):
            ganbaru.compare(["digits"], folder=result.folder, **given | change)
    pictures(place / "pictures2.npz", count=241)
    (place / "pictures.npz").rename(place / "aside.npz")
    (place / "pictures2.npz").rename(place / "pictures.npz")
    try:
        with pytest.raises(InputError, match="on other images"):
            ganbaru.compare(["digits"], folder=result.folder, **given)
    finally:
        (place / "aside.npz").replace(place / "pictures.npz")
    assert (result.folder / "tournament.json").read_bytes() == before
    lines: list[str] = []
    again = ganbaru.compare(["digits"], folder=result.folder, tell=lines.append, **given)
    assert again.standings == result.standings and lines == ["4 of 4 runs are finished already."]


def test_later_runs_have_the_scorer_of_earlier_ones(tmp_path, monkeypatch):
    """As a tournament that goes on after its scorer's default has changed needs."""
    about = metrics.Passport("random 1.1", "h", None, "d", "f", "r", 60, 60, "f", "r", 0, "i", "c")
    passport, scores = dataclasses.asdict(about), {"frechet": 1.0}
    for name, ended in {
        "one": Outcome(failed="diverged"),
        "two": Outcome(passport=passport, scores=scores, floors=scores),
    }.items():
        (tmp_path / name / "seed0").mkdir(parents=True)
        (tmp_path / name / "seed0" / training.FILE).write_text(
            json.dumps(dataclasses.asdict(ended))
        )
    begun = []
    monkeypatch.setattr(setup, "build", lambda config, each, progress: begun.extend(each) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        training.train_and_score(Config(run=str(tmp_path / "two" / "seed1")), lambda: False)
    (found,) = [each.evaluation for each in begun if isinstance(each, training.FinalScore)]
    assert found.like == about
