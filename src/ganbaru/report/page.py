"""The HTML page of a report: its sections, each a function of the facts, in both languages."""

from __future__ import annotations

import collections
import functools
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from ganbaru import coerce, registry
from ganbaru.config import TOTALS, flag, to_yaml
from ganbaru.formatting import number
from ganbaru.metrics import definitions
from ganbaru.metrics.memorization import SHEET
from ganbaru.metrics.passport import Evaluation, Score
from ganbaru.report import card, chart, film, frame, reproduction
from ganbaru.report.curves import Chart, curves, evaluated
from ganbaru.report.facts import Facts
from ganbaru.report.findings import findings
from ganbaru.report.markup import Markup, joined, tag
from ganbaru.report.pictures import embedded
from ganbaru.report.translations import (
    METRICS,
    TRANSLATIONS,
    Translation,
    both,
    each,
    lasting,
    picture,
    sentence,
)

NOTHING = Markup()
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
Part = Callable[[Facts, Translation], Markup]


def page(facts: Facts) -> str:
    """Return the whole HTML document."""
    name = facts.credits.title or facts.name
    description = TRANSLATIONS["en"]["description"].format(name, facts.data["name"])
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        # Nothing is fetched, whatever a name in the page contains.
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        frame.head(name, description, facts.credits),
        tag("style", Markup(frame.style("style.css"))),
    )
    section = functools.partial(_section, facts)
    main = tag(
        "main",
        _top(facts, name),
        tag("div", film.film(facts.grids), section(_reproduce, _options(facts)), class_="first"),
        section(_doctor),
        _curves(facts),
        section(_scores),
        section(_memorization, _sheet(facts)),
        section(_card),
        section(_machine),
    )
    body = tag("body", frame.header(), main, frame.footer(facts.credits))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _section(facts: Facts, part: Part, *rest: Markup) -> Markup:
    """Return a section of a part in each language, and of what has no language."""
    return tag("section", each(functools.partial(part, facts)), *rest)


def _titled(title: str, *content: str) -> Markup:
    return joined(tag("h2", title), *content)


def _missing(title: str, why: str, *commands: str) -> Markup:
    """Return what is not known, and the commands to find out, to copy."""
    code = tag("pre", "\n".join(commands), class_="command") if commands else NOTHING
    return _titled(title, tag("p", why, class_="absent"), code)


def _table(rows: Iterable[tuple[str, str]]) -> Markup:
    """Return a table of names and values."""
    cells = (tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows)
    return tag("table", *cells, class_="facts")


# --- the run ----------------------------------------------------------------------------------


def _top(facts: Facts, name: str) -> Markup:
    last = facts.log[-1] if facts.log else {"images": 0, "seconds": 0.0}

    def line(text: Translation) -> str:
        time, images = lasting(last["seconds"], text), f"{int(last['images']):,}"
        return text["summary"].format(facts.data["name"], size(facts, text), images, time)

    warnings = (
        tag("p", each(functools.partial(sentence, warning), "span"), class_="warning")
        for warning in facts.warnings.values()
    )
    return joined(tag("h1", name), tag("p", each(line, "span"), class_="summary"), *warnings)


def _reproduce(facts: Facts, text: Translation) -> Markup:
    # Words are not broken: a line that ends in the hyphens of a flag is hard to read.
    words = reproduction.command(facts.config, facts.name).split(" ")
    spans = [joined(tag("span", word), " ") for word in words]
    command, config = tag("pre", *spans, class_="command"), facts.config
    note = text["exact"]
    if reproduction.by_clock(config) and facts.log:
        note = text["exact_steps"].format(int(facts.log[-1]["step"]))
    if any(change["settings"].keys() - TOTALS for change in facts.history):
        note = text["changed"]
    if config.data not in registry.names("data"):
        note = text["unplaced"].format(note)
    counts = {name: f"{count:,}" for name, count in facts.made.get("parameters", {}).items()}
    totals = (
        text[f"length_{name}"].format(f"{getattr(config, name):,.10g}")
        for name in TOTALS
        if getattr(config, name)
    )
    rates = coerce.shown(config.rates)
    penalty = text["none"] if config.penalty == "none" else config.penalty
    rows = [
        ("preset", config.preset or text["none"]),
        ("networks", text["network"].format(config.network, config.width)),
        *([("parameters", text["counts"].format(*counts.values()))] if counts else []),
        ("objective", text["penalty"].format(config.objective, penalty)),
        ("optimizer", text["rates"].format(config.optimiser, rates)),
        ("batch", str(config.batch)),
        ("length", text["or"].join(totals)),
        ("seed", str(config.seed)),
        *(("resumed", each) for each in _changes(facts, text)),
    ]
    table = _table((text[name], value) for name, value in rows)
    return _titled(text["reproduce"], command, tag("p", note), table)


def _changes(facts: Facts, text: Translation) -> list[str]:
    return [
        text["settings"].format(
            f"{change['images']:,}",
            ", ".join(f"{flag(name)} {a} -> {b}" for name, (a, b) in change["settings"].items()),
        )
        for change in facts.history
    ]


def _options(facts: Facts) -> Markup:
    return tag("details", tag("summary", both("options")), tag("pre", to_yaml(facts.config)))


def size(facts: Facts, text: Translation) -> str:
    """Return the size and colours of a run's images as text."""
    height, width, channels = facts.data["shape"]
    return text[f"size_{channels}"].format(height, width)


# --- training ---------------------------------------------------------------------------------


def _doctor(facts: Facts, text: Translation) -> Markup:
    found = findings(facts.log, facts.config, text)
    lines = (tag("p", line, **({"class_": "warning"} if bad else {})) for line, bad in found)
    return _titled(text["doctor"], *lines)


def _curves(facts: Facts) -> Markup:
    if len(facts.log) < 2:
        return NOTHING
    drawn = [_charts(facts, text) for text in TRANSLATIONS.values()]
    figures = (chart.svg(*(charts[name] for charts in drawn)) for name in drawn[0])
    healthy = tag("p", both("healthy"), class_="absent")
    charts = tag("div", *figures, class_="charts")
    return tag("section", tag("h2", both("curves")), healthy, charts)


def _charts(facts: Facts, text: Translation) -> dict[str, Chart]:
    found = curves(facts.log, facts.baselines, text)
    return found if "frechet" in found else {**found, **evaluated(facts.scores, text)}


# --- evaluation -------------------------------------------------------------------------------


def _scores(facts: Facts, text: Translation) -> Markup:
    if not facts.scores:
        why = text["scored_training" if facts.baselines else "not_scored"]
        return _missing(text["scores"], why, *_commands(facts, "evaluate"))
    newest = facts.scores[-1]
    passport = newest.passport
    names = ("score", "value", "interval_95", "real_images")
    heading = tag("tr", *(tag("th", text[name], scope="col") for name in names))
    known = definitions.METRICS
    rows = (_score(name, score, text) for name, score in newest.scores.items() if name in known)
    counts = f"{passport.fakes:,}", _checkpoint(newest, text), f"{passport.reals:,}"
    sets = (sentence(each, text) for each in (passport.reference, passport.floor))
    said = tag("p", text["scored"].format(*counts, *sets))
    table = tag("table", tag("thead", heading), tag("tbody", *rows), class_="scores")
    conditions = [
        ("scorer", f"{passport.scorer}, {passport.scorer_hash[:12]}"),
        ("pictures", passport.resize),
        ("interval", passport.interval),
        *(("note", note) for note in newest.notes),
    ]
    rest = _table((text[name], sentence(value, text)) for name, value in conditions)
    details = tag("details", tag("summary", text["depends"]), rest)
    return _titled(text["scores"], said, table, details)


def _commands(facts: Facts, command: str) -> list[str]:
    return [f"ganbaru {each} {shlex.quote(facts.name)}" for each in (command, "report")]


def _checkpoint(found: Evaluation, text: Translation) -> str:
    images = str(found.origin.get("checkpoint", ""))
    if images == "best":
        return text["checkpoint_best"]
    return text["checkpoint_at"].format(f"{int(images):,}") if images.isdigit() else found.subject


def _score(name: str, score: Score, text: Translation) -> Markup:
    metric = definitions.METRICS[name]
    title, meaning = METRICS[text["language"]].get(name, (metric.title, metric.meaning))
    better = text[f"better_{metric.better}"].format(meaning)
    return tag(
        "tr",
        tag("th", joined(title, tag("small", better)), scope="row"),
        tag("td", number(score.value)),
        tag("td", score.interval(number).replace(" to ", text["to"])),
        tag("td", number(score.floor)),
    )


def _memorization(facts: Facts, text: Translation) -> Markup:
    found = facts.authenticity
    if found is None:
        commands = _commands(facts, "authenticity")
        return _missing(text["memorization"], text["not_measured"], *commands)
    repeats = text["no_repeats"]
    if found.repeated:
        repeats = text["share_of"].format(f"{found.repeated:,}", f"{found.training:,}")
    values = {
        "verdict": found.verdict(),
        "images": f"{found.images:,}",
        "share": found.copying.share,
    }
    values |= {name: getattr(found.copying, name) for name in ("rate", "low", "high", "floor", "p")}
    verdict = text["copying_yes" if found.is_copying else "copying_no"].format(**values)
    held = text["held"].format(sentence(found.held_out, text), repeats)
    return _titled(text["memorization"], tag("p", verdict, class_="verdict"), tag("p", held))


def _sheet(facts: Facts) -> Markup:
    """Return the picture of generated images beside their nearest training images."""
    sheet = facts.authenticity.folder / SHEET if facts.authenticity else Path()
    if not sheet.is_file():
        return NOTHING
    image = picture("neighbours", embedded(sheet, 1200))
    scrolled = tag("div", image, class_="wide", tabindex=0)
    return tag("figure", scrolled, tag("figcaption", both("neighbour_rows")))


# --- about ------------------------------------------------------------------------------------


def _card(facts: Facts, text: Translation) -> Markup:
    return _titled(text["card_title"], _table(card.rows(facts, size(facts, text), text)))


def _machine(facts: Facts, text: Translation) -> Markup:
    if not facts.made:
        return _missing(text["machine"], text["not_recorded"])
    known = collections.defaultdict(lambda: "?", facts.made)
    rows = [
        ("engine", sentence(f"{known['engine']}, {facts.config.precision}", text)),
        ("versions", "ganbaru {ganbaru}, Python {python}, NumPy {numpy}".format_map(known)),
        ("computer", text["cores"].format(known["system"], known["cores"])),
    ]
    if facts.log:
        last = facts.log[-1]
        pace = f"{last['images'] / max(1e-9, last['seconds']):,.0f}"
        rows.append(("time", text["pace"].format(lasting(last["seconds"], text), pace)))
    return _titled(text["machine"], _table((text[name], value) for name, value in rows))
