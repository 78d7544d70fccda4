"""Download files from the Hugging Face hub by its library, an optional dependency."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from ganbaru.errors import InputError, missing_extra


def is_name(text: str) -> bool:
    """Return whether a text looks like ``user/name``."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text) is not None


def fetch(name: str, file: str, revision: str | None) -> Path:
    """Return the local path of a file of ``user/name``, downloaded unless it is cached.

    Raises InputError if the library is missing or the file cannot be downloaded.
    """
    try:
        library = importlib.import_module("huggingface_hub")
    except ImportError as error:
        what = f"There is no folder {name}, and downloading it from the hub needs huggingface_hub"
        raise missing_extra(what, "hub") from error
    try:
        return Path(library.hf_hub_download(name, file, revision=revision))
    except Exception as error:  # from the library, the network or the disk
        words = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
        raise InputError(
            f"Cannot download {file} of {name!r} from the hub ({type(error).__name__}: {words}). "
            f"Check the name and the connection; there is no folder of this name either."
        ) from error
