"""Experiment trackers: what each library gets, and that none stops a run."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest
from train_helpers import command, newest, run_with, tiny, trained

from ganbaru.callbacks import Checkpoints, Log, Samples, trackers
from ganbaru.callbacks.tensorboard import TAGS, settings

CHEAP = {"held_out": 0, "steps": 4, "log_every": 8, "sample_every": 16}


class Recorder(trackers.Tracker):
    """A tracker that keeps what it gets, or fails at one of its methods."""

    library = "json"  # any that is installed

    def __init__(self, fails=""):
        self.fails, self.got = fails, []

    def _take(self, name, *what):
        if self.fails == name:
            raise OSError("no route to host")
        self.got.append((name, *what))
        return "an-id"

    def open(self, name, settings):
        return self._take("open", self.id, name, settings)

    def log(self, images, values):
        self._take("log", images, values)

    def picture(self, images, path):
        self._take("picture", images, path)

    def close(self, finished):
        self._take("close", finished)


def lines_of(run) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def with_recorder(folder, recorder, **options):
    return run_with(tiny(folder, **CHEAP | options), Log(), Checkpoints(), Samples(), recorder)


def test_a_tracker_gets_settings_lines_and_grids_and_goes_on(tmp_path):
    recorder, again = Recorder(), Recorder()
    made = with_recorder(tmp_path, recorder)
    run = made.folder.path
    opened, *rest, closed = recorder.got
    assert opened[:3] == ("open", "", "run") and closed == ("close", True)
    assert opened[3] == settings(made.config)
    logged = {each[1]: each[2] for each in rest if each[0] == "log"}
    wanted = {int(line["images"]): {TAGS[n]: x for n, x in line.items() if n in TAGS}
              for line in lines_of(run)}  # fmt: skip
    assert logged == wanted and len(logged) > 1
    grids = [each[2] for each in rest if each[0] == "picture"]
    assert grids == sorted((run / "samples").iterdir()) and len(grids) == 3
    with_recorder(tmp_path, again, steps=6, resume=True, run=run)
    assert again.got[0][:2] == ("open", "an-id")
    assert newest(run)[1].callbacks["Recorder"] == {"id": "an-id"}


@pytest.mark.parametrize("method", ["open", "log", "picture", "close"])
def test_a_tracker_that_fails_is_left_out_with_one_note(tmp_path, method):
    recorder = Recorder(method)
    run = with_recorder(tmp_path, recorder)
    notes = [note for note in run.notes if "no route to host" in note]
    assert run.finished and len(notes) == 1
    assert method not in [each[0] for each in recorder.got]


def test_settings_hold_no_path_of_this_machine(tmp_path):
    config = tiny(tmp_path, data_dir=tmp_path, run=tmp_path / "x")
    sent = settings(config)
    assert str(tmp_path) not in json.dumps(sent) and sent["data"] == "pictures.npz"
    assert sent["betas"] == str(config.betas) and sent["batch"] == config.batch


@pytest.mark.parametrize("name", trackers.TRACKERS)
def test_a_library_that_is_absent_is_named_with_its_extra(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    said = command("train", "digits", "--steps", "1", "--width", "2", "--callbacks", name)
    assert said.code == 2 and f"'ganbaru[{name}]'" in said.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("ignore")  # of the libraries' own
@pytest.mark.parametrize("name", trackers.TRACKERS)
def test_the_library_itself_takes_everything(name, tmp_path, monkeypatch):
    """Offline: what it wrote is read back by the library, where it can."""
    library = pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    for key, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "HF_HUB_OFFLINE": "1",
                       "TRACKIO_DIR": str(tmp_path / "trackio"), "WANDB_DIR": str(tmp_path),
                       "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/ml.db"}.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    run = trained(tmp_path, callbacks=name, **CHEAP)
    about = newest(run)[1].callbacks
    (state,) = [about[kind.__name__] for kind in [trackers.TRACKERS[name]]]
    assert state["id"]
    _read_back(library, name, state["id"], lines_of(run))


def _read_back(library: ModuleType, name: str, identifier: str, lines: list[dict]) -> None:
    last = lines[-1]
    if name == "mlflow":
        found = library.MlflowClient().get_run(identifier)
        assert found.info.status == "FINISHED" and found.data.params["preset"] == "digits"
        assert found.data.metrics["loss/d"] == pytest.approx(last["d_loss"])
        assert len(library.MlflowClient().list_artifacts(identifier, "samples")) >= 2
    elif name == "trackio":
        runs = library.Api().runs("ganbaru")
        assert identifier in [run.name for run in runs]
    else:
        from pathlib import Path

        (record,) = Path().glob("wandb/offline-run-*/*.wandb")
        assert identifier in record.name and b"loss/d" in record.read_bytes()
