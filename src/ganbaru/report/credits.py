"""Credits: title, author and licence of what a run makes, kept in its folder for all that shows it.

The report, the exported page, the model card and the hub read them; naming one of them again, in
any of those commands, replaces it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ganbaru import files, records
from ganbaru.errors import InputError
from ganbaru.training.run_folder import Folder

LONGEST = 300  # characters of each; a card and a page show them in one line


@dataclass(frozen=True)
class Credits:
    """What its author says of a shared page or model; "" where nothing is said."""

    title: str = ""
    author: str = ""
    licence: str = ""


UNSAID = Credits()


def read(folder: Folder) -> Credits:
    """Return a run's credits, `UNSAID` if none were given; raises InputError for a damaged file."""
    if not folder.credits.exists():
        return UNSAID
    remedy = "Delete it, and give --title, --author and --licence again."
    return records.read(folder.credits, Credits, remedy)


def of_checkpoint(path: Path) -> Credits:
    """Return the credits of a checkpoint's run; a file outside of a run's folder has none."""
    return read(_owner(path))


def given(
    folder: Folder,
    title: str | None,
    author: str | None,
    licence: str | None,
    *,
    keep: bool = True,
) -> tuple[Credits, list[str]]:
    """Return a run's credits with those given in place of its own, and what to say of keeping them.

    With `keep` they are stored in the run's folder; where that cannot be written, a note says so.
    None leaves what is stored, "" removes it. Raises InputError for a text that is not one line of
    at most `LONGEST` characters.
    """
    texts = {"title": title, "author": author, "licence": licence}
    said = {name: text.strip() for name, text in texts.items() if text is not None}
    for name, text in said.items():
        if len(text) > LONGEST or not text.isprintable():
            raise InputError(
                f"--{name} has {len(text):,} characters, {text[:20]!r} at first: give one line of "
                f"at most {LONGEST}."
            )
    before = read(folder)
    found = dataclasses.replace(before, **said)
    if found == before or not keep or not folder.config.exists():
        return found, []
    try:
        files.write_json(folder.credits, dataclasses.asdict(found))
    except files.UnwritableError as error:
        return found, [f"note: title, author and licence are not kept for later pages. {error}"]
    return found, [f"title, author and licence are kept in {folder.credits}"]


def given_for(
    checkpoint: Path,
    title: str | None,
    author: str | None,
    licence: str | None,
    *,
    keep: bool = True,
) -> tuple[Credits, list[str]]:
    """Return `given` for the run of a checkpoint."""
    return given(_owner(checkpoint), title, author, licence, keep=keep)


def _owner(checkpoint: Path) -> Folder:
    folder = Folder(checkpoint.resolve().parent.parent)
    return folder if folder.config.exists() else Folder(checkpoint.parent / "no-run")
