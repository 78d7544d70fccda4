"""HTML and SVG from Python: what is not marked as markup is text, and is escaped."""

from __future__ import annotations

import html

_ALONE = {"meta", "link", "img", "input"}  # elements that have no end


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: object) -> Markup:
    """Return an element; the attributes `class_` and `aria_label` are written class and aria-label.

    Names of classes, paths and data come from users: whatever they hold, they come out as text.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in _ALONE:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*parts: str) -> Markup:
    """Return parts one after the other, those that are plain text escaped."""
    return Markup(
        "".join(part if isinstance(part, Markup) else html.escape(part) for part in parts)
    )
