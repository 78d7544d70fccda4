"""A resumed run with other settings says what changed and remembers it; other data are refused."""

from __future__ import annotations

import json
import re

import pytest
from data_helpers import picture_files, random_images, write_folder
from train_helpers import command, newest, tiny, trained

from ganbaru import InputError, callbacks, report, train
from ganbaru.training.run_folder import Folder


def resumed(folder, **options) -> list[str]:
    """Resume a tiny run with its report; returns its notes."""
    notes = []

    class Reads(callbacks.Callback):
        def start(self, run):
            notes.extend(run.notes)

    called = [callbacks.Log(), callbacks.Checkpoints(), callbacks.HtmlReport(), Reads()]
    train(tiny(folder, resume=True, **options), called)
    return [note for note in notes if "changed" in note]


def test_changes_are_noted_and_kept_over_several_resumes(tmp_path):
    run = trained(tmp_path, steps=2)
    notes = resumed(tmp_path, steps=4, lr=0.01, batch=16, betas=(0.1, 0.9))
    assert len(notes) == 1 and "at 16 images" in notes[0]
    for change in ("--lr 0.001 -> 0.01", "--batch 8 -> 16", "--betas 0.5 0.99 -> 0.1 0.9"):
        assert change in notes[0]
    expected = {"lr": ["0.001", "0.01"], "betas": ["0.5 0.99", "0.1 0.9"],
                "batch": ["8", "16"], "steps": ["2", "4"]}  # fmt: skip
    history = [{"images": 16, "settings": expected}]
    assert newest(run)[1].history == history

    notes = resumed(tmp_path, steps=5, lr=0.01, batch=16, betas=(0.1, 0.9), d_steps=2)
    history.append({"images": 48, "settings": {"steps": ["4", "5"], "d_steps": ["1", "2"]}})
    assert len(notes) == 1 and "--lr" not in notes[0]
    assert newest(run)[1].history == history
    assert json.loads((run / "about.json").read_text())["history"] == history
    page = (run / "report.html").read_text()
    for text in ("at 16 images", "--lr 0.001 -&gt; 0.01", "at 48 images", "--d-steps 1 -&gt; 2"):
        assert text in page
    assert "the result is the same to the bit" not in page


def test_a_longer_run_is_the_same_run(tmp_path):
    """Its command still reproduces it, and a run that goes on as it was has no history."""
    run = trained(tmp_path, steps=2)
    assert resumed(tmp_path, steps=3)
    report.write(Folder(run))
    assert "the result is the same to the bit" in (run / "report.html").read_text()
    (run / "checkpoints" / "0000000024.safetensors").unlink()
    trained(tmp_path, steps=2, run=tmp_path / "other", checkpoint_every=8)
    (tmp_path / "other" / "checkpoints" / "0000000016.safetensors").unlink()
    assert resumed(tmp_path, steps=2, run=tmp_path / "other", checkpoint_every=8) == []
    assert newest(tmp_path / "other")[1].history == []


def test_a_checkpoint_without_history_is_resumed(tmp_path, monkeypatch):
    from ganbaru.training import checkpoint

    asdict = checkpoint.dataclasses.asdict
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.dataclasses, "asdict", lambda stored: {
            name: value for name, value in asdict(stored).items() if name != "history"
        })  # fmt: skip
        run = trained(tmp_path, steps=2)
    assert resumed(tmp_path, steps=3) and len(newest(run)[1].history) == 1


@pytest.mark.parametrize("conditioning", ["none", "projection"])
@pytest.mark.parametrize(
    ("now", "named"),
    [
        (("a", "b", "zebra"), r"has 3 classes now, the run 2: 'zebra' is new"),
        (("a", "c"), r"'c' is new; 'b' is gone"),
        (("c", "d", "e"), r"'c', 'd', 'e' are new; 'a', 'b' are gone"),
    ],
)
def test_other_classes_are_named(tmp_path, conditioning, now, named):
    write_folder(tmp_path / "set", picture_files(random_images(12, 16, 16, 1), ("a", "b")))
    options = {"conditioning": conditioning, "steps": 1, "held_out": 0, "batch": 4}
    trained(tmp_path, data=tmp_path / "set", **options)
    write_folder(tmp_path / "other", picture_files(random_images(12, 16, 16, 1), now))
    with pytest.raises(InputError, match=named) as caught:
        trained(tmp_path, data=tmp_path / "other", resume=True, **options | {"steps": 2})
    assert "architecture" not in str(caught.value)


def test_widths_that_do_not_fit_are_refused_with_nothing_lost(tmp_path):
    run = trained(tmp_path, steps=1)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = command("train", "--run", run, "--resume", "--steps", 2, "--width", 8)
    assert said.code == 2 and re.search(r"\(4, .*\(8, ", said.err)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
