"""The page: the sections of a report, each a function of the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import resources

import numpy as np

from ganbaru import coerce
from ganbaru.config import TOTALS, to_yaml
from ganbaru.metrics.definitions import MEASURES
from ganbaru.metrics.memorization import SHEET
from ganbaru.metrics.passport import Evaluation, Score
from ganbaru.report import card, curves, reproduction
from ganbaru.report.facts import Facts
from ganbaru.report.markup import Markup, joined, tag
from ganbaru.report.pictures import embedded

GRIDS = 6  # of a run that are shown
NOTHING = Markup()


def page(facts: Facts) -> str:
    """Return the whole HTML document."""
    style = resources.files("ganbaru.report").joinpath("style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Nothing may be fetched from anywhere, whatever a name in the page may try.
        tag("meta", http_equiv="Content-Security-Policy",
            content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{facts.name}: a run of Ganbaru"),
        tag("style", Markup(style)),
    )  # fmt: skip
    first = tag("div", _top(facts), _repeat(facts), class_="first")
    body = tag("body", tag("main", first, *(section(facts) for section in SECTIONS)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _section(title: str, *content: str) -> Markup:
    return tag("section", tag("h2", title), *content)


def _table(rows: Iterable[tuple[str, str]]) -> Markup:
    """Return a table of names and values."""
    made = (tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows)
    return tag("table", *made, class_="facts")


# --- what it is -------------------------------------------------------------------------------


def _top(facts: Facts) -> Markup:
    last = facts.log[-1] if facts.log else {"images": 0, "seconds": 0.0}
    line = (
        f"{facts.data['name']}, {_size(facts)}: {int(last['images']):,} images shown in "
        f"{_duration(last['seconds'])}"
    )
    heading = tag("header", tag("h1", facts.name), tag("p", line, class_="summary"))
    if not facts.grids:
        return tag("div", heading)
    grid = facts.grids[-1]
    caption = f"made after {int(grid.stem):,} images, of latents that stay the same"
    picture = tag("img", src=embedded(grid), alt=f"a grid of images {caption}")
    return tag("div", heading, tag("figure", picture, tag("figcaption", caption), class_="hero"))


def _repeat(facts: Facts) -> Markup:
    # Words stay whole: a line that ends in the hyphens of a flag is hard to read.
    words = reproduction.command(facts.config, facts.name).split(" ")
    spans = [joined(tag("span", word), " ") for word in words]
    command = tag("pre", *spans, class_="command")
    notes = ["On the same machine and versions, the same bits come out."]
    if reproduction.by_clock(facts.config) and facts.log:
        notes = [
            f"It ends by the clock, so on a faster machine it goes further. The same bits, on the "
            f"same machine and versions, come out with --steps {int(facts.log[-1]['step'])}."
        ]
    config, made = facts.config, facts.made
    parameters = made.get("parameters", {})
    counts = ", ".join(f"{name} {count:,}" for name, count in parameters.items())
    totals = (f"{getattr(config, name):g} {name}" for name in TOTALS if getattr(config, name))
    rows = [
        ("preset", config.preset or "none"),
        ("networks", f"{config.network}, width {config.width}"),
        *([("parameters", counts)] if counts else []),
        ("objective", f"{config.objective}, penalty {config.penalty}"),
        ("learning", f"{config.optimiser}, rates {coerce.shown(config.rates)} (G D), batch "
                     f"{config.batch}"),
        ("until", " or ".join(totals)),
        ("seed", str(config.seed)),
    ]  # fmt: skip
    options = tag("details", tag("summary", "every option"), tag("pre", to_yaml(config)))
    return _section("To repeat it", command, tag("p", *notes), _table(rows), options)


def _size(facts: Facts) -> str:
    height, width, channels = facts.data["shape"]
    return f"{height}×{width} {'grey' if channels == 1 else 'colour'}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


# --- how it went ------------------------------------------------------------------------------


def _curves(facts: Facts) -> Markup:
    if len(facts.log) < 2:
        return NOTHING
    return _section("How it went", tag("div", *curves.charts(facts), class_="charts"))


def _over_time(facts: Facts) -> Markup:
    if len(facts.grids) < 2:
        return NOTHING
    chosen = np.linspace(0, len(facts.grids) - 1, min(GRIDS, len(facts.grids))).round().astype(int)
    figures = (
        tag(
            "figure",
            tag("img", src=embedded(facts.grids[i], 640), alt="a grid of generated images"),
            tag("figcaption", f"{int(facts.grids[i].stem):,} images"),
        )
        for i in chosen
    )
    return _section("The same latents over time", tag("div", *figures, class_="grids"))


# --- how good it is ---------------------------------------------------------------------------


def _scores(facts: Facts) -> Markup:
    if not facts.scores:
        where = "It was scored only while it trained" if facts.floors else "It was not scored yet"
        text = f"{where}: ganbaru evaluate does, with intervals, and then ganbaru report."
        return _section("Scores", tag("p", text, class_="absent"))
    newest = facts.scores[-1]
    heading = tag("tr", *(tag("th", name, scope="col") for name in
                          ("score", "value", "95 % interval", "real images")))  # fmt: skip
    rows = (_score(name, score) for name, score in newest.scores.items() if name in MEASURES)
    about = f"{newest.passport.fakes:,} images of {_checkpoint(newest)} against " \
            f"{newest.passport.reals:,} real ones ({newest.passport.reference})."  # fmt: skip
    floor = f"Real images: what {newest.passport.floor} get in the generated ones' place, which " \
            f"is as good as it gets."  # fmt: skip
    passport = _table([
        ("scorer", f"{newest.passport.scorer}, {newest.passport.scorer_hash[:12]}"),
        ("images", newest.passport.resize),
        ("interval", newest.passport.interval),
        *(("note", one) for one in newest.notes),
    ])  # fmt: skip
    table = tag("table", tag("thead", heading), tag("tbody", *rows), class_="scores")
    depends = tag("details", tag("summary", "what these numbers depend on"), passport)
    return _section("Scores", tag("p", f"{about} {floor}"), table, depends)


def _checkpoint(found: Evaluation) -> str:
    images = str(found.origin.get("checkpoint", ""))
    return f"the checkpoint at {int(images):,}" if images.isdigit() else found.subject


def _score(name: str, score: Score) -> Markup:
    measure = MEASURES[name]
    title = joined(measure.title, tag("small", f"{measure.better} is better: {measure.meaning}"))
    return tag(
        "tr",
        tag("th", title, scope="row"),
        tag("td", _number(score.value)),
        tag("td", f"{_number(score.low)} to {_number(score.high)}"),
        tag("td", _number(score.floor)),
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _copies(facts: Facts) -> Markup:
    found = facts.authenticity
    if found is None:
        text = "Nobody has looked yet: ganbaru authenticity does, and then ganbaru report."
        return _section("Is it copying?", tag("p", text, class_="absent"))
    repeats = f"{found.repeated:,} of the {found.training:,} training images are duplicates of " \
              f"another." if found.repeated else "The training set has no duplicates."  # fmt: skip
    text = f"Held out: {found.held_out}. {repeats}"
    parts = [tag("p", found.verdict(), class_="verdict"), tag("p", text)]
    sheet = found.folder / SHEET
    if sheet.exists():
        caption = "each row: a generated image, then the training images nearest to it; 0 is a copy"
        picture = tag("img", src=embedded(sheet, 1200), alt="generated images and their neighbours")
        parts.append(tag("figure", tag("div", picture, class_="wide"), tag("figcaption", caption)))
    return _section("Is it copying?", *parts)


# --- what it is for ---------------------------------------------------------------------------


def _card(facts: Facts) -> Markup:
    return _section("Model card", _table(card.rows(facts, _size(facts))))


def _machine(facts: Facts) -> Markup:
    made = facts.made
    if not made:
        return _section("Machine", tag("p", "It was not written down.", class_="absent"))
    rows = [
        ("engine", f"{made['engine']}, {facts.config.precision}"),
        ("versions", f"ganbaru {made['ganbaru']}, Python {made['python']}, NumPy {made['numpy']}"),
        ("machine", f"{made['system']}, {made['cores']} cores"),
    ]
    if facts.log:
        last = facts.log[-1]
        speed = last["images"] / max(1e-9, last["seconds"])
        rows.append(("time", f"{_duration(last['seconds'])}, {speed:,.0f} images a second"))
    return _section("Machine", _table(rows))


SECTIONS: tuple[Callable[[Facts], Markup], ...] = (
    _curves, _over_time, _scores, _copies, _card, _machine,
)  # fmt: skip
