"""The model card: what the images come from, what they are for, where to be careful."""

from __future__ import annotations

from ganbaru.data import licences
from ganbaru.report.facts import Facts

Rows = list[tuple[str, str]]


def rows(facts: Facts, size: str) -> Rows:
    """Return the card, after Mitchell et al. 2019 ("Model cards for model reporting")."""
    classes = facts.data["classes"]
    count = f"{facts.data['count']:,} images, " if "count" in facts.data else ""
    names = ", ".join(classes[:20]) + (f" and {len(classes) - 20:,} more" if classes[20:] else "")
    labels = f"; {len(classes):,} classes: {names}" if classes else "; no labels"
    told = "by class" if facts.config.conditioning != "none" else "without labels"
    return [
        ("what it is", f"a generative adversarial network ({facts.config.network}) that makes "
                       f"{size} images {told}"),
        ("data", f"{facts.data['name']}: {count}{size}{labels}. Fingerprint "
                 f"{facts.data['fingerprint'][:16]}."),
        ("meant for", "making images like those it was trained on, for study, teaching and "
                      "experiments"),
        ("not for", "passing its images off as real, as evidence, or for decisions about people"),
        ("limits", " ".join(_limits(facts))),
        ("licence", licences.note(facts.config)),
    ]  # fmt: skip


def _limits(facts: Facts) -> list[str]:
    limits = [
        "It knows nothing but its data: what is rare there is rarer here, and biases of the data "
        "come out again."
    ]
    if not facts.scores and not facts.floors:
        limits.append("How good its images are was not measured.")
    if facts.authenticity is None:
        limits.append("Whether it repeats training images was not looked into.")
    elif facts.authenticity.accused:
        rate = facts.authenticity.copying.rate
        limits.append(f"About {rate:.1%} of its images are copies of training images.")
    return limits
