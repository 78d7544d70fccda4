"""`ganbaru hub push` against a hub on this machine: what arrives, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml
from hub_helpers import TOKEN, Hub, hub
from numpy.testing import assert_array_equal
from train_helpers import command

import ganbaru
from ganbaru.export.model_card import licence_lines
from ganbaru.training import hub as downloads

constants = pytest.importorskip("huggingface_hub.constants")
# Of the library itself, about its own HTTP client.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """An empty hub, and a user who is logged in to it."""
    with hub() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.address)
        for name, value in environment(found, tmp_path).items():
            monkeypatch.setenv(name, value)
        # Imported before, the library does not read this variable; the command calls its function.
        monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS")
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        yield found


def environment(server: Hub, home) -> dict[str, str]:
    own = {"HF_ENDPOINT": server.address, "HF_TOKEN": TOKEN, "HF_HOME": str(home / "hf")}
    return {**own, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def push(run, *words):
    said = command("hub", "push", run, "me/my-gan", *words)
    assert TOKEN not in said.out + said.err
    return said


def top(readme: bytes) -> dict[str, object]:
    return yaml.safe_load(readme.decode().split("---\n")[1])


def test_a_model_that_a_command_pushes_is_loaded_by_its_name(trained_run, server, tmp_path):
    """In a process of its own, where the library reads the environment."""
    script = (
        "import sys, ganbaru; from ganbaru.cli.main import main\n"
        "code = main(['hub', 'push', sys.argv[1], 'me/my-gan'])\n"
        "print(code, ganbaru.from_pretrained('me/my-gan').sample(2).tolist())"
    )
    run = trained_run()
    done = subprocess.run(
        [sys.executable, "-c", script, str(run)],
        env={**os.environ, **environment(server, tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    code, _, images = done.stdout.splitlines()[-1].partition(" ")
    assert (code, done.stderr) == ("0", "") and f"pushed: {server.address}/me/my-gan" in done.stdout
    assert_array_equal(ganbaru.load(run).sample(2), eval(images))
    files = server.files["models/me/my-gan"]
    assert files.keys() == {"README.md", "config.json", "model.safetensors", "samples.png"}
    assert b'from_pretrained("me/my-gan")' in files["README.md"]
    assert top(files["README.md"])["library_name"] == "ganbaru"
    everything = b"".join(files.values())
    assert str(run.parent).encode() not in everything and TOKEN.encode() not in everything
    assert TOKEN not in done.stdout


def test_a_space_is_a_page_with_its_front_matter(trained_run, server):
    run = trained_run()
    words = ("--space", "--private", "--title", 'My: "cats"', "--licence", "CC BY 4.0")
    try:
        assert push(run, *words).code == 0
    finally:
        (run / "credits.json").unlink()
    ((name, files),) = server.files.items()
    assert name == "spaces/me/my-gan" and files.keys() == {"README.md", "index.html"}
    assert server.created[0]["sdk"] == "static" and server.private[name]
    said = top(files["README.md"])
    expected = {"sdk": "static", "title": 'My: "cats"', "license": "cc-by-4.0"}
    assert expected.items() <= said.items() and len(str(said["emoji"])) == 1
    page = files["index.html"].decode()
    assert "<h1>My: &quot;cats&quot;</h1>" in page and "CC BY 4.0" in page
    assert str(run.parent) not in page


def test_a_dry_run_says_what_would_be_pushed_and_sends_nothing(trained_run, server, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    said = push(trained_run(), "--dry-run", "--author", "N. N.")
    assert said.code == 0 and f"{server.address}/me/my-gan" in said.out
    assert "model.safetensors" in said.out and server.requests == []
    assert not (trained_run() / "credits.json").exists()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert push(trained_run(), "--dry-run", "--space").code == 0


def test_a_folder_to_share_is_pushed_as_it_is(trained_run, server, tmp_path):
    folder = ganbaru.save_pretrained(trained_run(), tmp_path / "mine")
    (folder / "README.md").write_text("---\nlicense: mit\n---\nmine")
    (folder / "notes.txt").write_text("private")
    pushed = ganbaru.push_to_hub(folder, "me/my-gan")
    files = server.files["models/me/my-gan"]
    assert files == {name: (folder / name).read_bytes() for name in pushed.files}
    assert "notes.txt" not in files and len(files) == 4
    assert push(folder, "--licence", "MIT").code == 2
    (folder / "model.safetensors").write_bytes(b"cut")
    assert push(folder, "--overwrite").code == 2 and server.files["models/me/my-gan"] == files


def test_a_repository_that_exists_needs_overwrite(trained_run, server):
    run = trained_run()
    server.files["models/me/my-gan"] = {"README.md": b"before"}
    said = push(run)
    assert said.code == 2 and "--overwrite" in said.err and len(said.err.splitlines()) == 1
    assert server.files["models/me/my-gan"] == {"README.md": b"before"}
    assert push(run, "--overwrite").code == 0
    assert len(server.files["models/me/my-gan"]) == 4


def test_a_private_push_never_goes_to_a_public_repository(trained_run, server):
    server.files["models/me/my-gan"], server.private["models/me/my-gan"] = {}, False
    said = push(trained_run(), "--overwrite", "--private")
    assert said.code == 2 and "public" in said.err and not server.files["models/me/my-gan"]


FAILURES = {  # how the hub or its user fails, the exit code, and what the message names
    "no token": ({"HF_TOKEN": ""}, {}, 2, "HF_TOKEN"),
    "wrong token": ({"HF_TOKEN": "hf_other"}, {}, 2, "write"),
    "no right": ({}, {"/create": 403}, 2, "write"),
    "fault of the hub": ({}, {"/create": 500}, 1, "me/my-gan"),
    "fault of an upload": ({}, {"/commit/": 400}, 1, "--overwrite"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_push_that_fails_says_so_once(trained_run, server, monkeypatch, name):
    own, fails, code, part = FAILURES[name]
    for key, value in own.items():
        monkeypatch.setenv(key, value)
    server.fails = fails
    said = push(trained_run())
    assert (said.code, said.out) == (code, "") and part in said.err
    assert len(said.err.splitlines()) == 1 and "hf_other" not in said.err


def test_no_network_is_one_message(trained_run, server, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    said = push(trained_run())
    assert said.code == 1 and len(said.err.splitlines()) == 1 and "HF_ENDPOINT" in said.err


@pytest.mark.parametrize("name", ["my-gan", "a/b/c", "me/..", "../x", "me/a--b", ""])
def test_wrong_names_are_refused(trained_run, server, name):
    said = command("hub", "push", trained_run(), name)
    assert said.code == 2 and name in said.err and not server.files
    assert not (name.count("/") == 1 and downloads.is_name(name)) or server.requests == []


def test_the_library_is_named_where_it_is_missing(trained_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    said = command("hub", "push", trained_run(), "me/my-gan")
    assert said.code == 2 and "ganbaru[hub]" in said.err
    assert command("hub", "pull", trained_run(), "me/my-gan").code == 2


@pytest.mark.parametrize(("stated", "expected"), [
    ("", {"license": "other"}), ("CC BY 4.0", {"license": "cc-by-4.0"}),
    ("MIT", {"license": "mit"}),
    ("CC BY-NC-SA 4.0", {"license": "cc-by-nc-sa-4.0"}),
    ('My "own": terms', {"license": "other", "license_name": 'My "own": terms'}),
])  # fmt: skip
def test_licences_are_named_as_the_hub_names_them(stated, expected):
    assert yaml.safe_load(licence_lines(stated)) == expected
