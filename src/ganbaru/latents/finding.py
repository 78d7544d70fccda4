"""Ways to find directions: a linear fit to answers, and without answers two that need none."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import records
from ganbaru.engines.numpy.parallel import ONE_BLAS_THREAD
from ganbaru.errors import InputError, shortened
from ganbaru.export.page import directions as closed_form
from ganbaru.export.page import plan
from ganbaru.latents.layer_features import last_features
from ganbaru.sampling import latent_spaces
from ganbaru.sampling.directions import Array, Direction
from ganbaru.sampling.generators import Generator
from ganbaru.sampling.labels import groups
from ganbaru.sampling.players import Player

FOLDS = 5  # of the held-out accuracy
SAMPLED = 512  # images whose features give components
MOST_ANSWERS = 100_000
WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

Answers = NDArray[np.bool_]


@ONE_BLAS_THREAD
def fitted(w: Array, yes: Answers, way: str, checkpoint: str) -> Direction:
    """Return the direction of a logistic regression from normal numbers (N, Z) to answers (N,).

    Its accuracy is balanced (the mean of both answers'), by cross-validation in five parts, or as
    many as the rarer answer has; with a single image of one answer there is none.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rarer = min(int(yes.sum()), int((~yes).sum()))
    if not rarer:
        raise InputError(
            f"All {len(yes):,} answers are the same: a direction needs images of both kinds."
        )
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    accuracy = None
    if rarer > 1:
        folds = StratifiedKFold(min(FOLDS, rarer), shuffle=True, random_state=0)
        right = cross_val_predict(model, w, yes, cv=folds) == yes
        accuracy = float((right[yes].mean() + right[~yes].mean()) / 2)
    vector = model.fit(w, yes).coef_[0]
    return _unit(vector, way, checkpoint, of=len(yes), accuracy=accuracy, chance=0.5)


def main(player: Player, count: int, checkpoint: str) -> dict[str, Direction]:
    """Return the directions that change the first layer most (`export.page.directions`)."""
    found = closed_form.main(plan.traced(player), *player.shape).vectors[:count]
    if not len(found):
        raise InputError(
            "This generator's latents meet no layer at once, so it has no main directions: give "
            "--components."
        )
    return {f"main-{i}": _unit(v, "first layer", checkpoint) for i, v in enumerate(found, 1)}


@ONE_BLAS_THREAD
def components(
    player: Player, generator: Generator, count: int, checkpoint: str
) -> dict[str, Direction]:
    """Return directions of the principal components of the last layer's features.

    As GANSpace does for a layer that latents do not reach linearly (Härkönen et al. 2020, eq. 3):
    the regression of latents on each component's coordinates.
    """
    seeds = generator.seeds(SAMPLED)
    latents, labels = generator.latents(seeds), generator.labels(seeds)
    features = last_features(player, latents, *([] if labels is None else [labels]))
    for places in groups(labels, len(seeds)):  # what the label changes is no direction of latents
        features[places] -= features[places].mean(axis=0)
    features -= features.mean(axis=0)
    values, vectors = np.linalg.eigh((features @ features.T).astype(np.float64))
    w = latent_spaces.space(generator.distribution).to_normal(latents)
    order = np.argsort(-values)[: min(count, w.shape[1])]
    way = "last layer's features"
    return {
        f"component-{i}": _unit(vectors[:, k] @ w, way, checkpoint, of=SAMPLED)
        for i, k in enumerate(order, 1)
    }


def _unit(vector: Array, way: str, checkpoint: str, **about: object) -> Direction:
    """Return a direction; of those found without answers, the largest number is positive."""
    unit = vector / max(float(np.linalg.norm(vector)), 1e-30)
    if "chance" not in about:
        unit = unit * np.sign(unit[np.abs(unit).argmax()])
    return Direction([float(x) for x in unit], way, checkpoint, **about)  # type: ignore[arg-type]


def read_answers(path: Path) -> tuple[list[int], Answers]:
    """Read a table of seeds and answers (yes, no, true, false, 1 or 0), one pair a line.

    A first line of headings is passed over. Raises InputError for a line of another form.
    """
    fix = "Write one line for each image: its seed, a comma, and yes or no."
    try:
        text = records.content(path, fix).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no table of answers ({error}). {fix}") from error
    seeds: list[int] = []
    answers: list[bool] = []
    for i, row in enumerate(rows, 1):
        cells = [cell.strip().lower() for cell in row]
        if not any(cells) or (i == 1 and not cells[0].isdigit()):
            continue
        right = len(cells) == 2 and re.fullmatch("[0-9]{1,18}", cells[0]) and cells[1] in WORDS
        if not right:
            line = shortened(",".join(row))
            raise InputError(f"{path}, line {i}: {line!r} is no seed and answer. {fix}")
        seeds.append(int(cells[0]))
        answers.append(WORDS[cells[1]])
    if not 2 <= len(seeds) <= MOST_ANSWERS:
        raise InputError(f"{path} has {len(seeds):,} answers: 2 to {MOST_ANSWERS:,} work. {fix}")
    return seeds, np.array(answers)


def examples(plus: Sequence[int], minus: Sequence[int]) -> tuple[list[int], Answers]:
    """Return the seeds of both sets and their answers; raises InputError for a seed in both."""
    if not plus or not minus:
        raise InputError("Give seeds of both kinds: --plus 3,7 --minus 1,4.")
    if both := sorted({*plus} & {*minus}):
        raise InputError(f"Seed {both[0]} is in --plus and in --minus: give it in one of them.")
    if wrong := [seed for seed in (*plus, *minus) if not 0 <= seed < 2**63]:
        raise InputError(f"Seed {wrong[0]} is out of range: give integers from 0.")
    return [*plus, *minus], np.arange(len(plus) + len(minus)) < len(plus)
