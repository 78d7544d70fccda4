"""The frame of every page: head, header with switches, and footer; `base.css` is their style.

The switches are radio buttons that the style sheet reads, so that they work without scripts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from importlib import resources

from ganbaru import __version__
from ganbaru.report.credits import UNSAID, Credits
from ganbaru.report.markup import Markup, joined, tag
from ganbaru.report.translations import LANGUAGES, both

_SQUARES = "".join(
    f'<rect x="{x}" y="{y}" width="8" height="8" rx="1.5" opacity="{opacity}"/>'
    for x, y, opacity in ((7, 7, 1), (17, 7, 0.7), (7, 17, 0.7), (17, 17, 0.4))
)
_MARK = (
    f'<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" '
    f'fill="#1a6fb5"/><g fill="#fff">{_SQUARES}</g></svg>'
)
ICON = _MARK.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
THEMES = {
    "auto": '<circle cx="10" cy="10" r="7"/><path d="M10 3a7 7 0 0 1 0 14z"/>',
    "light": '<circle cx="10" cy="10" r="4"/><path d="M10 1v3m0 12v3M1 10h3m12 0h3M3.6 3.6l2.2 2.2'
    'm8.4 8.4 2.2 2.2m0-12.8-2.2 2.2m-8.4 8.4-2.2 2.2"/>',
    "dark": '<path d="M16 12.5A7 7 0 0 1 7.5 4 7 7 0 1 0 16 12.5z"/>',
}


def style(*names: str) -> str:
    """Return the shared style sheet and others of this package as one."""
    package = resources.files("ganbaru.report")
    texts = (package.joinpath(name).read_text(encoding="utf-8") for name in ("base.css", *names))
    return compact("".join(texts))


def compact(css: str) -> str:
    """Return a style sheet without comments, and with the spaces that mean something alone."""
    text = re.sub(
        r"/\*.*?\*/|(?<=[{};,])\s+|\s+(?=[{}])|(?<=:)\s+(?=[^{}]*[;}])", "", css, flags=re.S
    )
    return re.sub(r"\s+", " ", text)


def head(title: str, description: str, credits: Credits = UNSAID) -> Markup:
    """Return the elements that stand in every page's head."""
    icon = base64.b64encode(ICON.encode()).decode()
    named = {
        "generator": "ganbaru",
        "viewport": "width=device-width, initial-scale=1",
        "color-scheme": "light dark",
        "referrer": "no-referrer",
        "description": description,
        "author": credits.author,
        "dcterms.license": credits.licence,
    }
    graph = {"type": "website", "site_name": "Ganbaru", "title": title, "description": description}
    return joined(
        *(tag("meta", name=name, content=text) for name, text in named.items() if text),
        *(tag("meta", property=f"og:{name}", content=text) for name, text in graph.items()),
        tag("link", rel="icon", href=f"data:image/svg+xml;base64,{icon}"),
        tag("title", title),
    )


def header(
    language: str = "en",
    theme: str = "auto",
    back: tuple[str, str] | None = None,
    home: str = "",
    extra: str = Markup(),
) -> Markup:
    """Return the header: wordmark, a way `back` (address and text) if there is one, switches."""
    word = (Markup(_MARK), "Ganbaru")
    kind, link = ("a", {"href": home}) if home else ("span", {})
    brand = tag(kind, *word, class_="brand", **link)
    way = tag("a", "← ", back[1], href=back[0], class_="back") if back else Markup()
    themes = {name: _theme(name) for name in THEMES}
    languages = {name: tag("span", text, lang=name) for name, text in LANGUAGES.items()}
    switches = (_switch("language", languages, language), _switch("theme", themes, theme))
    return tag("header", brand, way, extra, tag("div", *switches, class_="switches"), class_="bar")


def footer(credits: Credits = UNSAID) -> Markup:
    """Return the footer: whose work it is, under which licence, and what made it."""
    lines = (("by", credits.author), ("licensed", credits.licence), ("made", __version__))
    return tag("footer", *(tag("p", both(key, text)) for key, text in lines if text))


def served(page: str, language: str, theme: str, back: tuple[str, str]) -> str:
    """Return a page from a file with the reader's choices, and a way back."""
    return page.replace(header(), header(language, theme, back, "/"), 1)


def _theme(name: str) -> Markup:
    drawn = Markup(f'<svg viewBox="0 0 20 20" aria-hidden="true">{THEMES[name]}</svg>')
    return joined(drawn, tag("span", both(name), class_="hidden"))


def _switch(name: str, choices: Mapping[str, Markup], chosen: str) -> Markup:
    def choice(value: str, text: Markup) -> Markup:
        marked = {"checked": ""} if value == chosen else {}
        how = {"id": f"{name}-{value}", "value": value, **marked}
        return tag("label", tag("input", type="radio", name=name, **how), tag("span", text))

    legend = tag("legend", both(f"{name}s"), class_="hidden")
    return tag("fieldset", legend, *(choice(*each) for each in choices.items()), class_="switch")
