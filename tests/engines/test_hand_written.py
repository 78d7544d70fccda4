"""Games against the same games written by hand in PyTorch, step by step in float64."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import TrainingCase, normal, table
from numpy.testing import assert_allclose

from ganbaru import ops
from ganbaru.gan import step_inputs

# --- a DCGAN as one would write it in PyTorch -------------------------------------------------

Z, CLASSES = 6, 5


class HandWritten:
    """The 16x16 GAN of the tests in torch.nn modules, (N, C, H, W) in memory, float64."""

    betas, epsilon = (0.5, 0.999), 1e-8

    def __init__(self, torch, state: dict, conditional: bool, relativistic: bool) -> None:
        self.torch, self.extra = torch, CLASSES if conditional else 0
        self.relativistic = relativistic
        self.build(torch.nn)
        for player, module in self.players().items():
            with torch.no_grad():
                for mine, array in zip(module.parameters(), state[player].values(), strict=True):
                    mine.copy_(torch.tensor(array))
        how = {"lr": 2e-3, "betas": self.betas, "eps": self.epsilon}
        self.optimisers = {
            player: torch.optim.Adam(module.parameters(), **how)
            for player, module in self.players().items()
        }

    def build(self, nn) -> None:
        torch = self.torch
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


def _in_numpy(batch: step_inputs.Batch) -> dict:
    return {n: None if x is None else ops.to_numpy(x) for n, x in batch._asdict().items()}


@pytest.mark.parametrize("conditioning", ["none", "planes"])
@pytest.mark.parametrize("objective", ["non-saturating", "rsgan"])
def test_three_steps_equal_a_hand_written_pytorch_dcgan(objective, conditioning, any_engine):
    """Weights, running statistics of both players and losses, with batch norm in training."""
    torch = pytest.importorskip("torch")
    gan = table(any_engine, conditioning=conditioning, objective=objective)
    how = {"conditional": conditioning != "none", "relativistic": objective == "rsgan"}
    theirs = HandWritten(torch, gan.arrays(), **how)
    for number in range(3):
        batches = gan.draw.step(number)
        of_d, of_g = _in_numpy(batches.d[0]), _in_numpy(batches.g)
        losses = [theirs.update_discriminator(of_d), theirs.update_generator(of_g)]
        report = gan.step(number)
        assert_allclose([report["d_loss"], report["g_loss"]], losses, rtol=0, atol=1e-9)
    assert_same_weights(gan, theirs)


def assert_same_weights(gan: TrainingCase, theirs: HandWritten, without_slope: tuple = ()) -> None:
    """Compare weights and running statistics of both players within 1e-9.

    Parameters `without_slope` do nothing, so that Adam follows the signs of rounding: they stay
    within 1e-8 of their start, 0. The running means of their layers hold them, to 1.2e-9 on one
    processor.
    """
    found = gan.arrays()
    shifted = {f"{name.partition('.')[0]}.norm.running_mean" for name in without_slope}
    for player in theirs.players():
        parameters, buffers = theirs.arrays(player)
        for group, expected in ((player, parameters), (f"{player}_buffers", buffers)):
            for (name, array), wanted in zip(found[group].items(), expected, strict=True):
                if name in without_slope:
                    assert np.abs([array, wanted]).max() < 1e-8
                    continue
                within = 1e-8 if name in shifted else 1e-9
                assert_allclose(array, wanted, rtol=0, atol=within, err_msg=f"{group} {name}")


class SameFakes(HandWritten):
    """The NumPy DCGAN's loop: G first, then D on the fakes of G's update."""

    epsilon = 1e-7

    def step(self, batch: dict) -> list[float]:
        with self.torch.no_grad():
            self.fakes(batch["latent"], None)  # ours makes them once more: statistics move twice
        fakes = self.fakes(batch["latent"], None)
        of_g = self.learn("generator", self.cross_entropy(self.scores(fakes, None), 1.0))
        real, fake = self.reals(batch), self.scores(fakes.detach(), None)
        loss = self.cross_entropy(real, 1.0) + self.cross_entropy(fake, 0.0)
        return [self.learn("discriminator", loss), of_g]


def test_three_steps_equal_a_hand_written_loop_on_the_same_fakes(any_engine):
    """G first, Adam with epsilon 1e-7, cross-entropy."""
    torch = pytest.importorskip("torch")
    gan = table(any_engine, order="g-first", share="fakes", optimiser="adam:epsilon=1e-7")
    theirs = SameFakes(torch, gan.arrays(), conditional=False, relativistic=False)
    for number in range(3):
        (of_d,) = gan.draw.step(number).d
        losses = theirs.step(_in_numpy(of_d))
        report = gan.step(number)
        assert_allclose([report["d_loss"], report["g_loss"]], losses, rtol=0, atol=1e-9)
    assert_same_weights(gan, theirs)


class TwoClasses(HandWritten):
    """The TensorFlow DCGAN at 16x16: 5x5 kernels, plain norms, softmax of two logits."""

    betas = (0.5, 0.99)

    def build(self, nn) -> None:
        double = {"dtype": self.torch.float64}
        up = {"padding": 2, "output_padding": 1, **double}
        norm = {"affine": False, **double}
        self.generator = nn.Sequential(
            nn.Linear(Z, 16 * 16, bias=False, **double),
            nn.Unflatten(1, (16, 4, 4)),
            self.offset(nn, 16),
            nn.BatchNorm2d(16, **norm),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 8, 5, 2, **up),
            nn.BatchNorm2d(8, **norm),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 5, 2, **up),
            nn.Sigmoid(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 8, 5, 2, 2, **double),
            nn.BatchNorm2d(8, **norm),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 16, 5, 2, 2, **double),
            nn.BatchNorm2d(16, **norm),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(16 * 16, 2, **double),
        )
        self.loss = nn.CrossEntropyLoss()

    def offset(self, nn, channels: int):
        """Return a module that adds a number to each channel."""

        class Added(nn.Module):
            def forward(self, x):
                return x + self.bias[:, None, None]

        added = Added()
        added.bias = nn.Parameter(self.torch.zeros(channels, dtype=self.torch.float64))
        return added

    def fakes(self, latent, label):
        return 2 * self.generator(self.torch.tensor(latent).double()) - 1

    def cross_entropy(self, scores, target: float):
        return self.loss(scores, self.torch.full((len(scores),), int(target)))


def test_three_steps_equal_a_hand_written_two_class_gan(any_engine):
    """The same uniform latents for both players, softmax cross-entropy, beta2 0.99."""
    torch = pytest.importorskip("torch")
    gan = table(
        any_engine,
        network="dcgan-5x5",
        objective="two-class",
        distribution="uniform",
        share="latents",
        betas=(0.5, 0.99),
        initialisation="truncated",
    )
    theirs = TwoClasses(torch, gan.arrays(), conditional=False, relativistic=False)
    for number in range(3):
        batch = _in_numpy(gan.draw.step(number).g)
        losses = [theirs.update_discriminator(batch), theirs.update_generator(batch)]
        report = gan.step(number)
        assert_allclose([report["d_loss"], report["g_loss"]], losses, rtol=0, atol=1e-9)
    before_norms = ("stem.dense", "up1.conv", "down1.conv", "down2.conv")
    assert_same_weights(gan, theirs, tuple(f"{layer}.bias" for layer in before_norms))


# --- TensorFlow's SAME ------------------------------------------------------------------------

BEFORE, AFTER = 1, 2  # of 28, kernel 5, stride 2: 14 outputs reach over 13 * 2 + 5 - 28 = 3


def _same_conv(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Correlate (N, C, 28, 28) with (O, C, 5, 5) as TensorFlow's SAME does, stride 2."""
    wide = np.pad(x, [(0, 0), (0, 0), (BEFORE, AFTER), (BEFORE, AFTER)])
    windows = np.lib.stride_tricks.sliding_window_view(wide, (5, 5), axis=(2, 3))[:, :, ::2, ::2]
    return np.einsum("nchwij,ocij->nohw", windows, w)


def _same_up_conv(y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Spread (N, C, 14, 14) by (C, O, 5, 5): the adjoint of SAME's convolution."""
    wide = np.zeros((len(y), w.shape[1], 31, 31))
    for i, j in np.ndindex(5, 5):
        part = np.einsum("nchw,co->nohw", y, w[:, :, i, j])
        wide[:, :, i : i + 27 : 2, j : j + 27 : 2] += part
    return wide[:, :, BEFORE : BEFORE + 28, BEFORE : BEFORE + 28]


def test_padding_two_is_tensorflows_same_mirrored():
    """Of images and kernels flipped both ways, ours is theirs flipped: so the same networks."""
    how = {"stride": 2, "padding": 2}
    x, down, up = normal(2, 3, 28, 28), normal(4, 3, 5, 5), normal(4, 3, 5, 5, seed=1)
    flipped = [np.ascontiguousarray(a[:, :, ::-1, ::-1]) for a in (x, down, up)]
    small = ops.conv2d(flipped[0], flipped[1], **how)
    theirs = _same_conv(x, down)
    assert theirs.shape == small.shape == (2, 4, 14, 14)
    assert_allclose(small[:, :, ::-1, ::-1], theirs, rtol=0, atol=1e-12)
    large = ops.conv_transpose2d(small, flipped[2], **how, output_padding=1)
    theirs = _same_up_conv(theirs, up)
    assert theirs.shape == large.shape == (2, 3, 28, 28)
    assert_allclose(large[:, :, ::-1, ::-1], theirs, rtol=0, atol=1e-11)


def test_the_hand_written_same_is_a_convolution_and_its_adjoint():
    x, y, w = normal(1, 2, 28, 28), normal(1, 3, 14, 14), normal(3, 2, 5, 5)
    assert np.sum(_same_conv(x, w) * y) == pytest.approx(np.sum(x * _same_up_conv(y, w)), rel=1e-10)
    straight = ops.conv2d(x, w, stride=2, padding=2)
    assert np.abs(straight - _same_conv(x, w)).max() > 0.1  # it takes the mirror
