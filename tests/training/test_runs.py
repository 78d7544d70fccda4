"""Run folders: how names find them, and what is never overwritten."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from train_helpers import tiny, trained

from ganbaru import InputError
from ganbaru.config import to_yaml
from ganbaru.training import run_folder
from ganbaru.training.run_folder import Folder


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "path"),
    [("a", "runs/a"), ("a/b", "a/b"), ("./a/b", "a/b"), ("/x/a", "/x/a"), (Path("a"), "runs/a"),
     ("a.1", "runs/a.1"), ("./a", "{here}/a"), ("a/", "{here}/a")],
)  # fmt: skip
def test_bare_names_are_below_runs(here, name, path):
    assert run_folder.resolve(name) == Path(path.format(here=here))


def test_a_folder_of_the_same_name_does_not_attract_a_run(here):
    (here / "digits").mkdir()
    (folder,) = run_folder.candidates(tiny(here, run="digits"))
    assert folder.path == Path("runs/digits")


def test_unnamed_runs_are_numbered(here):
    today = datetime.date.today().isoformat()
    for number in (1, 2, 3):
        folder = next(run_folder.candidates(tiny(here, run=None)))
        assert folder.path == Path(f"runs/digits-{today}-{number}")
        run_folder.create(folder, to_yaml(tiny(here)), overwrite=False).close()


def test_existing_run_by_name_path_and_from_inside(here):
    run = trained(here, run="a", steps=1)
    assert run == Path("runs/a")
    for name in ("a", "runs/a", "runs/a/", here / "runs" / "a"):
        assert run_folder.existing(name).path.resolve() == here / "runs" / "a"
    os.chdir("runs")
    assert run_folder.existing("a").path == Path("a")


def test_unknown_run_names_those_there_are(here):
    with pytest.raises(InputError, match="no run at runs.cats. There are no runs below runs/ yet"):
        run_folder.existing("cats")
    trained(here, run="cat", steps=1)
    trained(here, run="dogs", steps=1)
    said = r"no run at runs.cats. Did you mean 'cat'\? Runs here: cat, dogs\."
    with pytest.raises(InputError, match=said):
        run_folder.existing("cats")


def test_checkpoint_by_number(here):
    trained(here, run="a", checkpoint_every=40)
    stems = [path.stem for path in Folder(Path("runs/a")).checkpoints.iterdir()]
    assert sorted(stems) == ["0000000040", "0000000080", "0000000096"]
    assert run_folder.find_checkpoint("a").stem == "0000000096"
    assert run_folder.find_checkpoint("a", "80").stem == "0000000080"
    assert run_folder.find_checkpoint("any/where.safetensors") == Path("any/where.safetensors")
    for which in ("41", "oldest", "-1", ""):
        with pytest.raises(InputError, match=f"no checkpoint '{which}' .* images: 40, 80, 96"):
            run_folder.find_checkpoint("a", which)


def test_run_without_checkpoint(here):
    trained(here, run="a", steps=1)
    for path in Path("runs/a/checkpoints").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="has no checkpoint yet: start it again with --overwrite"):
        run_folder.find_checkpoint("a")


# --- what is never overwritten ----------------------------------------------------------------


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_existing_run_is_refused_untouched(here):
    trained(here, run="a", steps=2)
    before = listing(here / "runs")
    with pytest.raises(InputError, match="runs.a is not empty.*--resume.*--overwrite"):
        trained(here, run="a", steps=3)
    assert listing(here / "runs") == before


def test_folder_of_other_things_is_never_deleted(here):
    Path("precious").mkdir()
    Path("precious/thesis.txt").write_text("words")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is not empty|holds no run .* does not delete it"):
            trained(here, run=here / "precious", overwrite=overwrite)
    assert listing(here / "precious") == {"thesis.txt": b"words"}


def test_overwrite_replaces_the_run(here):
    trained(here, run="a", steps=5)
    Path("runs/a/note.txt").write_text("old")
    trained(here, run="a", steps=2, overwrite=True)
    assert not Path("runs/a/note.txt").exists()
    assert [p.stem for p in Path("runs/a/checkpoints").iterdir()] == ["0000000016"]


def test_wrong_input_found_late_still_overwrites_nothing(here):
    trained(here, run="a", steps=2)
    before = listing(here / "runs")
    for wrong in ({"objective": "nope"}, {"batch": 999}, {"network": "nope"}, {"data": "nope"}):
        with pytest.raises(InputError):
            trained(here, run="a", overwrite=True, **wrong)
    assert listing(here / "runs") == before


def test_empty_folder_may_be_used(here):
    Path("empty").mkdir()
    trained(here, run=here / "empty", steps=1)
    assert Path("empty/config.yaml").exists()
