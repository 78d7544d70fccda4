"""The model card: data, intended use and limits of a generator."""

from __future__ import annotations

from ganbaru.config import Config
from ganbaru.data import attributes, data_licence, licence_note
from ganbaru.report.credits import Credits
from ganbaru.report.facts import Facts
from ganbaru.report.translations import TRANSLATIONS, Translation, sentence

Rows = list[tuple[str, str]]


def rows(facts: Facts, size: str, text: Translation = TRANSLATIONS["en"]) -> Rows:
    """Return the card's rows, after Mitchell et al. 2019 ("Model cards for model reporting")."""
    labels = text["by_attributes" if facts.data.get("attributes") else "by_class"]
    labels = text["unlabelled"] if facts.config.conditioning == "none" else labels
    return [
        (text["card_model"], text["card_kind"].format(facts.config.network, size, labels)),
        *([(text["author"], facts.credits.author)] if facts.credits.author else []),
        (text["card_data"], _data(facts, size, text)),
        (text["meant_for"], text["meant"]),
        (text["not_for"], text["not_meant"]),
        (text["limits"], " ".join(_limits(facts, text))),
        (text["licence"], licence(facts.config, facts.credits, text)),
    ]


def _data(facts: Facts, size: str, text: Translation) -> str:
    data, columns = facts.data, [each.name for each in attributes.from_facts(facts.data)]
    classes = facts.data["classes"] or columns
    if "count" in data:
        found = text["card_images"].format(data["name"], f"{data['count']:,}", size)
    else:
        found = text["card_uncounted"].format(data["name"], size)
    names = ", ".join(classes[:20])
    if classes[20:]:
        names = text["more_names"].format(names, f"{len(classes) - 20:,}")
    labels = text["card_classes" if classes else "card_no_labels"]
    labels = text["card_attributes"] if columns else labels
    found = labels.format(found, f"{len(classes):,}", names)
    return text["fingerprint"].format(found, data["fingerprint"][:16])


def _limits(facts: Facts, text: Translation) -> list[str]:
    limits = [text["limit_data"]]
    if not facts.scores and not facts.baselines:
        limits.append(text["limit_scores"])
    if facts.authenticity is None:
        limits.append(text["limit_copies"])
    elif facts.authenticity.is_copying:
        limits.append(text["limit_copying"].format(facts.authenticity.copying.rate))
    return limits


def licence(config: Config, credits: Credits, text: Translation) -> str:
    """Return what is known of the licences of weights, images and data."""
    known = data_licence(config)
    key = "licence_known" if known else "licence_unknown"
    note = text[key].format(note=licence_note(config), licence=sentence(known, text))
    stated = credits.licence
    return f"{text['licence_stated'].format(stated)} {note}" if stated else note
