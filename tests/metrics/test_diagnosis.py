"""The doctor: each disease by its numbers, none in a healthy log, and what it does with a run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_helpers import command, log, newest, run_with, tiny, trained

import ganbaru
from ganbaru import Config, InputError, callbacks, labs, nn, randomness
from ganbaru.errors import DivergedError
from ganbaru.gan import held_out
from ganbaru.metrics import checkerboard, diagnosis
from ganbaru.metrics.diagnosis import RULES, diagnose

# The medians of healthy digits at width 16 after 300 steps.
HEALTHY = {
    "images": 19_200.0, "step": 300.0, "seconds": 9.0, "d_loss": 0.97, "g_loss": 1.29,
    "real_score": 1.9, "fake_score": -0.9, "real_accuracy": 0.88, "fake_accuracy": 0.91,
    "diversity": 0.8, "brightness": 0.07, "value_range": 0.95, "d_gradient": 2.7,
    "d_update": 0.026, "g_gradient": 0.95, "g_update": 0.037, "label_gap": 0.46,
    "class_diversity": 0.57, "nearest": 0.8, "lowest": 0.06, "highest": -0.12, "checkerboard": 3.5,
    "train_d_loss": 1.18, "held_out_d_loss": 1.2,
}  # fmt: skip
LABELLED = Config(conditioning="projection")
SICK = {
    "divergence": {"not_finite": 3},
    "generator-frozen": {"g_update": 1e-7, "diversity": 0.2},
    "discriminator-weak": {"real_accuracy": 0.3, "fake_accuracy": 0.1},
    "value-range": {"brightness": 0.9, "step": 3000},
    "learning-rate": {"d_update": 0.9},
    "mode-collapse": {"diversity": 0.1},
    "discriminator-strong": {"real_accuracy": 1, "fake_accuracy": 1, "diversity": 0.1},
    "labels": {"label_gap": 0.0},
    "overfitting": {"train_d_loss": 0.2, "held_out_d_loss": 3.0},
    "class-collapse": {"class_diversity": 0.05},
    "checkerboard": {"checkerboard": 200.0, "step": 3000},
}


def _log(count=5, **changes):
    """Return the lines of a log that ends at `HEALTHY`, changed."""
    steps = range(300 - 30 * (count - 1), 301, 30)
    return [HEALTHY | {"step": step, "images": 64 * step} | changes for step in steps]


# Other numbers that show a disease; the log as it was before it had some of them shows others.
FURTHER = [
    ("value-range", {"lowest": 1.0, "real_accuracy": 1, "fake_accuracy": 1, "nearest": 0}),
    ("value-range", {"highest": -1.0}),
    ("value-range", {"lowest": -0.4}),
    ("mode-collapse", {"nearest": 1e-8}),
    ("mode-collapse", {"nearest": 1e-8, "real_accuracy": 1, "fake_accuracy": 1, "diversity": 0.1}),
    ("class-collapse", {"nearest": 1e-8, "class_diversity": 0.01}),
]


@pytest.mark.parametrize("code, changes", FURTHER)
def test_each_disease_is_found_by_other_numbers(code, changes):
    assert [each.code for each in diagnose(_log(**changes), LABELLED).findings] == [code]


RECORDED = json.loads(Path(__file__).with_name("recorded_signals.json").read_text())


@pytest.mark.parametrize("case", RECORDED)
def test_recorded_signals_of_real_runs_are_named(case):
    found = diagnose(RECORDED[case]["lines"], LABELLED)
    assert [each.code for each in found.findings] == RECORDED[case]["findings"]


def test_every_rule_has_a_case_and_a_page():
    page = (Path(__file__).parents[2] / diagnosis.PAGE).read_text()
    assert list(SICK) == [rule.code for rule in RULES]
    for code in SICK:
        assert f"\n### {code}\n" in page


@pytest.mark.parametrize("code", SICK)
def test_each_disease_is_found_alone(code):
    (found,) = diagnose(_log(**SICK[code]), LABELLED).findings
    assert (found.code, found.images) == (code, 19_200)
    assert 0 < found.certainty <= 1 and found.remedy and found.page.endswith(f"#{code}")
    assert json.loads(json.dumps(found.to_json()))["code"] == code
    flags = [word for each in found.remedy for word in each.split() if word.startswith("--")]
    assert all(hasattr(Config(), flag[2:].replace("-", "_")) for flag in flags)


def test_a_healthy_log_has_no_findings_and_an_effect_is_no_finding():
    assert diagnose(_log(), LABELLED) == diagnosis.Diagnosis()
    assert diagnose(_log(checkerboard=130.0, g_update=0.05), LABELLED) == diagnosis.Diagnosis()
    white = _log(lowest=1.9, moved=0, g_update=0.01)  # as drawings on white are for long
    assert diagnose(white, LABELLED) == diagnosis.Diagnosis()
    both = SICK["generator-frozen"] | SICK["mode-collapse"] | SICK["overfitting"]
    codes = [each.code for each in diagnose(_log(**both), LABELLED).findings]
    assert codes == ["generator-frozen", "overfitting"]


@pytest.mark.parametrize("gaps, error, found", [
    ([0.5] * 5, 0.05, True),
    ([0.5] * 5, 0.24, False),
    ([0.5, 0.5, 0.5, -0.2, 0.5], 0.05, False),
    ([0.03] * 5, 0.0, False),
    ([0.1] * 5, 0.0, True),
    ([0.22] * 5, None, False),  # a log of an older version: a tenth of the separation
    ([0.3] * 5, None, True),
])  # fmt: skip
def test_overfitting_is_a_gap_beyond_its_error_at_each_of_the_last_moments(gaps, error, found):
    """Of a separation of 2.8: a critic's gap scatters, one of memorized images does not."""
    lines = _log(**({} if error is None else {"held_out_error": error}))
    for line, gap in zip(lines, gaps, strict=True):
        line["held_out_d_loss"] = line["train_d_loss"] + gap
    assert [x.code for x in diagnose(lines, LABELLED).findings] == ["overfitting"] * found


@pytest.mark.parametrize("strength, found", [(0.0, True), (0.3, False), (0.5, True)])
def test_overfitting_is_no_finding_while_adaptive_augmentation_is_at_work(strength, found):
    config = Config(augment="flip+translation+adaptive:hold=32,target=0.6,most=0.5")
    log = _log(**SICK["overfitting"], augment_strength=strength)
    findings = diagnose(log, config).findings
    assert [each.code for each in findings] == ["overfitting"] * found
    assert not any("--augment" in word for each in findings for word in each.remedy)


@given(st.sets(st.sampled_from(sorted(HEALTHY.keys() - {"images", "step", "seconds"}))))
def test_numbers_that_a_log_lacks_are_no_finding_but_a_note(lacking):
    lines = [{n: x for n, x in line.items() if n not in lacking} for line in _log()]
    found = diagnose(lines, LABELLED)
    hidden = {rule.code for rule in RULES if lacking & {*rule.needs}}
    assert found.findings == [] and all(code in "".join(found.notes) for code in hidden)
    assert bool(found.notes) >= bool(hidden)


def test_labels_of_a_run_without_any_are_no_note_and_no_disease():
    lines = [{n: x for n, x in line.items() if n != "label_gap"} for line in _log()]
    assert diagnose(lines, Config(conditioning="none")) == diagnosis.Diagnosis()
    for code in ("labels", "class-collapse"):
        assert diagnose(_log(**SICK[code]), Config(conditioning="none")).findings == []


@given(
    st.sampled_from(sorted(SICK)),
    st.sets(st.sampled_from(sorted(HEALTHY.keys() - {"images", "step", "seconds"}))),
    st.integers(0, 5),
)
def test_a_sick_log_may_lack_any_numbers_in_any_lines(code, lacking, first):
    """Such as the first line of a run that diverges in it; what needs them is not found."""
    lines = [HEALTHY | SICK[code] | {"step": 50}, *_log(**SICK[code])]
    for line in lines[first:]:
        for name in lacking:
            del line[name]
    needing = {rule.code for rule in RULES if lacking & {*rule.needs}}
    for each in (lines, lines[::-1]):
        found = {finding.code for finding in diagnose(each, LABELLED).findings}
        assert first or not found & needing


def _sequence(steps, **numbers):
    """Return lines of the healthy numbers at some steps; a list has a value for each line."""
    listed = {name: x if isinstance(x, list) else [x] * len(steps) for name, x in numbers.items()}
    each = zip(*listed.values(), strict=True)
    return [
        HEALTHY | {"step": step, "images": 64 * step} | dict(zip(listed, values, strict=True))
        for step, values in zip(steps, each, strict=True)
    ]


@pytest.mark.parametrize("name, value", [("brightness", 0.9), ("checkerboard", 200.0)])
def test_rates_that_fall_to_zero_undo_no_way_that_was_gone(name, value):
    """A linear schedule over 3,000 steps: its last updates are next to nothing."""
    steps = [*range(100, 3001, 100)]
    updates = [0.037 * (1 - step / 3000) + 1e-5 for step in steps]
    lines = _sequence(steps, g_update=updates, d_update=updates, **{name: value})
    expected = {"brightness": "value-range"}.get(name, name)
    assert [each.code for each in diagnose(lines, LABELLED).findings] == [expected]
    wrong = _sequence(steps, g_update=updates, d_update=updates, label_gap=0.0)
    assert [each.code for each in diagnose(wrong, LABELLED).findings] == ["labels"]


def test_a_fast_discriminator_is_known_by_its_rate_where_a_line_hides_its_updates():
    """In the first steps its updates are 50 times as large; a line is the mean of 200."""
    lines = _log(**SICK["discriminator-strong"], g_update=5e-4, d_update=2e-3)
    assert diagnose(lines, LABELLED).findings == []
    (found,) = diagnose(lines, dataclasses.replace(LABELLED, lr_d=4e-3, lr_g=2e-5)).findings
    assert found.code == "discriminator-strong"


def test_grey_images_before_the_first_grid_are_no_collapse():
    lines = _log(diversity=0.29, step=1000)
    for line in lines:
        for name in ("value_range", "nearest", "class_diversity"):
            del line[name]
    assert diagnose(lines, LABELLED).findings == []
    for line in lines:
        line["diversity"] = 0.1
    assert [each.code for each in diagnose(lines, LABELLED).findings] == ["mode-collapse"]


@pytest.mark.parametrize("lines", [[], _log(1, step=50, diversity=0.0)], ids=["empty", "short"])
def test_a_young_run_is_not_judged(lines):
    found = diagnose(lines, LABELLED)
    assert found.findings == [] and len(found.notes) == 1


def test_one_bad_line_is_no_finding():
    lines = [*_log(), HEALTHY | {"step": 330, "diversity": 0.0}]
    assert diagnose(lines, LABELLED).findings == []


@pytest.mark.parametrize("best, noted", [(2, True), (9, False)])
def test_scores_that_stopped_improving_are_a_note(best, noted):
    lines = [line | {"mind": 1.0 - (i == best) * 0.5} for i, line in enumerate(_log(10))]
    lines = [line | {"step": 300 + i, "images": 1_000 * (i + 1)} for i, line in enumerate(lines)]
    found = diagnose(lines, LABELLED)
    assert found.findings == [] and bool(found.notes) == noted


def test_a_checkerboard_is_told_from_noise():
    rng = np.random.default_rng(0)
    noise, other = rng.integers(80, 160, (2, 256, 32, 32, 1))
    rows, columns = np.mgrid[:32, :32]
    board = ((rows + columns) % 2 * 16)[None, :, :, None]
    real, plain, marked = (
        checkerboard.spectrum(x.astype(np.uint8)) for x in (noise, other, noise + board)
    )
    assert checkerboard.excess(plain, real) == pytest.approx(1, abs=0.3)
    assert checkerboard.excess(marked, real) > 5


# --- runs -------------------------------------------------------------------------------------


@pytest.fixture
def sick_rules(monkeypatch):
    """Judge tiny runs from their first line on, by a disease that each of them has."""
    rule = dataclasses.replace(RULES[0], code="short", needs=("d_loss",), holds=lambda x: True,
                               text="Its loss is {d_loss:.2f}")  # fmt: skip
    monkeypatch.setattr(diagnosis, "RULES", (rule,))
    monkeypatch.setattr(diagnosis, "STEPS", 0)


def test_the_doctor_reads_a_run_and_prints_json(trained_run, sick_rules):
    run = trained_run(steps=12)
    found = ganbaru.doctor(run)
    assert [each.code for each in found.findings] == ["short"]
    said = command("doctor", run, "--json")
    assert (said.code, json.loads(said.out)) == (0, json.loads(json.dumps(found.to_json())))
    assert command("doctor", run).code == 0


def test_a_run_that_is_too_short_is_not_said_to_be_healthy(trained_run):
    run = trained_run(steps=12)
    assert not ganbaru.doctor(run).judged
    said = command("doctor", run).out.splitlines()
    assert len(said) == 1 and "100" in said[0]


def test_bad_input(trained_run, tmp_path):
    with pytest.raises(InputError):
        ganbaru.doctor(tmp_path)
    assert command("doctor", tmp_path).code == 2
    run = shutil.copytree(trained_run(steps=12), tmp_path / "damaged")
    (run / "log.jsonl").write_text('{"images": NaN}\n[]\n')
    found = ganbaru.doctor(run)
    assert found.findings == [] and "1, 2" in found.notes[0]
    with pytest.raises(InputError):
        Config(on_trouble="panic")


@pytest.mark.parametrize("action", ["report", "stop"])
def test_findings_are_announced_once_and_may_stop_the_run(tmp_path, sick_rules, action):
    said = []
    config = tiny(tmp_path, steps=12, on_trouble=action)
    chosen = [callbacks.Doctor(said.append), callbacks.Log(), callbacks.Checkpoints()]
    run = ganbaru.train(config, chosen)
    assert len(said) == 1 and "short" in said[0]
    assert newest(run)[1].step == (3 if action == "stop" else 12)


class _Breaks(callbacks.Callback):
    """Makes a weight NaN at a step, once or each time."""

    def __init__(self, at, times):
        self.at, self.left = at, times

    def step(self, run, metrics):
        if run.step == self.at and self.left:
            self.left -= 1
            run.state["discriminator"] = {
                name: x * np.nan for name, x in run.state["discriminator"].items()
            }


@pytest.mark.parametrize("times, action", [(1, "rollback"), (2, "rollback"), (3, "rollback"),
                                           (1, "report")])  # fmt: skip
def test_a_rollback_is_a_resume_at_half_the_rates(tmp_path, times, action):
    config = tiny(tmp_path, steps=12, on_trouble=action, checkpoint_every=24, log_every=8)
    chosen = [callbacks.Log(), callbacks.Checkpoints(), _Breaks(7, times)]
    if times > 2 or action == "report":
        with pytest.raises(DivergedError):
            ganbaru.train(config, chosen)
        found = ganbaru.doctor(tmp_path / "run").findings
        assert [each.code for each in found] == ["divergence"]
        return
    run = ganbaru.train(config, chosen)
    header = newest(run)[1]
    assert header.step == 12 and header.config["lr"] == config.lr / 2**times
    assert [change["images"] for change in header.history] == [48]  # from the checkpoint on
    assert [line["step"] for line in log(run)] == list(range(1, 13))
    assert "not_finite" not in log(run)[-1]


class _Drifts(callbacks.Callback):
    """Scales G's running variances by a factor, and compares each `drift` with its definition."""

    def __init__(self, factor):
        self.factor, self.found = factor, []

    def step(self, run, metrics):
        run.state["generator_buffers"] = {
            name: x * self.factor if name.endswith("running_var") else x
            for name, x in run.state["generator_buffers"].items()
        }

    def line(self, run, line):
        if "drift" not in line:
            return
        labels, images = run.source.labels, run.source.images.astype(float)
        chosen = held_out.spread(len(images), len(images))[: len(images) // 8 * 8]
        draw = randomness.distribution(run.config.distribution)
        latents = np.stack([draw(i, "sample", 0, run.config.latent) for i in range(len(chosen))])
        fakes = [
            np.concatenate([
                nn.apply(run.gan.generator, run.state["generator"], run.state["generator_buffers"],
                         latents[i : i + 8], labels[chosen[i : i + 8]], training=training)[0]
                for i in range(0, len(chosen), 8)
            ])
            for training in (True, False)
        ]  # fmt: skip
        spread = np.mean([images[labels == each].var(axis=0).mean() for each in range(3)])
        expected = np.sqrt(np.mean((fakes[0] - fakes[1]) ** 2) / spread) * 127.5
        assert line["drift"] == pytest.approx(expected, rel=2e-3)
        self.found.append(line["drift"])


def test_drift_is_the_difference_that_the_running_statistics_make(tmp_path):
    found = {}
    for factor in (1, 0.01):
        drifts = _Drifts(factor)
        run_with(tiny(tmp_path, run=tmp_path / str(factor)), callbacks.Log(), drifts)
        found[factor] = drifts.found[-1]
    assert found[0.01] > 2 * found[1]
    ganbaru.train(tiny(tmp_path, network="r3gan", spectral_norm="g"), [callbacks.Log()])
    assert not any("drift" in line for line in log(tmp_path / "run"))


def test_images_of_as_many_classes_are_compared_with_all(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 1), dtype=np.uint8)
    np.savez(tmp_path / "each.npz", images=images, labels=np.arange(20))
    run = ganbaru.train(tiny(tmp_path, data=tmp_path / "each.npz"), [callbacks.Log()])
    (line, *_) = [line for line in log(run) if "drift" in line]
    assert 0 < line["drift"] < 10 and 0 < line["class_diversity"] < 10


def test_the_report_shows_findings(tmp_path, sick_rules):
    run = trained(tmp_path, steps=12)
    assert command("report", run).code == 0
    assert "Its loss is" in (run / "report.html").read_text()


# --- labs -------------------------------------------------------------------------------------


def test_there_is_a_lab_for_each_disease_but_the_checkerboard_which_generators_unlearn():
    assert {each.code for each in labs.LABS.values()} == {*SICK} - {"checkerboard"}
    said = command("lab", "--json")
    assert (said.code, json.loads(said.out)["labs"]) == (0, [*labs.LABS])
    assert command("lab").code == 0 and command("lab", "no-such-lab").code == 2


def test_a_lab_provokes_a_disease_and_cures_it(tmp_path, monkeypatch):
    monkeypatch.setattr(diagnosis, "STEPS", 10)
    monkeypatch.setattr(callbacks, "standard", lambda: [callbacks.Log()])
    monkeypatch.setattr(labs, "SMALL", labs.SMALL | {"width": 4, "steps": 24, "log_every": 200})
    said = command("lab", "no-learning", "-o", tmp_path / "lab", "--json")
    found = json.loads(said.out)
    assert (said.code, found["passed"]) == (0, True)
    assert [each["code"] for each in found["sick"]] == [found["code"]] and not found["cured"]
    kept = tmp_path / "mine" / "sick" / "notes.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(InputError):
        labs.lab("collapse", tmp_path / "mine")
    assert kept.read_text() == "mine"


def _losses(folder, plant):
    """Return the last line of a log of three tiny steps."""
    tiny = {"width": 1, "batch": 8, "steps": 3, "engine": "numpy", "log_every": 8, "held_out": 0}
    config = ganbaru.from_preset("digits", **tiny, run=str(folder))
    labs.train(config, plant, [callbacks.Log([])], lambda *x: None)
    return log(folder)[-1]


def test_each_plant_changes_the_training(tmp_path):
    planted = {name: each.plant for name, each in labs.LABS.items() if not each.options}
    without = _losses(tmp_path / "healthy", labs.plants.nothing)
    assert len(planted) == 5
    for name, plant in planted.items():
        assert _losses(tmp_path / name, plant) != without
