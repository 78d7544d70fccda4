"""Assemble the page: one HTML text of model, weights, styles and scripts that may fetch nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ganbaru.export import metadata
from ganbaru.report import card, frame
from ganbaru.report.credits import Credits
from ganbaru.report.translations import TRANSLATIONS
from ganbaru.sampling.players import Player
from ganbaru.training import run_folder

# In load order: the top level of a file may use what an earlier one defines.
WORKER = (
    *("random.js", "spaces.js", "paths.js", "multiply.js", "layers.js", "operations.js"),
    *("network.js", "gif.js", "worker.js"),
)
SCRIPT = (
    *("translations.js", "pool.js", "state.js", "images.js", "morphing.js", "saving.js"),
    *("controls.js", "map.js", "upload.js", "main.js"),
)


class SeedMap(Protocol):
    """Seeds (N,) in the plane, at points (N, 2) from 0 to 1; seed -1 is a real image.

    `by` is how they were placed, and `explained` the share of the variance in the plane, or None.
    """

    @property
    def points(self) -> NDArray[np.float64]: ...
    @property
    def seeds(self) -> NDArray[np.int64]: ...
    @property
    def by(self) -> str: ...
    @property
    def explained(self) -> float | None: ...


def mapped(found: SeedMap) -> dict[str, Any]:
    """Return a map as a page has it: points in thousandths, about 10 bytes each."""
    points, real = np.rint(1000 * found.points).astype(int), found.seeds < 0
    return {
        "real": points[real].tolist(),
        "made": points[~real].tolist(),
        "seeds": [str(seed) for seed in found.seeds[~real]],  # some are beyond a double's integers
        "by": found.by,
        "explained": found.explained,
    }


def page(
    player: Player, model: dict[str, Any], content: bytes, credits: Credits, header: str
) -> str:
    """Return the HTML document for a generator's `model` for the scripts, and packed numbers."""
    facts = metadata.facts(player)
    name = facts["preset"] or facts["network"]
    title = credits.title or run_folder.name_of(player.path)
    licences = {
        language: card.licence(player.config, credits, text)
        for language, text in TRANSLATIONS.items()
    }
    description = TRANSLATIONS["en"]["description"].format(title, facts["data"])
    model = {
        **model,
        "name": name,
        "facts": facts,
        "licences": licences,
        "attributes": facts.pop("attributes", []),
        **{key: facts[key] for key in ("classes", "latent", "distribution", "image_shape")},
    }
    return _filled(
        connect="'self'" if model["projections"] else "'none'",
        head=frame.head(title, description, credits),
        header=header,
        title=html.escape(title),
        footer=frame.footer(credits),
        # A class may have any name: none may close the script element that holds the JSON.
        model=json.dumps(model, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        content=base64.b64encode(content).decode(),
    )


def code_bytes() -> int:
    """Return the size of a page without its generator, in bytes."""
    names = ("title", "model", "content")
    parts = {"head": frame.head("", ""), "header": frame.header(), "footer": frame.footer()}
    return len(_filled(connect="'none'", **parts, **dict.fromkeys(names, "")).encode())


def webassembly() -> bytes:
    """Return the module of `multiply.wat`, without names of its variables.

    A development test assembles the text again and compares.
    """
    return base64.b64decode(_read("multiply.wasm.base64"))


def _filled(**parts: str) -> str:
    """Fill the placeholders of page.html with parts, styles and scripts."""
    script, style = _strict(SCRIPT), frame.style() + frame.compact(_read("style.css"))
    parts |= {"script": script, "style": style, "worker": _strict(WORKER)}
    parts |= {
        "policy": policy(script, style, parts["connect"]),
        "code": base64.b64encode(webassembly()).decode(),
    }
    first, *rest = _read("page.html").split("{{")
    named = (each.split("}}", 1) for each in rest)
    return first + "".join(parts[name] + after for name, after in named)


def policy(script: str, style: str, connect: str) -> str:
    """Return the Content-Security-Policy: the page's own script, style and workers.

    `connect` is whom it may send requests: 'none', or the service that it is from, 'self'.
    """
    rules = {
        "default-src": "'none'",
        "script-src": f"{_hash(script)} 'wasm-unsafe-eval'",
        "style-src": _hash(style),
        "worker-src": "blob:",
        "connect-src": connect,
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _strict(names: tuple[str, ...]) -> str:
    """Join scripts into one, in its own scope and in JavaScript's strict mode, without comments."""
    text = "\n".join(['"use strict";', "{", *map(_read, names), "}"])
    return re.sub(r"(?m)^ *//.*\n", "", text)


def _read(name: str) -> str:
    return resources.files("ganbaru.export.page").joinpath(name).read_text(encoding="utf-8")
