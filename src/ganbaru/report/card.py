"""The model card: data, intended use and limits of a generator."""

from __future__ import annotations

from ganbaru.data import licence_note
from ganbaru.report.facts import Facts

Rows = list[tuple[str, str]]


def rows(facts: Facts, size: str) -> Rows:
    """Return the card's rows, after Mitchell et al. 2019 ("Model cards for model reporting")."""
    classes = facts.data["classes"]
    count = f"{facts.data['count']:,} images, " if "count" in facts.data else ""
    names = ", ".join(classes[:20]) + (f" and {len(classes) - 20:,} more" if classes[20:] else "")
    labels = f"; {len(classes):,} classes: {names}" if classes else "; no labels"
    conditional = "by class" if facts.config.conditioning != "none" else "without labels"
    model = f"a generative adversarial network ({facts.config.network}) for {size} images"
    fingerprint = facts.data["fingerprint"][:16]
    return [
        ("model", f"{model} {conditional}"),
        ("data", f"{facts.data['name']}: {count}{size}{labels}. Fingerprint {fingerprint}."),
        ("meant for", "images like its training data, for study, teaching and experiments"),
        ("not for", "passing its images off as real, as evidence, or for decisions about people"),
        ("limits", " ".join(_limits(facts))),
        ("licence", licence_note(facts.config)),
    ]


def _limits(facts: Facts) -> list[str]:
    limits = [
        "It reproduces its training data: what is rare there is rarer in its images, and biases "
        "remain."
    ]
    if not facts.scores and not facts.baselines:
        limits.append("Image quality was not measured.")
    if facts.authenticity is None:
        limits.append("Memorization of training images was not measured.")
    elif facts.authenticity.is_copying:
        rate = facts.authenticity.copying.rate
        limits.append(f"About {rate:.1%} of its images are copies of training images.")
    return limits
