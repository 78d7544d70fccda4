"""The pages as HTML, complete from the server; the script `live.js` only updates them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from ganbaru.report import frame
from ganbaru.report.markup import Markup, joined, tag
from ganbaru.report.translations import Reader, Translation, sentence
from ganbaru.serve import reference, view_model
from ganbaru.serve.catalog import Catalog, ServedModel

EMPTY = Markup()


def static_files() -> dict[str, tuple[bytes, str]]:
    """Return the content and media type of the files that pages load, by name."""
    own = resources.files("ganbaru.serve").joinpath("static")
    style = frame.style("style.css") + own.joinpath("serve.css").read_text(encoding="utf-8")
    return {
        "pages.css": (style.encode(), "text/css; charset=utf-8"),
        "live.js": (own.joinpath("live.js").read_bytes(), "text/javascript; charset=utf-8"),
    }


def _page(
    title: str, reader: Reader, *content: str, back: tuple[str, str] | None = None, **body: Any
) -> str:
    text = reader.text
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        frame.head(title, text["intro"]),
        tag("link", rel="stylesheet", href="/static/pages.css"),
        tag("script", src="/static/live.js", type="module"),
    )
    states = {"data_lost": text["lost"], "data_connected": text["connected"]}
    connection = tag("p", class_="connection", role="status", **states)
    top = frame.header(text["language"], reader.theme, back, "/", connection)
    whole = tag("body", top, tag("main", *content), frame.footer(), **body)
    return f"<!doctype html>\n{tag('html', head, whole, lang=text['language'])}\n"


def error(detail: str, reader: Reader) -> str:
    """Return the page for an error."""
    title = reader.text["absent"]
    content = tag("h1", title), tag("p", sentence(detail, reader.text))
    return _page(title, reader, *content, back=("/", reader.text["back"]))


def documentation(document: dict[str, Any], catalog: Catalog, base: str, reader: Reader) -> str:
    """Return the page that describes the API."""
    content = reference.content(document, base, next(iter(catalog)))
    title = f"API · {document['info']['title']}"
    return _page(title, reader, content, back=("/", reader.text["back"]))


# --- all runs -----------------------------------------------------------------------------------


def start(catalog: Catalog, base: str, reader: Reader) -> str:
    """Return the page that lists everything; `base` is the service's address."""
    text = reader.text
    cards = tag("div", *(_card(served, text) for served in catalog.values()), class_="cards")
    heading = tag("div", tag("h1", text["runs"]), tag("p", text["intro"], class_="summary"))
    content = (heading, cards, _usage(catalog, base, text))
    return _page(f"{text['runs']} · Ganbaru", reader, *content, data_events="/events")


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
    return tag(
        "section", tag("h2", text["api"]), about, tag("pre", command, class_="command", tabindex=0)
    )


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


def run(served: ServedModel, catalog: Catalog, reader: Reader) -> str:
    """Return the page of a run."""
    name, text = served.name, reader.text
    view = view_model.full(served.watched().status(), text)
    title = tag("div", tag("h1", name), _state(view), class_="title")
    problem, links = _problem(served, text), _links(served, view, text)
    header = tag("div", title, _bar(view, name), _summary(view), problem, links)
    panels = tag("div", _grids(name, view, text), _facts(view), class_="panels")
    others = _others(name, catalog, text)
    content = (others, header, panels, _doctor(view, text), _curves(view, text))
    data = {"data_events": f"/runs/{name}/events", "data_run": name}
    return _page(f"{name} · Ganbaru", reader, *content, back=("/", text["back"]), **data)


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


def _doctor(view: dict[str, Any], text: Translation) -> Markup:
    lines = (tag("p", line, data_bad=bad) for line, bad in view["findings"])
    found = tag("div", *lines, class_="findings", data_fill="findings")
    return tag("section", tag("h2", text["doctor"]), found)


def _curves(view: dict[str, Any], text: Translation) -> Markup:
    absent = _shown("no-charts", not view["charts"])
    return tag(
        "section",
        tag("h2", text["curves"]),
        tag("p", text["healthy"], class_="absent"),
        tag("p", text["no_curves"], class_="absent", **absent),
        tag("div", view["charts"], class_="charts", data_fill="charts"),
    )
