"""The model card of a shared generator: a README.md with the front matter that hubs read."""

from __future__ import annotations

import dataclasses
import json
import re

from ganbaru.formatting import as_markdown
from ganbaru.metrics.definitions import METRICS
from ganbaru.metrics.passport import Evaluation
from ganbaru.report import card, facts
from ganbaru.report.credits import UNSAID, Credits
from ganbaru.report.facts import Facts
from ganbaru.sampling.players import Player
from ganbaru.training.run_folder import Folder

_TOP = """---
library_name: ganbaru
pipeline_tag: unconditional-image-generation
{licence}
tags:
- gan
- dcgan
- image-generation
---"""
# Licences that hubs know by these names; any other is "other" with its own name.
_KNOWN = re.compile(
    r"mit|apache-2\.0|bsd-3-clause|gpl-3\.0|cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-4\.0|unlicense"
)


def licence_lines(licence: str) -> str:
    """Return the lines of a hub's front matter for a licence; "" is none that is stated."""
    name = licence.lower().replace(" ", "-")
    if _KNOWN.fullmatch(name):
        return f"license: {name}"
    more = f"\nlicense_name: {json.dumps(licence)}" if licence else ""
    return f"license: other{more}"


def text(player: Player, name: str, picture: str, credits: Credits = UNSAID) -> str:
    """Return the card as Markdown: images, usage, the report's card, and scores if known."""
    found = dataclasses.replace(_facts(player), credits=credits)
    size = "x".join(map(str, found.data["shape"]))
    rows = "\n".join(f"| {name} | {as_markdown(value)} |" for name, value in card.rows(found, size))
    scores = "\n\n".join(map(_scores, found.scores[-1:]))
    return f"""{_TOP.format(licence=licence_lines(credits.licence))}

# {as_markdown(credits.title or name)}

![images of the first seeds]({picture})

```python
import ganbaru

generator = ganbaru.from_pretrained({json.dumps(name)})  # a folder, or user/name on the hub
images = generator.sample(16, seed=0)  # uint8 (16, H, W, C)
```

The same on the command line: `ganbaru generate model.safetensors -n 64 -o images.png`.

| | |
|---|---|
{rows}
| training | {player.header.images:,} images shown, seed {player.config.seed} |

{scores}""".rstrip()


def _facts(player: Player) -> Facts:
    """Return the facts of a player's run, with scores of this checkpoint only."""
    owner = Folder(player.path.resolve().parent.parent)
    if not owner.config.exists():
        return Facts(owner, player.config, player.header.data, {}, [], {}, [], [], None)
    found = facts.read(owner)
    copies = found.authenticity
    this = player.path.stem
    return dataclasses.replace(
        found,
        baselines={},
        scores=[each for each in found.scores if each.origin.get("checkpoint") == this],
        authenticity=copies if copies and copies.origin.get("checkpoint") == this else None,
    )


def _scores(found: Evaluation) -> str:
    """Return a table of scores with their passport: images, data and scorer."""
    rows = "\n".join(
        f"| {METRICS[name].title}, {METRICS[name].better} is better | {score.value:.4g} | "
        f"{score.interval('{:.4g}'.format)} | {score.floor:.4g} |"
        for name, score in found.scores.items()
        if name in METRICS
    )
    passport = found.passport
    fakes, reals = passport.fakes, passport.reals
    texts = (passport.data, passport.reference, passport.scorer, passport.scorer_hash[:12])
    of, reference, scorer, digest = map(as_markdown, texts)
    return f"""## Scores

| score | value | 95 % interval | real images |
|---|---|---|---|
{rows}

{fakes:,} images against {reals:,} real ones of {of}
({reference}), scorer {scorer}
{digest}. Comparable only with scores of the same scorer and counts."""
