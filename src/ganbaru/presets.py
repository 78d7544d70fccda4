"""Presets: named starting points, each a system to reproduce or a quick way to see a GAN learn.

A preset says what it is, whose it is, where it leaves the published settings and why, and what it
was measured to reach. Any field may be changed on top by a flag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A named starting point and the fields of `Config` that it sets."""

    summary: str
    system: str  # whose settings these are
    options: dict[str, Any]
    deviations: str = ""  # from the published settings, and why
    measured: str = ""  # what it reached in a stated time


PRESETS: dict[str, Preset] = {}


def _preset(
    name: str, summary: str, system: str, deviations: str = "", measured: str = "", **options: Any
) -> None:
    PRESETS[name] = Preset(summary, system, options, deviations, measured)


# --- for two CPU cores ------------------------------------------------------------------------

_FAST: dict[str, Any] = {"conditioning": "projection", "lr": 1e-3, "betas": (0.5, 0.99)}
_OURS = "ours, for two CPU cores"

_preset(
    "digits",
    "handwritten digits that ship with scikit-learn, by class",
    _OURS,
    measured="legible in a minute",
    data="digits",
    image_size="16",
    width=24,
    latent=32,
    minutes=1.5,
    sample_every=10_000,
    **_FAST,
)
_preset(
    "mnist",
    "MNIST at 28x28, by class",
    _OURS,
    measured="97.7 % of labels obeyed after 2 min",
    data="mnist",
    width=32,
    minutes=5,
    **_FAST,
)
_preset(
    "fashion-mnist",
    "Fashion-MNIST at 28x28, by class",
    _OURS,
    data="fashion-mnist",
    width=32,
    minutes=5,
    **_FAST,
)
_preset(
    "cifar10",
    "CIFAR-10 at 32x32, by class",
    "ours",
    data="cifar10",
    epochs=50,
    conditioning="projection",
)
_preset(
    "dcgan",
    "the DCGAN of the paper, for your own pictures",
    "Radford et al. 2016",
    "Batch 64 instead of 128, for memory.",
    data="",
    image_size="64",
    epochs=100,
)
_preset(
    "small",
    "a DCGAN of half the width, for your own pictures",
    "ours",
    data="",
    image_size="64",
    width=32,
    epochs=100,
)

# --- conditional GANs -------------------------------------------------------------------------

_YAGAMI_CGAN = "Yagami360 GAN_cGAN_PyTorch"
_YAGAMI: dict[str, Any] = {"image_size": "64", "lr": 1e-4, "initialisation": "pytorch"}
_LABEL_PLANES: dict[str, Any] = {**_YAGAMI, "conditioning": "planes", "epochs": 30}
_SAMPLED = "Pictures come from the running average of G."

_preset(
    "cgan-mnist",
    "conditional DCGAN: one-hot joined to the latent, label planes in D",
    _YAGAMI_CGAN,
    _SAMPLED,
    data="mnist",
    **_LABEL_PLANES,
)
_preset(
    "cgan-cifar10",
    "the same on CIFAR-10",
    _YAGAMI_CGAN,
    _SAMPLED,
    data="cifar10",
    **_LABEL_PLANES,
)
_preset(
    "cgan-lsgan-mnist",
    "the same with least squares",
    _YAGAMI_CGAN,
    _SAMPLED,
    data="mnist",
    objective="least-squares",
    **_LABEL_PLANES,
)
_preset(
    "cgan-patchgan-mnist",
    "the same with a PatchGAN discriminator",
    _YAGAMI_CGAN,
    _SAMPLED,
    data="mnist",
    network="patchgan",
    **_LABEL_PLANES,
)
_preset(
    "cgan-mnist28",
    "conditional GAN at 28x28 with linear layers",
    f"{_YAGAMI_CGAN} (2019)",
    "D judges a fake with the label G was given, not with the real's: else G is never rewarded for "
    f"obeying. Real digits and sampled ones have the same range, [-1, 1]. {_SAMPLED}",
    data="mnist",
    network="dcgan-mlp",
    latent=62,
    distribution="unit",
    conditioning="planes",
    initialisation="pytorch",
    batch=128,
    lr=5e-5,
    epochs=20,
)

# --- relativistic GANs ------------------------------------------------------------------------

_YAGAMI_RGAN = "Yagami360 GAN_RGAN_PyTorch"
_FRESH = (
    "In G's turn a fresh batch of reals is scored by the updated D, as in the paper's own code, "
    f"instead of the scores left over from D's turn. {_SAMPLED}"
)


def _relativistic(objective: str, what: str) -> None:
    """Make a preset for MNIST and one for CIFAR-10."""
    for data in ("mnist", "cifar10"):
        _preset(
            f"{objective}-{data}",
            what,
            _YAGAMI_RGAN,
            _FRESH,
            data=data,
            objective=objective,
            epochs=100,
            **_YAGAMI,
        )


_relativistic("rsgan", "relativistic GAN: each real against a fake")
_relativistic("rasgan", "relativistic average GAN: against the other side's mean")
_relativistic("ralsgan", "relativistic average least-squares GAN")

# --- DCGANs -----------------------------------------------------------------------------------

_preset(
    "dcgan-cats",
    "the small DCGAN on cat faces, G first, both players on the very same fakes",
    "pometa0507 DCGAN-Numpy",
    "Weights start from N(0, 0.02): its own start saturates D's last layer within 13 updates. "
    f"float32 instead of float64. {_SAMPLED}",
    data="cat-faces",
    width=32,
    order="g-first",
    share="fakes",
    short_batch=True,
    optimiser="adam:epsilon=1e-7",
    epochs=300,
)
_preset(
    "dcgan-celeba",
    "the DCGAN of the paper on CelebA, cropped to 64x64",
    "Yagami360 GAN_RGAN_PyTorch (data), Radford et al. 2016",
    data="celeba",
    image_size="64",
    epochs=25,
)
_preset(
    "dcgan-mnist28",
    "two-class softmax, 5x5 kernels, 64 uniform latents",
    "Yagami360 GAN_DCGAN_TensorFlow",
    "Reals are scaled to the fakes' range (they were 0..255 against 0..1). 5 passes over the data "
    f"instead of 1000 updates, half a pass. Sampling uses running statistics. {_SAMPLED}",
    data="mnist",
    network="dcgan-5x5",
    objective="two-class",
    latent=64,
    distribution="uniform",
    initialisation="truncated",
    batch=32,
    replacement=True,
    share="latents",
    lr=1e-4,
    betas=(0.5, 0.99),
    epochs=5,
)
_preset(
    "dcgan-cifar10",
    "DCGAN with linear first and last layers, two-sided label smoothing",
    "nyantaro723 Deep_Convolutional_GAN",
    _SAMPLED,
    data="cifar10",
    image_size="64",
    network="dcgan-linear",
    objective="non-saturating:real=0.9,fake=0.1",
    batch=128,
    short_batch=True,
    epochs=100,
)

# --- Wasserstein GANs -------------------------------------------------------------------------

_preset(
    "wgan-mnist",
    "Wasserstein GAN with weight clipping",
    "Yagami360 GAN_WGAN_PyTorch",
    f"Weights are clipped after each of D's updates, as in the paper, not before. {_SAMPLED}",
    data="mnist",
    objective="wgan",
    clip=0.01,
    d_steps=5,
    optimiser="rmsprop",
    betas=(0.0, 0.99),
    epochs=100,
    **{**_YAGAMI, "lr": 5e-5},
)
_preset(
    "wgan-gp-mnist",
    "Wasserstein GAN with gradient penalty, D without batch norm",
    "Yagami360 GAN_WGAN-GP_PyTorch",
    f"D's 5 updates each see a fresh batch, not one batch five times. {_SAMPLED}",
    data="mnist",
    network="wgan",
    objective="wgan",
    penalty="wgan-gp:gamma=10",
    d_steps=5,
    epochs=100,
    **_YAGAMI,
)

# --- R3GAN ------------------------------------------------------------------------------------

_preset(
    "r3gan-cifar10",
    "residual networks without normalisation, rsgan with R1 and R2",
    "Huang et al. 2024 (R3GAN), at small scale",
    "Two blocks at each size instead of two wide grouped ones, batch 64 instead of 512, no "
    "augmentation, constant gamma.",
    data="cifar10",
    network="r3gan",
    objective="rsgan",
    penalty="r1:gamma=0.5+r2:gamma=0.5",
    conditioning="projection",
    initialisation="he",
    betas=(0.0, 0.99),
    width=32,
    latent=64,
    epochs=100,
)
