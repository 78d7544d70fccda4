"""Push to the Hugging Face hub: a generator with its card, or its page as a static Space."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ganbaru import __version__, files
from ganbaru.errors import InputError, RunError, keywords, missing_extra, pick
from ganbaru.export import model_card, page, pretrained
from ganbaru.export.precision import PRECISIONS
from ganbaru.report import credits
from ganbaru.report.credits import Credits
from ganbaru.sampling.players import Player, load_player
from ganbaru.training import hub, run_folder, shared_model
from ganbaru.training.shared_model import CONFIG, WEIGHTS

_SPACE = """---
title: {title}
emoji: 🎨
colorFrom: blue
colorTo: gray
sdk: static
{licence}
---

A page that runs a generator of images in the browser, made with Ganbaru {version}. It loads nothing
from elsewhere, and contains the generator: `index.html` also opens from a disk.
"""


class Pushed(NamedTuple):
    """Where a push went, or would go, and the bytes of each file."""

    address: str
    files: dict[str, int]
    notes: list[str]


@keywords(checkpoint="which")
def push_to_hub(
    run: str | Path,
    name: str,
    *,
    space: bool = False,
    private: bool = False,
    dry_run: bool = False,
    which: str = "auto",
    precision: str | None = None,
    trust: Collection[str] = (),
    overwrite: bool = False,
    title: str | None = None,
    author: str | None = None,
    licence: str | None = None,
) -> Pushed:
    """Push a run's generator as the model ``user/name``, or with `space` its page as a Space.

    A model is the folder of `ganbaru.save_pretrained`, and `run` may be such a folder, which is
    pushed as it is. A `private` repository is seen by its owner alone. `dry_run` makes the files
    and sends nothing. `overwrite` pushes also to a repository that exists: a commit, so earlier
    files stay in its history. `which`, `precision`, `trust` and the credits are as in
    `ganbaru.api.export`. The token is that of ``hf auth login`` or $HF_TOKEN. Raises InputError for
    a wrong name, a missing token or library, and a repository that exists; RunError for a network
    or hub that fails.
    """
    if not hub.is_name(name):
        raise InputError(f"{name!r} is no name on the hub: give user/name, such as me/my-gan.")
    client = None if dry_run else _Client(name, "space" if space else "model")
    texts, shared, notes = (title, author, licence), (Path(run) / CONFIG).is_file(), list[str]()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if shared and not space:
            _copy(Path(run), folder, any(each is not None for each in (precision, *texts)))
        else:
            player = load_player(Path(run) / WEIGHTS if shared else run, which, trust=trust)
            found, notes = credits.given_for(player.path, *texts, keep=not dry_run)
            precision = precision or ("float16" if space else "float32")
            pick("precision", precision, PRECISIONS)
            write = _write_space if space else pretrained.write
            write(folder, player, precision, found, name)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        if client:
            return Pushed(client.push(folder, private, overwrite), sizes, notes)
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return Pushed(f"{endpoint}/{'spaces/' * space}{name}", sizes, notes)


def _copy(shared: Path, folder: Path, changed: bool) -> None:
    """Copy the files of a folder to share, whose weights have its hash, and none of its others."""
    if changed:
        raise InputError(
            f"{shared} is a folder to share, which is pushed as it is: leave --precision, --title, "
            f"--author and --licence out, or give the run."
        )
    shared_model.find(shared.absolute())
    for name in (WEIGHTS, CONFIG, pretrained.CARD, pretrained.PICTURE):
        if (shared / name).is_file():
            shutil.copyfile(shared / name, folder / name)


def _write_space(
    folder: Path, player: Player, precision: str, found: Credits, name: str
) -> list[str]:
    """Write the page and the front matter that make a static Space."""
    if not found.title:
        found = dataclasses.replace(found, title=run_folder.name_of(player.path))
    said = page.write(folder / "index.html", player, precision, found)
    title, licence = json.dumps(found.title), model_card.licence_lines(found.licence)
    text = _SPACE.format(title=title, licence=licence, version=__version__)
    files.write_text(folder / pretrained.CARD, text)
    return said


class _Client:
    """The hub's own library for one repository, with its errors as ours."""

    def __init__(self, name: str, kind: str) -> None:
        try:
            library = importlib.import_module("huggingface_hub")
        except ImportError as error:
            raise missing_extra("Pushing to the hub needs huggingface_hub", "hub") from error
        self.name, self.kind, self.token, self.made = name, kind, "", False
        with self._reported():
            self.token = library.get_token() or ""
        if not self.token:
            raise InputError(
                "There is no token for the hub: make one with the right to write on "
                "https://huggingface.co/settings/tokens, and store it by `hf auth login` or give "
                "it as $HF_TOKEN."
            )
        self.hub: Any = library.HfApi(token=self.token)

    def push(self, folder: Path, private: bool, overwrite: bool) -> str:
        """Make the repository, upload the folder's files, and return the address."""
        how: dict[str, Any] = {"repo_id": self.name, "repo_type": self.kind}
        sdk = {"space_sdk": "static"} if self.kind == "space" else {}
        with self._reported():
            asked = {"private": True} if private else {}
            address = self.hub.create_repo(**how, **asked, **sdk, exist_ok=overwrite)
            self.made = True
            if private and not self.hub.repo_info(**how).private:
                raise InputError(
                    f"{self.name} exists and is public, and --private is for new ones: make it "
                    f"private in its settings on the hub, or give another name."
                )
            message = f"Generator by Ganbaru {__version__}"
            self.hub.upload_folder(**how, folder_path=folder, commit_message=message)
        return str(address)

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn an error of the library into one message, which never has the token."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # of the library, the network or the disk
            root = error.__cause__ or error  # "Error while uploading" has the reason below it
            words = (str(root).strip().splitlines() or [""])[0][:200].rstrip(".")
            words = f"{type(root).__name__}: {words}"
            if self.token:
                words = words.replace(self.token, "...")
            status = getattr(getattr(root, "response", None), "status_code", None)
            raise self._error(status, words, isinstance(root, ValueError)) from None

    def _error(self, status: int | None, words: str, invalid: bool) -> Exception:
        if status == 409 and not self.made:
            return InputError(
                f"The {self.kind} {self.name} is on the hub already: push a new version of its "
                f"files with --overwrite (the earlier ones stay in its history), or give another "
                f"name."
            )
        if status in (401, 403):
            return InputError(
                f"The hub refuses the token for {self.name} ({words}). The token needs the right "
                f"to write there: see https://huggingface.co/settings/tokens, and `hf auth login` "
                f"or $HF_TOKEN."
            )
        if invalid and (status is None or status == 400):
            return InputError(f"The hub does not take {self.name} ({words}): give another name.")
        again = "again with --overwrite, since the repository is there now" * self.made or "again"
        return RunError(
            f"Cannot push to {self.name} on the hub ({words}). Check the connection and "
            f"$HF_ENDPOINT, and push {again}."
        )
