"""The pages as HTML, complete from the server; the script `live.js` only updates them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from ganbaru.report.markup import Markup, joined, tag
from ganbaru.serve import reference, view_model
from ganbaru.serve.catalog import Catalog, ServedModel
from ganbaru.serve.translations import Translation

EMPTY = Markup()


def static_files() -> dict[str, tuple[bytes, str]]:
    """Return the content and media type of the files that pages load, by name."""
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


def _page(title: str, text: Translation, *content: str, **body: Any) -> str:
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
    icon = tag("img", src="/static/icon.svg", alt="", width=22, height=22)
    brand = tag("a", icon, "Ganbaru", href="/", class_="brand")
    states = {"data_lost": text["lost"], "data_connected": text["connected"]}
    connection = tag("p", class_="connection", role="status", **states)
    top = tag("div", brand, connection, class_="top")
    whole = tag("body", top, tag("main", *content), **body)
    return f"<!doctype html>\n{tag('html', head, whole, lang=text['language'])}\n"


def error(detail: str, text: Translation) -> str:
    """Return the page for an error."""
    back = tag("p", tag("a", text["back"], href="/", class_="button"))
    return _page(text["absent"], text, tag("h1", text["absent"]), tag("p", detail), back)


def documentation(document: dict[str, Any], catalog: Catalog, base: str, text: Translation) -> str:
    """Return the page that describes the API."""
    content = reference.content(document, base, next(iter(catalog)))
    return _page(f"API · {document['info']['title']}", text, content)


# --- all runs -----------------------------------------------------------------------------------


def start(catalog: Catalog, base: str, text: Translation) -> str:
    """Return the page that lists everything; `base` is the service's address."""
    cards = tag("div", *(_card(served, text) for served in catalog.values()), class_="cards")
    heading = tag("header", tag("h1", text["runs"]), tag("p", text["intro"], class_="summary"))
    content = (heading, cards, _usage(catalog, base, text))
    return _page(f"{text['runs']} · Ganbaru", text, *content, data_events="/events")


def _card(served: ServedModel, text: Translation) -> Markup:
    name, progress, links, data = served.name, [], [], {}
    if served.watcher:
        view, place = view_model.brief(served.watcher.status(), text), f"/runs/{name}"
        picture = _picture(name, view["grids"], text)
        progress = [_bar(view, name), _summary(view)]
        links, data = [tag("a", text["open"], href=place, class_="button")], {"data_run": name}
    else:
        view, place = {"state": "model", "state_text": text["model"]}, f"/models/{name}/play"
        picture = tag("img", src=f"/models/{name}/sample.png", alt="", loading="lazy")
    link = tag("a", picture, href=place, class_="picture", tabindex="-1", aria_hidden="true")
    title = tag("div", tag("h2", tag("a", name, href=place)), _state(view), class_="title")
    actions = tag("p", *links, _play(served, text), class_="actions")
    problem = _problem(served, text)
    return tag("article", link, title, *progress, problem, actions, class_="card", **data)


def _usage(catalog: Catalog, base: str, text: Translation) -> Markup:
    command = (
        f"curl -X POST {base}/api/models/{next(iter(catalog))}/images \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps({'count': 16, 'seed': 0})}' -o images.png"
    )
    links = [tag("a", place, href=place) for place in ("/docs", "/api/models")]
    about = tag("p", f"{text['api_text']} ", links[0], " · ", links[1])
    return tag("section", tag("h2", text["api"]), about, tag("pre", command))


# --- parts of both pages ------------------------------------------------------------------------


def _state(view: dict[str, Any]) -> Markup:
    state = {"data_state": view["state"], "data_fill": "state"}
    return tag("span", view["state_text"], class_="state", **state)


def _bar(view: dict[str, Any], name: str) -> Markup:
    return tag("progress", value=view["share"], max=1, data_fill="share", aria_label=name)


def _summary(view: dict[str, Any]) -> Markup:
    return tag("p", view["summary"], class_="summary", data_fill="summary")


def _problem(served: ServedModel, text: Translation) -> Markup:
    """Return a line for a checkpoint that cannot be loaded; an older one may be served."""
    return tag("p", text["problem"], class_="summary") if served.problem else EMPTY


def _play(served: ServedModel, text: Translation) -> Markup:
    return _link(text["play"], f"/models/{served.name}/play", "ready", bool(served.model))


def _link(label: str, place: str, what: str, exists: bool) -> Markup:
    """Return a link that is hidden until there is something at its address."""
    return tag("a", label, href=place, class_="button second", **_shown(what, exists))


def _shown(what: str, now: bool) -> dict[str, str]:
    """Return the attributes of an element that the script shows when there is `what`."""
    return {"data_show": what, **({} if now else {"hidden": "hidden"})}


def _picture(name: str, grids: tuple[int, ...], text: Translation) -> Markup:
    """Return the newest sample grid, or a placeholder before the first."""
    shown = {"src": f"/runs/{name}/grids/{grids[-1]}.png"} if grids else {"hidden": "hidden"}
    data = {"data_fill": "grid", "data_grids": f"/runs/{name}/grids/"}
    image = tag("img", alt=_caption(grids, text), **shown, **data)
    none = tag("span", text["no_grid"], class_="none", **_shown("no-grid", not grids))
    return joined(image, none)


def _caption(grids: tuple[int, ...], text: Translation) -> str:
    return text["after"].format(f"{grids[-1]:,}") if grids else ""


# --- one run ------------------------------------------------------------------------------------


def run(served: ServedModel, catalog: Catalog, text: Translation) -> str:
    """Return the page of a run."""
    name, view = served.name, view_model.full(served.watched().status(), text)
    title = tag("div", tag("h1", name), _state(view), class_="title")
    problem, links = _problem(served, text), _links(served, view, text)
    header = tag("header", title, _bar(view, name), _summary(view), problem, links)
    panels = tag("div", _grids(name, view, text), _facts(view), class_="panels")
    content = (_others(name, catalog, text), header, panels, _curves(view, text))
    data = {"data_events": f"/runs/{name}/events", "data_run": name}
    return _page(f"{name} · Ganbaru", text, *content, **data)


def _others(name: str, catalog: Catalog, text: Translation) -> Markup:
    """Return links to all runs, if there are several."""
    links = [
        tag("a", other, href=f"/runs/{other}", aria_current="page" if other == name else "false")
        for other, served in catalog.items()
        if served.watcher
    ]
    return tag("nav", *links, class_="others", aria_label=text["runs"]) if links[1:] else EMPTY


def _links(served: ServedModel, view: dict[str, Any], text: Translation) -> Markup:
    place = f"/runs/{served.name}"
    waiting = _shown("waiting", served.model is None)
    return tag(
        "p",
        _play(served, text),
        _link(text["report"], f"{place}/report", "report", view["report"]),
        _link(text["timelapse"], f"{place}/timelapse.gif", "film", view["film"]),
        tag("a", text["card"], href=f"/api/models/{served.name}", class_="button second"),
        tag("span", text["untrained"], class_="wait", **waiting),
        class_="actions",
    )


def _grids(name: str, view: dict[str, Any], text: Translation) -> Markup:
    """Return the newest sample grid, with a slider through the earlier ones."""
    last = max(0, len(view["grids"]) - 1)
    labels = {"data_pause": text["pause"], "data_run_through": text["run_through"]}
    button = tag("button", text["run_through"], type="button", data_control="run", **labels)
    steps = {"min": 0, "max": last, "value": last, "data_control": "slider"}
    slider = tag("input", type="range", aria_label=text["slider"], **steps)
    fill = {"data_fill": "caption", "data_text": text["after"]}
    caption = tag("figcaption", _caption(view["grids"], text), **fill)
    return tag(
        "section",
        tag("h2", text["grids"]),
        tag("figure", _picture(name, view["grids"], text), caption, class_="hero"),
        tag("div", button, slider, class_="controls", **_shown("grids", last > 0)),
        data_numbers=json.dumps(view["grids"]),
        class_="pictures",
    )


def _facts(view: dict[str, Any]) -> Markup:
    rows = (tag("div", tag("dt", name), tag("dd", value)) for name, value in view["facts"])
    return tag("dl", *rows, class_="numbers", data_fill="facts")


def _curves(view: dict[str, Any], text: Translation) -> Markup:
    absent = _shown("no-charts", not view["charts"])
    return tag(
        "section",
        tag("h2", text["curves"]),
        tag("p", text["no_curves"], class_="absent", **absent),
        tag("div", view["charts"], class_="charts", data_fill="charts"),
    )
