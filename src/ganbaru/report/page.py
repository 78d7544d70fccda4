"""The HTML page of a report: its sections, each a function of the facts."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np

from ganbaru import coerce
from ganbaru.config import TOTALS, to_yaml
from ganbaru.formatting import duration, number
from ganbaru.metrics import diagnosis
from ganbaru.metrics.definitions import METRICS
from ganbaru.metrics.memorization import SHEET
from ganbaru.metrics.passport import Evaluation, Score
from ganbaru.report import card, chart, reproduction
from ganbaru.report.curves import curves, evaluated
from ganbaru.report.facts import Facts
from ganbaru.report.markup import Markup, joined, tag
from ganbaru.report.pictures import MAX_WIDTH, embedded
from ganbaru.training import resuming

MAX_GRIDS = 6
GRID = "a grid of generated images"
NOTHING = Markup()
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(facts: Facts) -> str:
    """Return the whole HTML document."""
    style = resources.files("ganbaru.report").joinpath("style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Nothing is fetched, whatever a name in the page contains.
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{facts.name}: a run of Ganbaru"),
        tag("style", Markup(style)),
    )
    first = tag("div", _top(facts), _reproduce(facts), class_="first")
    sections = (_doctor, _curves, _samples, _scores, _memorization, _card, _machine)
    body = tag("body", tag("main", first, *(section(facts) for section in sections)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _section(title: str, *content: str) -> Markup:
    return tag("section", tag("h2", title), *content)


def _absent(title: str, text: str) -> Markup:
    return _section(title, tag("p", text, class_="absent"))


def _figure(picture: Path, alt: str, caption: str, width: int, **attributes: str) -> Markup:
    """Return an embedded picture of at most `width` pixels with its caption."""
    image = tag("img", src=embedded(picture, width), alt=alt)
    return tag("figure", image, tag("figcaption", caption), **attributes)


def _table(rows: Iterable[tuple[str, str]]) -> Markup:
    """Return a table of names and values."""
    cells = (tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows)
    return tag("table", *cells, class_="facts")


# --- the run ----------------------------------------------------------------------------------


def _top(facts: Facts) -> Markup:
    last = facts.log[-1] if facts.log else {"images": 0, "seconds": 0.0}
    line = (
        f"{facts.data['name']}, {_size(facts)}: {int(last['images']):,} images shown in "
        f"{duration(last['seconds'])}"
    )
    warnings = (tag("p", each, class_="warning") for each in facts.warnings.values())
    heading = tag("header", tag("h1", facts.name), tag("p", line, class_="summary"), *warnings)
    if not facts.grids:
        return tag("div", heading)
    grid = facts.grids[-1]
    caption = f"fixed latents after {int(grid.stem):,} images"
    return tag("div", heading, _figure(grid, GRID, caption, MAX_WIDTH, class_="hero"))


def _reproduce(facts: Facts) -> Markup:
    # Words are not broken: a line that ends in the hyphens of a flag is hard to read.
    words = reproduction.command(facts.config, facts.name).split(" ")
    spans = [joined(tag("span", word), " ") for word in words]
    command = tag("pre", *spans, class_="command")
    note, config = (
        "On the same machine and versions, the result is the same to the bit",
        facts.config,
    )
    if reproduction.by_clock(config) and facts.log:
        note = f"The run ended by time, so a faster machine trains further. {note} with --steps "
        note += str(int(facts.log[-1]["step"]))
    if any(change["settings"].keys() - TOTALS for change in facts.history):
        note = "The settings changed during the run, so this trains another one, with the last ones"
    parameters = facts.made.get("parameters", {})
    counts = ", ".join(f"{name} {count:,}" for name, count in parameters.items())
    totals = (f"{getattr(config, name):g} {name}" for name in TOTALS if getattr(config, name))
    rows = [
        ("preset", config.preset or "none"),
        ("networks", f"{config.network}, width {config.width}"),
        *([("parameters", counts)] if counts else []),
        ("objective", f"{config.objective}, penalty {config.penalty}"),
        ("optimizer", f"{config.optimiser}, learning rates {coerce.shown(config.rates)} (G D)"),
        ("batch", str(config.batch)),
        ("length", " or ".join(totals)),
        ("seed", str(config.seed)),
        *(("resumed", sentence) for sentence in resuming.described(facts.history)),
    ]
    options = tag("details", tag("summary", "all options"), tag("pre", to_yaml(config)))
    return _section("Reproduce", command, tag("p", f"{note}."), _table(rows), options)


def _size(facts: Facts) -> str:
    height, width, channels = facts.data["shape"]
    return f"{height}×{width} {coerce.MODES[channels].name}"


# --- training ---------------------------------------------------------------------------------


def _doctor(facts: Facts) -> Markup:
    found = diagnosis.diagnose(facts.log, facts.config)
    lines = [tag("p", each.sentence(), class_="warning") for each in found.findings]
    if not lines and not found.notes:
        lines = [tag("p", "No findings.")]
    return _section("Doctor", *lines, *(tag("p", note) for note in found.notes))


def _curves(facts: Facts) -> Markup:
    if len(facts.log) < 2:
        return NOTHING
    charts = curves(facts.log, facts.baselines)
    if "frechet" not in charts:
        charts |= evaluated(facts.scores)
    drawn = map(chart.svg, charts.values())
    return _section("Training curves", tag("div", *drawn, class_="charts"))


def _samples(facts: Facts) -> Markup:
    if len(facts.grids) < 2:
        return NOTHING
    count = len(facts.grids)
    places = np.linspace(0, count - 1, min(MAX_GRIDS, count)).round().astype(int)
    chosen = (facts.grids[i] for i in places)
    figures = (_figure(path, GRID, f"{int(path.stem):,} images", 640) for path in chosen)
    return _section("Samples of fixed latents over time", tag("div", *figures, class_="grids"))


# --- evaluation -------------------------------------------------------------------------------


def _scores(facts: Facts) -> Markup:
    if not facts.scores:
        state = "Scored during training only" if facts.baselines else "Not scored yet"
        text = f"{state}. Run ganbaru evaluate for scores with intervals, then ganbaru report."
        return _absent("Scores", text)
    newest = facts.scores[-1]
    passport = newest.passport
    names = ("score", "value", "95 % interval", "real images")
    heading = tag("tr", *(tag("th", name, scope="col") for name in names))
    rows = (_score(name, score) for name, score in newest.scores.items() if name in METRICS)
    text = (
        f"{passport.fakes:,} images of {_checkpoint(newest)} against {passport.reals:,} real ones "
        f"({passport.reference}). Real images: the scores of {passport.floor}, the best that "
        f"can be expected."
    )
    table = tag("table", tag("thead", heading), tag("tbody", *rows), class_="scores")
    conditions = [
        ("scorer", f"{passport.scorer}, {passport.scorer_hash[:12]}"),
        ("images", passport.resize),
        ("interval", passport.interval),
        *(("note", note) for note in newest.notes),
    ]
    details = tag("details", tag("summary", "what these numbers depend on"), _table(conditions))
    return _section("Scores", tag("p", text), table, details)


def _checkpoint(found: Evaluation) -> str:
    images = str(found.origin.get("checkpoint", ""))
    return f"the checkpoint at {int(images):,}" if images.isdigit() else found.subject


def _score(name: str, score: Score) -> Markup:
    metric = METRICS[name]
    title = joined(metric.title, tag("small", f"{metric.better} is better: {metric.meaning}"))
    return tag(
        "tr",
        tag("th", title, scope="row"),
        tag("td", number(score.value)),
        tag("td", score.interval(number)),
        tag("td", number(score.floor)),
    )


def _memorization(facts: Facts) -> Markup:
    found = facts.authenticity
    if found is None:
        text = "Not measured yet. Run ganbaru authenticity, then ganbaru report."
        return _absent("Memorization", text)
    repeats = "no" if not found.repeated else f"{found.repeated:,} of {found.training:,}"
    text = f"Held out: {found.held_out}. Duplicates in the training set: {repeats}."
    parts = [tag("p", found.verdict(), class_="verdict"), tag("p", text)]
    sheet = found.folder / SHEET
    if sheet.exists():
        alt = "generated images and their nearest training images"
        caption = (
            "each row: a generated image, then its nearest training images; distance 0 is a copy"
        )
        parts.append(_figure(sheet, alt, caption, 1200, class_="wide"))
    return _section("Memorization", *parts)


# --- about ------------------------------------------------------------------------------------


def _card(facts: Facts) -> Markup:
    return _section("Model card", _table(card.rows(facts, _size(facts))))


def _machine(facts: Facts) -> Markup:
    if not facts.made:
        return _absent("Machine", "Not recorded.")
    known = collections.defaultdict(lambda: "?", facts.made)
    rows = [
        ("engine", f"{known['engine']}, {facts.config.precision}"),
        ("versions", "ganbaru {ganbaru}, Python {python}, NumPy {numpy}".format_map(known)),
        ("machine", "{system}, {cores} cores".format_map(known)),
    ]
    if facts.log:
        last = facts.log[-1]
        speed = last["images"] / max(1e-9, last["seconds"])
        rows.append(("time", f"{duration(last['seconds'])}, {speed:,.0f} images a second"))
    return _section("Machine", _table(rows))
