"""Run status: reading a folder that grows, is damaged or is rewritten; the view of the pages."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serve_helpers import serving
from train_helpers import ROOT, background, command, pictures, tiny, trained, until

from ganbaru.config import to_yaml
from ganbaru.formatting import clock
from ganbaru.report.translations import TRANSLATIONS, preferred
from ganbaru.serve import run_status, view_model
from ganbaru.training.run_folder import Folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("live"))


@pytest.fixture
def growing(finished, tmp_path, monkeypatch):
    """Return a run's folder with an empty log, and the lines that it will have."""
    monkeypatch.setattr(run_status, "PAUSE", 0.0)
    shutil.copytree(finished, tmp_path / "run")
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "run" / "log.jsonl").write_text("")
    return Folder(tmp_path / "run"), lines


def append(folder: Folder, text: str) -> None:
    with folder.log.open("a") as file:
        file.write(text)


# --- the folder ---------------------------------------------------------------------------------


def test_a_growing_log_is_read_line_by_line(growing):
    folder, lines = growing
    watcher = run_status.RunWatcher(folder)
    first = watcher.status()
    assert (first.lines, first.progress, first.seconds_left) == ((), 0.0, None)
    versions = {first.version}
    for i, line in enumerate(lines, 1):
        append(folder, line[:20])
        assert len(watcher.status().lines) == i - 1  # half a line does not count
        append(folder, line[20:])
        assert [x["images"] for x in watcher.status().lines] == [24.0 * (k + 1) for k in range(i)]
        versions.add(watcher.status().version)
    assert len(versions) == len(lines) + 1 == 5
    status = watcher.status()
    assert (status.state, status.progress, status.grids) == ("finished", 1.0, (0, 40, 80, 96))
    assert watcher.grid(40) == folder.sample(40) and watcher.grid(41) is None


def test_damaged_lines_are_skipped_and_a_rewritten_log_is_read_from_the_start(growing):
    folder, lines = growing
    watcher = run_status.RunWatcher(folder)
    append(folder, lines[0] + "{damaged\n" + '{"images": 3}\n[1]\n\n\xff\n' + lines[1] + '{"ima')
    assert [x["images"] for x in watcher.status().lines] == [24, 48]
    folder.log.write_text(lines[0])  # shorter, as when a run resumes
    assert [x["images"] for x in watcher.status().lines] == [24]
    replaced = folder.path / "new.jsonl"
    replaced.write_text("".join(lines))
    os.replace(replaced, folder.log)
    assert [x["images"] for x in watcher.status().lines] == [24, 48, 72, 96]
    folder.log.unlink()
    assert watcher.status().lines == ()


@given(st.binary(max_size=60), st.integers(0, 60))
def test_arbitrary_bytes_in_a_log_are_skipped(tmp_path_factory, noise, cut):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    good = json.dumps({"images": 8, "step": 1, "seconds": 0.5}).encode()
    log = run_status.Log(path)
    whole = good + b"\n" + noise + b"\n" + good + b"\n"
    path.write_bytes(whole[:cut])
    log.read()
    path.write_bytes(whole)
    log.read()
    usual = {"images": 8.0, "step": 1.0, "seconds": 0.5}
    assert log.lines[0] == log.lines[-1] == usual and len(log.lines) >= 2


def test_progress_and_time_left_follow_from_the_configured_end(growing):
    folder, _ = growing
    lines = [{"images": 100 * i, "step": 10 * i, "seconds": 2.0 * i} for i in range(1, 6)]
    append(folder, "".join(json.dumps(line) + "\n" for line in lines))
    folder.history.unlink(missing_ok=True)
    for totals, share, left in (
        ({"steps": 100}, 0.5, 10.0),
        ({"steps": None, "images": 1000}, 0.5, 10.0),
        ({"steps": None, "minutes": 0.5}, 10 / 30, 20.0),
        ({"steps": 400, "images": 625}, 0.8, 2.5),
    ):
        config = dataclasses.replace(tiny(folder.path.parent), **totals)
        folder.config.write_text(to_yaml(config))
        status = run_status.RunWatcher(folder).status()
        assert (status.progress, status.seconds_left) == (pytest.approx(share), pytest.approx(left))
        assert status.state == "training"
    folder.config.write_text("network: [")
    assert (
        run_status.RunWatcher(folder).status().progress,
        run_status.RunWatcher(folder).status().seconds_left,
    ) == (
        0.0,
        None,
    )


def test_states(growing):
    folder, lines = growing
    watcher = run_status.RunWatcher(folder)
    now = time.time()
    for path in (folder.config, folder.log, folder.samples):
        os.utime(path, (now, now))
    assert watcher.status().state == "starting"
    append(folder, lines[0])
    assert watcher.status().state == "training"
    for path in (folder.config, folder.log, folder.samples):
        os.utime(path, (now - 1000, now - 1000))
    assert watcher.status().state == "silent"
    folder.history.write_bytes(b"the last thing that a run writes")
    assert watcher.status().state == "stopped"
    append(folder, "".join(lines[1:]))
    assert watcher.status().state == "finished"


def test_a_deleted_folder_gives_an_empty_status(growing):
    folder, lines = growing
    append(folder, lines[0])
    watcher = run_status.RunWatcher(folder)
    assert watcher.status().lines
    shutil.rmtree(folder.path)
    assert (watcher.status().lines, watcher.status().grids) == ((), ())


# --- the view -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_the_view_of_a_run(finished, language):
    text = TRANSLATIONS[language]
    status = run_status.RunWatcher(Folder(finished)).status()
    found = view_model.full(status, text)
    names = dict(found["facts"])
    assert (
        names[text["images"]] == text["number"].format("96")
        and found["state_text"] == text["finished"]
    )
    assert names[text["d_loss"]] == f"{status.lines[-1]['d_loss']:.3f}"
    assert found["charts"].count("<svg") == 2 and text["losses"] in found["charts"]
    assert found["grids"] == (0, 40, 80, 96) and "style=" not in found["charts"]
    line = {"frechet": 3.25, "precision": 0.5, "recall": 0.25}
    scored = dataclasses.replace(
        status, lines=tuple({**one, **line} for one in status.lines), baselines={"frechet": 0.5}
    )
    again = view_model.full(scored, text)
    assert again["charts"].count("<svg") == 4 and text["real_images"] in again["charts"]
    assert dict(again["facts"])[text["frechet"]] == "3.25"


def test_both_languages_have_the_same_texts():
    english, japanese = TRANSLATIONS["en"], TRANSLATIONS["ja"]
    assert english.keys() == japanese.keys()
    assert all(text.strip() for texts in TRANSLATIONS.values() for text in texts.values())
    script = (ROOT / "src/ganbaru/serve/static/live.js").read_text(encoding="utf-8")
    assert "http" not in script and "import" not in script


@pytest.mark.parametrize(
    "header,language",
    [
        ("", "en"),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("en-GB,en;q=0.9,ja;q=0.1", "en"),
        ("de,fr;q=0.5", "en"),
        ("en;q=0.2,ja;q=0.9", "ja"),
        ("ja;q=x,*", "en"),
    ],
)
def test_the_browsers_language(header, language):
    assert preferred(header)["language"] == language


def test_durations():
    assert [clock(x) for x in (0, 59.6, 61, 3661, -3)] == [
        "0:00",
        "1:00",
        "1:01",
        "1:01:01",
        "0:00",
    ]


# --- over HTTP ----------------------------------------------------------------------------------


def events(lines: Iterator[str]) -> Iterator[dict]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line[6:])


def test_a_run_without_a_checkpoint_is_followed_until_it_has_one(finished, tmp_path):
    """The first event has every run, later ones those that changed; a reconnection starts over."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    moved = tmp_path / "moved.safetensors"
    (path,) = sorted((run / "checkpoints").glob("*"))[-1:]
    path.rename(moved)
    lines = (run / "log.jsonl").read_text().splitlines(keepends=True)
    (run / "log.jsonl").write_text(lines[0])
    for grid in sorted((run / "samples").glob("*.png"))[1:]:
        grid.unlink()
    with serving(run, cwd=tmp_path) as service, service.client() as client:
        assert "run: no checkpoint yet" in service.output
        answer = client.post("/api/models/run/images", json={})
        assert answer.status_code == 503 and "no checkpoint yet" in answer.json()["detail"]
        assert client.get("/api/models/run").json()["state"] == "waiting"
        with client.stream("GET", "/runs/run/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            received = events(stream.iter_lines())
            first = next(received)["run"]
            assert (first["grids"], first["ready"], first["charts"]) == ([0], False, "")
            with (run / "log.jsonl").open("a") as file:
                file.write("".join(lines[1:3]) + lines[3][:10])
            second = next(received)["run"]
            assert dict(second["facts"])["images seen"] == "72"
            assert second["charts"].count("<svg") == 2
            moved.rename(path)
            assert next(received)["run"]["ready"] is True
        with client.stream("GET", "/events", headers={"Accept-Language": "ja"}) as stream:
            again = next(events(stream.iter_lines()))["run"]
        assert again["ready"] and again["summary"].startswith("のべ 72 枚を学習")
        assert "charts" not in again and again["state_text"] in TRANSLATIONS["ja"].values()
        assert client.post("/api/models/run/images", json={}).status_code == 200


def test_the_files_of_a_run_are_served_with_etags(finished, tmp_path):
    with serving(finished, cwd=tmp_path) as service, service.client() as client:
        grid = client.get("/runs/run/grids/40.png")
        assert grid.content == (finished / "samples" / "0000000040.png").read_bytes()
        mark = {"If-None-Match": grid.headers["etag"]}
        assert client.get("/runs/run/grids/40.png", headers=mark).status_code == 304
        assert client.get("/runs/run/grids/80.png", headers=mark).status_code == 200
        film = client.get("/runs/run/timelapse.gif")
        assert film.content == (finished / "timelapse.gif").read_bytes()
        assert client.get("/runs/run/report").status_code == 404
        sample = client.get("/models/run/sample.png")
        assert sample.content.startswith(b"\x89PNG") and sample.status_code == 200
        assert client.get("/models/run/sample.png").content == sample.content  # from the cache


def test_a_newer_checkpoint_is_loaded_and_a_damaged_one_skipped(finished, tmp_path):
    from ganbaru.serve import catalog

    shutil.copytree(finished, tmp_path / "run")
    folder = Folder(tmp_path / "run")
    (served,) = catalog.load([str(folder.path)]).values()
    before = served.model
    served.watch()
    assert served.model is before and before.images_trained == 96
    folder.checkpoint(104).write_bytes(b"damaged")
    served.watch()
    assert served.model is before and served.problem
    served.watch()  # once read it is left alone, and the problem stays
    assert served.model is before and served.problem
    shutil.copy(folder.checkpoint(96), folder.checkpoint(112))
    served.watch()
    assert served.model is not before and served.model.images_trained == 96 and not served.problem
    folder.checkpoint(112).unlink()
    folder.checkpoint(104).unlink()
    folder.checkpoint(96).unlink()
    served.watch()
    assert served.ready().images_trained == 96


@pytest.mark.extended
@pytest.mark.parametrize("reader", ["generate", "report", "serve"])
def test_readers_beside_a_run_that_writes_all_the_time(tmp_path, reader):
    """A checkpoint, a grid and a line after every step: a reader meets files that come and go."""
    pictures(tmp_path / "pictures.npz")
    run, often = tmp_path / "runs" / "busy", ("--width", 4, "--latent", 8, "--batch", 8)
    every = [part for what in ("log", "sample", "checkpoint") for part in (f"--{what}-every", 8)]
    data = ("--data", "pictures.npz", "--engine", "numpy", "--run", run, "--minutes", 5)
    with background("train", "digits", *data, *often, *every, cwd=tmp_path) as training:
        until(lambda: len(list(run.glob("checkpoints/*.safetensors"))) > 1, training)
        end, reads = time.monotonic() + 10, 0
        with contextlib.ExitStack() as stack:
            if reader == "serve":
                service = stack.enter_context(serving(run, cwd=tmp_path))
                client = stack.enter_context(service.client())
            while time.monotonic() < end or reads < 3:
                assert training.poll() is None
                if reader == "serve":
                    paths = ("/", "/runs/busy", "/models/busy/sample.png", "/api/models")
                    assert [client.get(path).status_code for path in paths] == [200] * 4
                    made = client.post("/api/models/busy/images", json={"count": 4})
                    assert made.status_code == 200
                    assert "problem" not in client.get("/api/models/busy").json()
                elif reader == "generate":
                    found = command("generate", run, "-n", 4, "-o", tmp_path / "images.png")
                    assert (found.code, found.err) == (0, "")
                else:
                    found = command("report", run)
                    assert (found.code, found.err) == (0, "")
                reads += 1
        assert training.poll() is None
