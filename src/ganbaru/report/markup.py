"""HTML and SVG from Python: every string that is not `Markup` is escaped."""

from __future__ import annotations

import html

_VOID = {"meta", "link", "img", "input"}  # elements without an end tag


class Markup(str):
    """Text that is already markup."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: object) -> Markup:
    """Return an element; the attributes `class_` and `aria_label` become class and aria-label.

    Class names, paths and data come from users, so children and attributes are escaped.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*parts: str) -> Markup:
    """Concatenate parts, escaping those that are plain text."""
    return Markup(
        "".join(part if isinstance(part, Markup) else html.escape(part) for part in parts)
    )
