"""Files of the Hugging Face hub, through its own library, which nothing else needs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from ganbaru.errors import InputError


def is_name(text: str) -> bool:
    """Say whether a text looks like ``user/name``."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text) is not None


def fetch(name: str, file: str, revision: str | None) -> Path:
    """Return where a file of the hub's ``user/name`` lies, downloaded if it is not yet.

    Raises InputError where the library is missing, or the file cannot be had.
    """
    try:
        library = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise InputError(
            f"There is no folder {name}, and to look for it on the hub takes huggingface_hub. "
            f"Install it with: pip install 'ganbaru[hub]'."
        ) from error
    try:
        return Path(library.hf_hub_download(name, file, revision=revision))
    except Exception as error:  # of the library, of the network, of the disk
        words = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
        raise InputError(
            f"Cannot get {file} of {name!r} from the hub ({type(error).__name__}: {words}). Check "
            f"the name and the connection; there is no folder of this name either."
        ) from error
