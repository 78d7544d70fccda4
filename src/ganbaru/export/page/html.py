"""The page put together: its parts in one text, with a rule that nothing may be fetched."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from typing import Any

from ganbaru.export import metadata
from ganbaru.export.page.directions import Directions
from ganbaru.export.page.wasm import assembled
from ganbaru.sampling.players import Player

# In the order that they are read: what stands at a file's top level may use what is before it.
WORKER = ("random.js", "spaces.js", "paths.js", "multiply.js", "layers.js", "operations.js",
          "network.js", "gif.js", "worker.js")  # fmt: skip
SCRIPT = ("words.js", "pool.js", "state.js", "pictures.js", "morphing.js", "saving.js",
          "controls.js", "main.js")  # fmt: skip


def page(
    player: Player, nodes: list[dict[str, Any]], content: bytes, bits: int, found: Directions
) -> str:
    """Return the HTML document of a generator's operations, numbers and directions."""
    facts = metadata.facts(player)
    name = facts["preset"] or facts["network"]
    model = {
        "name": name, "nodes": nodes, "bits": bits, "facts": facts,
        **{key: facts[key] for key in ("classes", "latent", "distribution", "image_shape")},
        "directions": [[round(x, 6) for x in each] for each in found.vectors.tolist()],
    }  # fmt: skip
    return _filled(
        title=html.escape(f"{name}: a playground of Ganbaru"),
        name=html.escape(name),
        # A class may be called anything: nothing in it may end the element that it stands in.
        model=json.dumps(model, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        content=base64.b64encode(content).decode(),
        code=base64.b64encode(assembled(_read("multiply.wat"))).decode(),
    )


def code_bytes() -> int:
    """Return how large a page is without its generator, in bytes."""
    code = base64.b64encode(assembled(_read("multiply.wat"))).decode()
    return len(_filled(title="", name="", model="", content="", code=code).encode())


def _filled(**parts: str) -> str:
    """Put parts, styles and scripts in the places of the page that have their names."""
    script, style = _strict(SCRIPT), _read("style.css")
    parts = {**parts, "script": script, "style": style, "worker": _strict(WORKER),
             "policy": policy(script, style)}  # fmt: skip
    first, *rest = _read("page.html").split("{{")
    named = (each.split("}}", 1) for each in rest)
    return first + "".join(parts[name] + after for name, after in named)


def policy(script: str, style: str) -> str:
    """Return the page's Content-Security-Policy: its own script and style, workers, no request."""
    return "; ".join([
        "default-src 'none'", f"script-src {_hash(script)} 'wasm-unsafe-eval'",
        f"style-src {_hash(style)}", "worker-src blob:", "img-src data:", "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _strict(names: tuple[str, ...]) -> str:
    """Return scripts as one, in a scope of its own and in JavaScript's strict mode."""
    return "\n".join(['"use strict";', "{", *map(_read, names), "}"])


def _read(name: str) -> str:
    return resources.files("ganbaru.export.page").joinpath(name).read_text(encoding="utf-8")
