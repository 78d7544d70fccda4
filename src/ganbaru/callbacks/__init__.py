"""Callbacks: what a run does beside training. One module for each; `defaults` lists the usual."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if not (name == "standard" or name[0].isupper()):
        raise AttributeError(name)
    return getattr(importlib.import_module("ganbaru.callbacks.defaults"), name)
