"""Sources of labels beside pictures: tables in files, and the files of WebDataset's samples."""

from __future__ import annotations

import functools
import json
import posixpath
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganbaru.data import claims
from ganbaru.data.arrays import MAX_CLASSES
from ganbaru.data.formats import attribute_table, label_table, names, splits
from ganbaru.data.formats.arrangement import Arrangement
from ganbaru.data.formats.label_table import Pictures, UnusableError
from ganbaru.data.formats.names import Parts
from ganbaru.data.source import Files, Want
from ganbaru.errors import InputError, did_you_mean

STYLE_GAN = "dataset.json"
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
FIELDS = (".cls", ".json", ".txt")  # of WebDataset's samples
MAX_FIELD = 2**20  # bytes of a sample's JSON
MOST_TABLES = 64  # that are read without being named

Reasons = dict[str, tuple[str, str]]  # kind and reason by file name


@dataclass(frozen=True)
class Origin:
    """One source of labels."""

    choice: str  # as --label-file has it
    shown: str  # as the report has it
    names: Mapping[Parts, str]  # of classes, by the paths of pictures
    files: tuple[str, ...] = ()
    missing: int = 0  # rows without a picture
    split: str = ""  # that a label file is for by its name
    attributes: tuple[str, ...] = ()  # names, where it has several values for a picture
    rows: Mapping[Parts, Sequence[object]] = field(default_factory=dict)  # of these


@dataclass(frozen=True)
class Place:
    """The files of a folder or archive, and what is chosen of them."""

    path: Path
    found: Arrangement
    files: Files
    paths: Mapping[str, Parts]
    want: Want
    samples: bool = False  # whether files of one name are a sample of WebDataset's

    @property
    def chosen(self) -> list[Parts]:
        """The paths of the pictures, in their order."""
        return [self.paths[name] for name in self.found.pictures]

    @functools.cached_property
    def pictures(self) -> Pictures:
        """Return all pictures, also those of other splits, which a table may name."""
        every = (p for p in self.paths.values() if names.left_out(p) is None)
        return Pictures(every, self.chosen)


def candidates(found: Arrangement) -> list[str]:
    """Return the names of files that may hold labels of many pictures, at most MOST_TABLES."""
    tables = [name for name, (kind, _) in found.others.items() if kind == "labels"]
    tables = [
        name
        for name in tables
        if name.lower().endswith(TABLES) or names.parts(name)[-1] == STYLE_GAN
    ]
    return tables if len(tables) <= MOST_TABLES else []


def on_disk(place: Path, label_file: str | None) -> tuple[Path | None, str | None]:
    """Return the file that --label-file names, from here or in a folder of data, and its column."""
    for name, column in _divided(label_file or ""):
        for path in (Path(name).expanduser(), place / name):
            if name and path.is_file():
                return path, column
    return None, None


def _divided(text: str) -> list[tuple[str, str | None]]:
    name, colon, column = text.rpartition(":")
    return [(text, None), *([(name, column)] if colon else [])]


# --- label files ---


def named(place: Place, text: str) -> Origin:
    """Read a label file on disk, one in an archive, or a field of WebDataset's samples."""
    path, column = on_disk(place.path, text)
    if path:
        inside = place.path.is_dir() and path.resolve().is_relative_to(place.path.resolve())
        below = path.resolve().relative_to(place.path.resolve()) if inside else Path(path.name)
        data = claims.read_regular(path, claims.MAX_TABLE)
        return _table(place, below.as_posix(), data, column, strict=True)
    for name, column in _divided(text):
        if place.samples and name in FIELDS:
            return _field(place, name, column, strict=True)
        wanted = names.parts(name)
        found = [n for n, p in place.paths.items() if wanted and p[-len(wanted) :] == wanted]
        if len(found) == 1 and found[0] in place.files:
            return _table(place, found[0], place.files[found[0]](), column, strict=True)
    name = _divided(text)[-1][0]
    beside = [each for each, (kind, _) in place.found.others.items() if kind != "hidden"]
    raise UnusableError(f"is no file, here or in {place.path}.{did_you_mean(name, beside)}")


def available(place: Place) -> tuple[list[Origin], Reasons]:
    """Return the sources that can be used without being named, and why label files cannot."""
    reasons: Reasons = {}
    found: list[Origin] = []
    for name in _of_split(candidates(place.found), place.found.choice.role):
        try:
            origin = _table(place, name, place.files[name](), None, strict=False)
        # Of a damaged member: anything.
        except Exception as error:
            why = str(error) if isinstance(error, UnusableError) else "cannot be read"
            reason = f"files that may hold labels, not used: {place.paths[name][-1]} {why}"
            reasons[name] = ("labels", reason[:160])
            continue
        same = next((k for k, each in enumerate(found) if _are_parts(each, origin)), None)
        if same is None:
            found.append(origin)
        else:
            found[same] = _joined(found[same], origin)
    for ending in FIELDS if place.samples else ():
        with suppress(UnusableError):
            found.append(_field(place, ending, None, strict=False))
    return found, reasons


def _of_split(tables: list[str], role: str) -> list[str]:
    """Return the tables that are for a split by their names; for training if none is chosen."""
    roles = {name: role_of(name) for name in tables}
    wanted = role or ("train" if "train" in roles.values() else "")
    return [name for name in tables if not wanted or roles[name] in ("", wanted)]


def _are_parts(one: Origin, other: Origin) -> bool:
    """Return whether two label files are parts of one: of one name, of different pictures."""
    same = names.parts(one.files[0])[-1] == names.parts(other.files[0])[-1]
    return same and bool(other.names) and not one.names.keys() & other.names.keys()


def _joined(one: Origin, other: Origin) -> Origin:
    missing = one.missing + other.missing
    every = {**one.names, **other.names}
    return replace(one, names=every, files=(*one.files, *other.files), missing=missing)


def role_of(name: str) -> str:
    """Return the split that a label file is for by its name, such as "train_labels.csv"."""
    return splits.role(posixpath.splitext(names.parts(name)[-1])[0])[0]


def _table(place: Place, name: str, data: bytes, column: str | None, strict: bool) -> Origin:
    """Return the labels of a file `name`; that of StyleGAN may hold none."""
    path = names.parts(name)
    found = label_table.parse(name, data)
    if found.empty and not strict:
        return Origin(name, name, {}, (name,))
    if strict and column and (wanted := attribute_table.wanted(found, column)):
        cells = attribute_table.read(found, wanted, place.pictures, path[:-1])
        shown = f"{path[-1]}, {len(cells.columns)} attributes"
        origin = Origin(f"{name}:{column}", shown, dict.fromkeys(cells.rows, ""), (name,))
        origin = replace(origin, missing=cells.missing, split=role_of(name))
        return replace(origin, attributes=cells.columns, rows=cells.rows)
    read = label_table.label(found, column, place.pictures, path[:-1], strict)
    shown = path[-1] if path[-1] == STYLE_GAN else f"{path[-1]}, column {read.column}"
    return Origin(f"{name}:{read.column}", shown, read.names, (name,), read.missing, role_of(name))


# --- WebDataset's samples -----------------------------------------------------------------------


def _field(place: Place, field: str, column: str | None, strict: bool) -> Origin:
    """Return the labels in the files of samples that end with `field`."""
    files = {sample(place.paths[n]): n for n in place.found.others if n.endswith(field)}
    pairs = [(path, files[sample(path)]) for path in place.chosen if sample(path) in files]
    if not pairs:
        raise UnusableError("is in no sample")
    found = _READ[field](place, pairs, column)
    if not strict and field != ".cls" and 2 * len({*found.values()}) > len(place.chosen):
        raise UnusableError("has too many different texts")
    shown = f"{field} files" + (f", column {column}" if column else "")
    return Origin(field, shown, found, tuple(files.values()))


def sample(path: Parts) -> Parts:
    """Return the path up to the first dot of its last part: all files of a sample share it."""
    return (*path[:-1], path[-1].partition(".")[0])


_Pairs = list[tuple[Parts, str]]  # a picture's path and the name of the file of its sample


def _classes(place: Place, pairs: _Pairs, column: str | None) -> dict[Parts, str]:
    found = {}
    for path, name in pairs:
        text = place.files[name]()[:32].decode("latin-1").strip()
        if not text.isdecimal() or int(text) >= MAX_CLASSES:
            raise InputError(
                f"{name} holds {text!r}; a .cls file holds the number of a class, "
                f"from 0 to {MAX_CLASSES - 1}, as text."
            )
        found[path] = str(int(text))
    return found


def _texts(place: Place, pairs: _Pairs, column: str | None) -> dict[Parts, str]:
    contents = {path: place.files[name]()[:200] for path, name in pairs}
    found = {path: data.decode("utf-8", "replace").strip() for path, data in contents.items()}
    return {path: text for path, text in found.items() if text}


def _records(place: Place, pairs: _Pairs, column: str | None) -> dict[Parts, str]:
    """Read a label of each sample's JSON; all have the same column."""
    try:
        found = {path: _object(place.files[name]()) for path, name in pairs}
    except (ValueError, TypeError, RecursionError) as error:
        raise UnusableError(f"cannot be read: {str(error)[:80]}") from error
    columns = tuple(dict.fromkeys(key for each in found.values() for key in each))
    of = columns[label_table.label_column(columns, None, column)]
    texts = {path: label_table.label_text(each.get(of)) for path, each in found.items()}
    return {path: text for path, text in texts.items() if text is not None}


def _object(data: bytes) -> dict[str, object]:
    found = json.loads(data)
    if len(data) > MAX_FIELD or not isinstance(found, dict):
        raise UnusableError("holds no small object")
    return {str(key): value for key, value in found.items()}


_READ = {".cls": _classes, ".json": _records, ".txt": _texts}
