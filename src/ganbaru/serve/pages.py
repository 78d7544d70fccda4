"""The pages, written whole by the server: a script only keeps them up to date."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from ganbaru.report.markup import Markup, joined, tag
from ganbaru.serve import view_model
from ganbaru.serve.catalog import Catalog, Entry
from ganbaru.serve.translations import Words

EMPTY = Markup()


def files() -> dict[str, tuple[bytes, str]]:
    """Return the files that pages load, by name: their content and media type."""
    places = {
        "report.css": ("ganbaru.report", "style.css", "text/css; charset=utf-8"),
        "serve.css": ("ganbaru.serve", "static/serve.css", "text/css; charset=utf-8"),
        "live.js": ("ganbaru.serve", "static/live.js", "text/javascript; charset=utf-8"),
        "icon.svg": ("ganbaru.serve", "static/icon.svg", "image/svg+xml"),
    }
    return {
        name: (resources.files(package).joinpath(path).read_bytes(), kind)
        for name, (package, path, kind) in places.items()
    }


def _page(title: str, words: Words, *content: str, **body: Any) -> str:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href="/static/icon.svg"),
        tag("link", rel="stylesheet", href="/static/report.css"),
        tag("link", rel="stylesheet", href="/static/serve.css"),
        tag("script", src="/static/live.js", type="module"),
    )
    mark = tag("img", src="/static/icon.svg", alt="", width=22, height=22)
    brand = tag("a", mark, "Ganbaru", href="/", class_="brand")
    news = tag("p", class_="news", role="status", data_lost=words["lost"],
               data_connected=words["connected"])  # fmt: skip
    top = tag("div", brand, news, class_="top")
    whole = tag("body", top, tag("main", *content), **body)
    return f"<!doctype html>\n{tag('html', head, whole, lang=words['language'])}\n"


def absent(why: str, words: Words) -> str:
    """Return the page for an address that there is none at."""
    back = tag("p", tag("a", words["back"], href="/", class_="button"))
    return _page(words["absent"], words, tag("h1", words["absent"]), tag("p", why), back)


# --- all runs ---------------------------------------------------------------------------------


def start(shelf: Catalog, base: str, words: Words) -> str:
    """Return the page that lists everything; `base` is the address that it is asked at."""
    cards = tag("div", *(_card(entry, words) for entry in shelf.values()), class_="cards")
    title = f"{words['runs']} · Ganbaru"
    heading = tag("header", tag("h1", words["runs"]), tag("p", words["intro"], class_="summary"))
    return _page(title, words, heading, cards, _usage(shelf, base, words), data_events="/events")


def _card(entry: Entry, words: Words) -> Markup:
    if entry.watch is None:
        return _model_card(entry, words)
    seen = view_model.brief(entry.watch.seen(), words)
    place = f"/runs/{entry.name}"
    return tag(
        "article",
        tag("a", _picture(entry.name, seen["grids"], words), href=place,
            class_="picture", tabindex="-1", aria_hidden="true"),
        _title(entry.name, place, seen),
        _bar(seen, entry.name),
        tag("p", seen["summary"], class_="summary", data_fill="summary"),
        tag("p", tag("a", words["open"], href=place, class_="button"),
            _play(entry, words), class_="actions"),
        class_="card", data_run=entry.name,
    )  # fmt: skip


def _model_card(entry: Entry, words: Words) -> Markup:
    place = f"/models/{entry.name}/play"
    seen = {"state": "model", "state_text": words["model"]}
    picture = tag("img", src=f"/models/{entry.name}/sample.png", alt="", loading="lazy")
    return tag(
        "article",
        tag("a", picture, href=place, class_="picture", tabindex="-1", aria_hidden="true"),
        _title(entry.name, place, seen),
        tag("p", _play(entry, words), class_="actions"),
        class_="card",
    )


def _title(name: str, place: str, seen: dict[str, Any]) -> Markup:
    link = tag("a", name, href=place)
    return tag("div", tag("h2", link), _state(seen), class_="title")


def _state(seen: dict[str, Any]) -> Markup:
    return tag("span", seen["state_text"], class_="state", data_state=seen["state"],
               data_fill="state")  # fmt: skip


def _bar(seen: dict[str, Any], name: str) -> Markup:
    return tag("progress", value=seen["share"], max=1, data_fill="share", aria_label=name)


def _play(entry: Entry, words: Words) -> Markup:
    """Return the way to the playground, hidden until there is a model."""
    return _link(words["play"], f"/models/{entry.name}/play", "ready", bool(entry.model))


def _wait(entry: Entry, words: Words) -> Markup:
    """Return word of when there will be a model, hidden once there is one."""
    return tag(
        "span", words["untrained"], class_="wait", data_show="waiting",
        **_hidden(bool(entry.model)),
    )  # fmt: skip


def _hidden(hidden: bool) -> dict[str, str]:
    return {"hidden": "hidden"} if hidden else {}


def _picture(name: str, grids: tuple[int, ...], words: Words) -> Markup:
    """Return the newest grid, or room for the first."""
    shown = {"src": f"/runs/{name}/grids/{grids[-1]}.png"} if grids else {"hidden": "hidden"}
    about = words["after"].format(f"{grids[-1]:,}") if grids else ""
    image = tag("img", **shown, alt=about, data_fill="grid", data_grids=f"/runs/{name}/grids/")
    room = tag("span", words["no_grid"], class_="none", data_show="no-grid", **_hidden(bool(grids)))
    return joined(image, room)


def _usage(shelf: Catalog, base: str, words: Words) -> Markup:
    name = next(iter(shelf))
    command = (
        f"curl -X POST {base}/api/models/{name}/images \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps({'count': 16, 'seed': 0})}' -o images.png"
    )
    text = tag("p", f"{words['api_text']} ", tag("a", "/openapi.json", href="/openapi.json"),
               " · ", tag("a", "/api/models", href="/api/models"))  # fmt: skip
    return tag("section", tag("h2", words["api"]), text, tag("pre", command))


# --- one run ----------------------------------------------------------------------------------


def run(entry: Entry, shelf: Catalog, words: Words) -> str:
    """Return the page of a run."""
    seen = view_model.full(entry.watched().seen(), words)
    others = [
        tag("a", name, href=f"/runs/{name}", aria_current="page" if name == entry.name else "false")
        for name, other in shelf.items()
        if other.watch
    ]
    nav = tag("nav", *others, class_="others", aria_label=words["runs"]) if others[1:] else EMPTY
    links = tag(
        "p", _play(entry, words),
        _link(words["report"], f"/runs/{entry.name}/report", "report", seen["report"]),
        _link(words["timelapse"], f"/runs/{entry.name}/timelapse.gif", "film", seen["film"]),
        tag("a", words["card"], href=f"/api/models/{entry.name}", class_="button second"),
        _wait(entry, words), class_="actions",
    )  # fmt: skip
    header = tag(
        "header",
        tag("div", tag("h1", entry.name), _state(seen), class_="title"),
        _bar(seen, entry.name), tag("p", seen["summary"], class_="summary", data_fill="summary"),
        links,
    )  # fmt: skip
    panels = tag("div", _grids(entry.name, seen, words), _facts(seen), class_="panels")
    content = (nav, header, panels, _curves(seen, words))
    return _page(
        f"{entry.name} · Ganbaru", words, *content,
        data_events=f"/runs/{entry.name}/events", data_run=entry.name,
    )  # fmt: skip


def _link(text: str, place: str, what: str, there: bool) -> Markup:
    return tag("a", text, href=place, class_="button second", data_show=what, **_hidden(not there))


def _grids(name: str, seen: dict[str, Any], words: Words) -> Markup:
    """Return the newest grid with a slider through those before: the time-lapse so far."""
    last = max(0, len(seen["grids"]) - 1)
    controls = tag(
        "div",
        tag("button", words["run_through"], type="button", data_control="run",
            data_pause=words["pause"], data_run_through=words["run_through"]),
        tag("input", type="range", min=0, max=last, value=last, data_control="slider",
            aria_label=words["slider"]),
        class_="controls", data_show="grids", **_hidden(last < 1),
    )  # fmt: skip
    caption = words["after"].format(f"{seen['grids'][-1]:,}") if seen["grids"] else ""
    figure = tag(
        "figure", _picture(name, seen["grids"], words),
        tag("figcaption", caption, data_fill="caption", data_text=words["after"]), class_="hero",
    )  # fmt: skip
    return tag(
        "section", tag("h2", words["grids"]), figure, controls,
        data_numbers=json.dumps(seen["grids"]), class_="pictures",
    )  # fmt: skip


def _facts(seen: dict[str, Any]) -> Markup:
    rows = (tag("div", tag("dt", name), tag("dd", value)) for name, value in seen["facts"])
    return tag("dl", *rows, class_="numbers", data_fill="facts")


def _curves(seen: dict[str, Any], words: Words) -> Markup:
    return tag(
        "section", tag("h2", words["curves"]),
        tag("p", words["no_curves"], class_="absent", data_show="no-charts",
            **_hidden(bool(seen["charts"]))),
        tag("div", seen["charts"], class_="charts", data_fill="charts"),
    )  # fmt: skip
