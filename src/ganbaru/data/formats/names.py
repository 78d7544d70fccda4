"""Names of files: as other systems write them, what kind of file they are, and class names."""

from __future__ import annotations

import functools
import posixpath
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence

from ganbaru.data import picture_file

_SUFFIXES = (
    ".apng .avif .bmp .dib .gif .ico .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tga .tif "
    ".tiff .webp"
)
HEIC = frozenset((".heic", ".heif", ".hif"))  # photographs of telephones
SUFFIXES = frozenset(_SUFFIXES.split()) | HEIC
# Formats of pictures that are not decoded: photographs of cameras, drawings, scans.
_UNDECODED = (
    ".ai .arw .cr2 .cr3 .dcm .dds .dng .eps .exr .hdr .jxl .nef .nii .orf .pdf .psd .qoi .raf .raw "
    ".rw2 .svg .xcf"
)
UNDECODED = frozenset(_UNDECODED.split())
_LABEL_SUFFIXES = (
    ".arrow .cls .cls2 .csv .json .jsonl .lst .mat .ndjson .parquet .tsv .xls .xlsx .xml .yaml .yml"
)
LABEL_SUFFIXES = frozenset(_LABEL_SUFFIXES.split())
_LABEL_TEXT = re.compile(r"annot|attr|bbox|caption|categor|class|identity|label|mapping|metadata")
_SYSTEM = frozenset(("__macosx", "thumbs.db", "desktop.ini", "@eadir"))
_JAPANESE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

Parts = tuple[str, ...]  # folders and file name of a path


def parts(name: str) -> Parts:
    """Return the parts of a path in Unicode's composed form (NFC), with / or \\ between them."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/"))
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def words(folder: str) -> list[str]:
    """Return the words in a folder's name, in small letters: "train_set2" and "TrainSet" have 2."""
    return [word.lower() for word in _WORD.findall(folder)]


def left_out(path: Parts) -> tuple[str, str] | None:
    """Return the kind of a file that is no picture to use, and the reason; None for a picture."""
    if any(map(_is_hidden, path)):
        return "hidden", "hidden files and those of the system"
    suffix = posixpath.splitext(path[-1])[1].lower().rstrip(".")
    if suffix in UNDECODED or (suffix == ".avif" and not _decodes_avif()):
        return "no decoder", f"pictures in a format that is not decoded ({suffix})"
    if suffix in HEIC and not picture_file.decodes_heic():
        return "no decoder", f"pictures that the extra ganbaru[heic] decodes ({suffix})"
    if suffix in SUFFIXES:
        return None
    if suffix in LABEL_SUFFIXES or (suffix == ".txt" and _LABEL_TEXT.search(path[-1].lower())):
        return "labels", f"files that may hold labels, not used ({suffix})"
    if not suffix:
        return "unknown suffix", "no suffix"
    return "unknown suffix", f"not a picture by its suffix ({suffix[:20]})"


def is_picture(name: str) -> bool:
    """Return whether a file in a folder or archive is a picture, by its name."""
    path = parts(name)
    return bool(path) and left_out(path) is None


@functools.lru_cache(2**12)  # folders' names repeat
def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part.lower() in _SYSTEM


@functools.cache
def _decodes_avif() -> bool:
    from PIL import features

    return "avif" not in features.modules or bool(features.check("avif"))


def in_order(classes: Iterable[str]) -> tuple[str, ...]:
    """Return different names sorted: as numbers if all are whole numbers, else as text."""
    found = set(classes)
    if all(name.isascii() and name.isdecimal() for name in found):
        return tuple(
            sorted(found, key=lambda name: (len(name.lstrip("0")), name.lstrip("0"), name))
        )
    return tuple(sorted(found))


def of_zip(entries: Sequence[zipfile.ZipInfo]) -> tuple[list[str], str]:
    """Return the names in a zip archive, and the code they were read in if it was guessed.

    Names without the flag for UTF-8 are tried as UTF-8 (macOS), then as cp932 if that gives
    Japanese (Windows in Japan), else they are cp437 as the format says.
    """
    unmarked = [e.filename for e in entries if not e.flag_bits & 0x800 and not e.filename.isascii()]
    if not unmarked:
        return [entry.filename for entry in entries], ""
    code = next(code for code in ("utf-8", "cp932", "cp437") if _reads_as(code, unmarked))
    return [
        entry.filename if entry.flag_bits & 0x800 else _recoded(entry.filename, code)
        for entry in entries
    ], code


def _recoded(name: str, code: str) -> str:
    """Return a name that zipfile decoded as cp437 in the code that it was written in."""
    return name.encode("cp437").decode(code)


def _reads_as(code: str, names: Sequence[str]) -> bool:
    """Return whether names decode in a code and, if it is cp932, are Japanese.

    Bytes of European letters may decode as cp932 too, but then most letters beside are ASCII.
    """
    try:
        decoded = [_recoded(name, code) for name in names]
    except UnicodeError:  # also of a name that a newer field of the archive gives in Unicode
        return code == "cp437"
    if code != "cp932":
        return True
    # Suffixes are in ASCII in every language.
    stems = {posixpath.splitext(p)[0] for name in decoded for p in parts(name) if not p.isascii()}
    text = "".join(stems)
    return 2 * len(_JAPANESE.findall(text)) > sum(letter.isalpha() for letter in text)
