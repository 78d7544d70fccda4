"""One update of each player: the engines in step, and with a DCGAN written by hand in PyTorch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers import NUMPY32, NUMPY64, Table, assert_close, table
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import nn, ops, step
from ganbaru.conditioning import CONDITIONINGS
from ganbaru.objectives import OBJECTIVES
from ganbaru.penalties import PENALTIES

CONDITIONED = ["none", *CONDITIONINGS]
# Every objective and every penalty, without labels and with each conditioning.
GAMES = [
    pytest.param(
        {"objective": objective, "conditioning": conditioning}, id=f"{objective}-{conditioning}"
    )
    for objective in OBJECTIVES
    if OBJECTIVES[objective].logits == 1
    for conditioning in CONDITIONED
] + [
    pytest.param({"penalty": penalty, "conditioning": conditioning}, id=f"{penalty}-{conditioning}")
    for penalty in PENALTIES
    for conditioning in CONDITIONED
]


GAMES += [
    pytest.param(options, id=name)
    for name, options in {
        "two logits": {"objective": "two-class", "network": "dcgan-5x5", "penalty": "r1"},
        "G first": {"order": "g-first", "d_steps": 2},
        "the same latents": {"share": "latents", "conditioning": "planes"},
        "the very same fakes, G first": {"share": "fakes", "order": "g-first"},
        "the same pairs": {"share": "latents", "objective": "rsgan", "conditioning": "planes"},
        "clipped, RMSprop": {"objective": "wgan", "clip": 0.05, "optimiser": "rmsprop"},
        "uniform latents": {"distribution": "uniform"},
        "short batches": {"short_batch": True, "batch": 12},
    }.items()
]
GAMES += [
    pytest.param(
        {
            "shape": (28, 20, 3),
            "d_steps": 2,
            "objective": "non-saturating:real=0.9,fake=0.1",
            "penalty": "r1:gamma=2+r2:gamma=1",
            "conditioning": "projection",
        },
        id="everything at once",
    )
]


def _play(game: Table, steps: int) -> list[dict[str, float]]:
    return [game.step(number) for number in range(steps)]


@pytest.mark.parametrize("options", GAMES)
def test_twenty_steps_in_float64_are_the_same_on_every_engine(options, other_engine):
    """All weights, moments, statistics and losses within 1e-7."""
    games = [table(engine, **options) for engine in (NUMPY64, other_engine)]
    expected, found = (_play(game, 20) for game in games)
    for a, b in zip(expected, found, strict=True):
        assert a.keys() == b.keys() == {"d_loss", "real_score", "fake_score", "g_loss"}
        assert_allclose([b[name] for name in a], list(a.values()), rtol=0, atol=1e-7)
    wanted, got = (game.arrays() for game in games)
    assert wanted.keys() == got.keys()
    for group, arrays in wanted.items():
        assert arrays.keys() == got[group].keys()
        for name, array in arrays.items():
            assert_allclose(got[group][name], array, rtol=0, atol=1e-7, err_msg=f"{group} {name}")


def _gradients(state: dict, player: str, betas=(0.5, 0.999)) -> dict[str, np.ndarray]:
    """Read the gradients of a first update off Adam's mean, which is (1 - beta) times them."""
    return {name: m / (1 - betas[0]) for name, m in state[f"{player}_mean"].items()}


@pytest.mark.parametrize("options", [game for game in GAMES if "RMSprop" not in game.id])
def test_one_step_in_float32_is_the_same_on_every_engine(options, other_engine32):
    """Scores, gradients and one update within 1e-4 of the layer's scale.

    Adam's first step is of one size whatever the gradient's: where that is under 1e-5 of its
    layer's largest, its very sign is rounding, and the update says nothing; biases before a norm
    without offset have no slope at all.
    """
    games = [table(engine, lr=2e-4, seed=1, **options) for engine in (NUMPY32, other_engine32)]
    reports = [game.step(0) for game in games]
    for name, value in reports[0].items():
        assert_allclose(reports[1][name], value, rtol=1e-4, atol=1e-5)
    expected, found = (game.arrays() for game in games)
    for player in ("generator", "discriminator"):
        wanted, got = (_gradients(state, player) for state in (expected, found))
        for name, slope in wanted.items():
            layer = name.rpartition(".")[0]
            scale = max(np.abs(x).max() for n, x in wanted.items() if n.rpartition(".")[0] == layer)
            assert_allclose(got[name], slope, rtol=0, atol=1e-4 * scale)
            counts = np.abs(slope) > 1e-5 * scale
            weights = expected[player][name]
            assert_close(found[player][name][counts], weights[counts], 1e-4)
            assert counts.any() or options.get("network") == "dcgan-5x5"


# --- a DCGAN as one would write it in PyTorch -------------------------------------------------

Z, CLASSES = 6, 5


class HandWritten:
    """The 16x16 game of the tests in torch.nn modules, (N, C, H, W) in memory, float64."""

    def __init__(self, torch, state: dict, conditional: bool, relativistic: bool) -> None:
        self.torch, self.extra = torch, CLASSES if conditional else 0
        self.relativistic = relativistic
        nn = torch.nn
        plain = {"bias": False, "dtype": torch.float64}
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(Z + self.extra, 16, 4, 1, 0, **plain),
            nn.BatchNorm2d(16, dtype=torch.float64),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 8, 4, 2, 1, **plain),
            nn.BatchNorm2d(8, dtype=torch.float64),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, 2, 1, **plain),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1 + self.extra, 8, 4, 2, 1, **plain),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 16, 4, 2, 1, **plain),
            nn.BatchNorm2d(16, dtype=torch.float64),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, 1, 4, 1, 0, **plain),
            nn.Flatten(0),
        )
        self.loss = nn.BCEWithLogitsLoss()
        for player, module in self.players().items():
            with torch.no_grad():
                for mine, array in zip(module.parameters(), state[player].values(), strict=True):
                    mine.copy_(torch.tensor(array))
        self.optimisers = {
            player: torch.optim.Adam(module.parameters(), lr=2e-3, betas=(0.5, 0.999))
            for player, module in self.players().items()
        }

    def players(self) -> dict:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def fakes(self, latent, label):
        latent = self.torch.tensor(latent)
        if self.extra:
            joined = self.torch.nn.functional.one_hot(self.torch.tensor(label), CLASSES)
            latent = self.torch.cat([latent, joined.double()], dim=1)
        return self.generator(latent[:, :, None, None])

    def scores(self, images, label):
        if self.extra:
            planes = self.torch.nn.functional.one_hot(self.torch.tensor(label), CLASSES).double()
            planes = planes[:, :, None, None].expand(-1, -1, 16, 16)
            images = self.torch.cat([images, planes], dim=1)
        return self.discriminator(images)

    def learn(self, player: str, loss) -> float:
        self.optimisers[player].zero_grad()
        loss.backward()
        self.optimisers[player].step()
        return loss.item()

    def reals(self, batch: dict):
        return self.scores(self.torch.tensor(batch["real"]).contiguous(), batch["real_label"])

    def cross_entropy(self, scores, target: float):
        return self.loss(scores, self.torch.full_like(scores, target))

    def update_discriminator(self, batch: dict) -> float:
        fakes = self.fakes(batch["latent"], batch["label"]).detach()
        real, fake = self.reals(batch), self.scores(fakes, batch["label"])
        if self.relativistic:
            return self.learn("discriminator", self.cross_entropy(real - fake, 1.0))
        loss = self.cross_entropy(real, 1.0) + self.cross_entropy(fake, 0.0)
        return self.learn("discriminator", loss)

    def update_generator(self, batch: dict) -> float:
        real = self.reals(batch).detach() if self.relativistic else 0.0
        fake = self.scores(self.fakes(batch["latent"], batch["label"]), batch["label"])
        return self.learn("generator", self.cross_entropy(fake - real, 1.0))

    def arrays(self, player: str) -> tuple[list, list]:
        """Return parameters and running statistics, in order."""
        module = self.players()[player]
        buffers = [b for name, b in module.named_buffers() if "running" in name]
        return [p.detach().numpy() for p in module.parameters()], [b.numpy() for b in buffers]


def _in_numpy(batch: step.Batch) -> dict:
    return {n: None if x is None else ops.to_numpy(x) for n, x in vars(batch).items()}


@pytest.mark.parametrize("conditioning", ["none", "planes"])
@pytest.mark.parametrize("objective", ["non-saturating", "rsgan"])
def test_three_steps_equal_a_hand_written_pytorch_dcgan(objective, conditioning, any_engine):
    """Weights, running statistics of both players and losses, with batch norm in training."""
    torch = pytest.importorskip("torch")
    game = table(any_engine, conditioning=conditioning, objective=objective)
    how = {"conditional": conditioning != "none", "relativistic": objective == "rsgan"}
    theirs = HandWritten(torch, game.arrays(), **how)
    for number in range(3):
        of_d, of_g = (
            _in_numpy(draw(number)) for draw in (game.draw.discriminator, game.draw.generator)
        )
        losses = [theirs.update_discriminator(of_d), theirs.update_generator(of_g)]
        report = game.step(number)
        assert_allclose([report["d_loss"], report["g_loss"]], losses, rtol=0, atol=1e-9)
    found = game.arrays()
    for player in theirs.players():
        parameters, buffers = theirs.arrays(player)
        for group, expected in ((player, parameters), (f"{player}_buffers", buffers)):
            for (name, array), wanted in zip(found[group].items(), expected, strict=True):
                assert_allclose(array, wanted, rtol=0, atol=1e-9, err_msg=f"{group} {name}")


# --- what moves and what does not -------------------------------------------------------------


def _moved(before: dict, after: dict) -> set[str]:
    """Return the groups of the state in which any number has changed."""
    return {
        group
        for group in before
        if any((before[group][name] != after[group][name]).any() for name in before[group])
    }


def test_each_update_moves_its_own_player(any_engine32):
    """And both players' running statistics, as PyTorch's modules in training would."""
    game = table(any_engine32)
    start = game.arrays()
    game.state, _ = step.discriminator_update(game.game, game.state, game.draw.discriminator(0), 1)
    middle = game.arrays()
    assert _moved(start, middle) == {
        "discriminator", "discriminator_mean", "discriminator_square",
        "discriminator_buffers", "generator_buffers",
    }  # fmt: skip
    game.state, _ = step.generator_update(game.game, game.state, game.draw.generator(0), 1)
    assert _moved(middle, game.arrays()) == {
        "generator", "generator_mean", "generator_square", "generator_buffers",
        "discriminator_buffers", "ema", "ema_buffers",
    }  # fmt: skip


def test_the_average_follows_the_generator_and_its_statistics(any_engine):
    """It keeps min(ema, (1 + t) / (10 + t)) of itself at G's update t, from 1."""
    game = table(any_engine, ema=0.25)
    average = game.arrays()
    for number, keep in enumerate([2 / 11, 3 / 12, 0.25]):
        game.step(number)
        now = game.arrays()
        for ema, target in (("ema", "generator"), ("ema_buffers", "generator_buffers")):
            for name, before in average[ema].items():
                expected = keep * before + (1 - keep) * now[target][name]
                assert_allclose(now[ema][name], expected, rtol=0, atol=1e-14)
        average = now


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_generator_plays_against_fresh_reals_only_where_they_count(objective):
    """A relativistic objective scores its own batch of reals, by the updated discriminator."""
    relativistic = OBJECTIVES[objective].relativistic
    losses = []
    for darker in (0.0, 1.0):
        network = "dcgan" if OBJECTIVES[objective].logits == 1 else "dcgan-5x5"
        game = table(NUMPY64, objective=objective, network=network)
        game.step(0)
        batch = game.draw.generator(1)
        assert (batch.real is not None) == relativistic
        if relativistic:
            batch = step.Batch(latent=batch.latent, real=batch.real - darker)
        _, report = step.generator_update(game.game, game.state, batch, 2)
        losses.append(float(report["g_loss"]))
    assert (losses[0] != losses[1]) == relativistic


@pytest.mark.parametrize("which", ["label", "real_label"])
def test_both_labels_reach_the_discriminators_update(which):
    updated = []
    for shift in (0, 1):
        game = table(NUMPY64, conditioning="planes")
        batch = game.draw.discriminator(0)
        labels = {**vars(batch), which: (getattr(batch, which) + shift) % 5}
        game.state, _ = step.discriminator_update(game.game, game.state, step.Batch(**labels), 1)
        updated.append(game.arrays()["discriminator"]["score.conv.weight"])
    assert (updated[0] != updated[1]).all()


def test_a_penalty_scores_each_side_under_its_own_label():
    game = table(NUMPY64, conditioning="planes")
    batch = game.draw.discriminator(0)
    seen = []

    def spy(score_real, score_fake, real, fake, mix):
        seen.extend(ops.stop_gradient(score(real)) for score in (score_real, score_fake))
        return ops.mean(score_real(real)) * 0.0

    first = game.arrays()
    rules = dataclasses.replace(game.game, penalties=(spy,))
    step.discriminator_update(rules, game.state, batch, 1)
    assert (batch.label != batch.real_label).any()
    for found, label in zip(seen, (batch.real_label, batch.label), strict=True):
        expected, _ = nn.apply(
            rules.discriminator, first["discriminator"], first["discriminator_buffers"],
            batch.real, label, training=True,
        )  # fmt: skip
        assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_sampling_between_steps_disturbs_nothing(any_engine32):
    """Four steps, with pictures made of the average after each or not: the same bits."""
    games = [table(any_engine32, conditioning="projection") for _ in range(2)]
    for number in range(4):
        for game in games:
            game.step(number)
        before = games[1].arrays()
        pictures = games[1].sampler().sample(7)
        assert pictures.shape == (7, 16, 16, 1)
        assert not _moved(before, games[1].arrays())
    expected, found = (game.arrays() for game in games)
    for group, arrays in expected.items():
        for name, array in arrays.items():
            assert_array_equal(found[group][name], array)
