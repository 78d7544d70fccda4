"""Small GANs of every kind: objectives, penalties, conditionings and ways to share a batch."""

from __future__ import annotations

import itertools

import pytest

from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES
from ganbaru.nn.conditioning import CONDITIONINGS

NORMS = {name: {"norm": "none"} for name in ("fd-r1", "fd-r2")}  # no statistics of a batch
LABELLED = itertools.cycle(CONDITIONINGS)
# Every objective and every penalty without labels, and with one of the conditionings in turn: the
# label reaches the networks, the loss only sees their scores. So by default each is tried one way.
GAMES = [
    pytest.param(
        {kind: name, "conditioning": conditioning, **NORMS.get(name, {})},
        id=f"{name}-{conditioning}",
        marks=[pytest.mark.extended] * ((number + labelled) % 2),
    )
    for number, (kind, name) in enumerate(
        [
            *(("objective", name) for name, found in OBJECTIVES.items() if found.logits == 1),
            *(("penalty", name) for name in PENALTIES),
        ]
    )
    for labelled, conditioning in enumerate(("none", next(LABELLED)))
]


GAMES += [
    pytest.param(options, id=name)
    for name, options in {
        "two logits": {"objective": "two-class", "network": "dcgan-5x5", "penalty": "r1"},
        "G first": {"order": "g-first", "d_steps": 2},
        "the same latents": {"share": "latents", "conditioning": "planes"},
        "the same fakes, G first": {"share": "fakes", "order": "g-first"},
        "the same pairs": {"share": "latents", "objective": "rsgan", "conditioning": "planes"},
        "clipped, RMSprop": {"objective": "wgan", "clip": 0.05, "optimiser": "rmsprop"},
        "uniform latents": {"distribution": "uniform"},
        "short batches": {"short_batch": True, "batch": 12},
        "D's first layers frozen": {"freeze_d": 2, "penalty": "r1", "conditioning": "planes"},
    }.items()
]
GAMES += [
    pytest.param(
        {
            "shape": (28, 32, 3),
            "d_steps": 2,
            "objective": "non-saturating:real=0.9,fake=0.1",
            "penalty": "r1:gamma=2+r2:gamma=1",
            "conditioning": "projection",
        },
        id="everything at once",
    )
]
