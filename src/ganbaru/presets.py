"""Presets: named starting points, each a system to reproduce or a quick way to see a GAN learn.

A preset says what it is, whose settings it has, where it leaves them and why, and what it was
measured to reach. Any field may be changed on top by a flag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A named starting point and the fields of `Config` that it sets."""

    summary: str
    system: str  # whose settings these are
    deviations: str  # from the published settings, and why
    measured: str  # what it reached, and in which time
    options: dict[str, Any]


PRESETS: dict[str, Preset] = {}


def _preset(
    name: str, summary: str, system: str, deviations: str = "", measured: str = "", **options: Any
) -> None:
    PRESETS[name] = Preset(summary, system, deviations, measured, options)


# fmt: off

# --- for two CPU cores ------------------------------------------------------------------------

# Without momentum (betas of 0) MNIST gets better; the 1,797 digits, seen a hundred times, collapse.
FAST: dict[str, Any] = {"conditioning": "softmax", "lr": 1e-3, "betas": (0.5, 0.99)}
STEADY: dict[str, Any] = {**FAST, "betas": (0.0, 0.99)}

_preset("digits", "handwritten digits of scikit-learn, by class", "ours",
        measured="1 min: legible",
        data="digits", image_size="16", width=24, latent=32, minutes=1.5, sample_every=10_000,
        **FAST)
_preset("mnist", "MNIST at 28x28, by class", "ours",
        measured="1 min, 72,000 images: 98.1 % of labels obeyed",
        data="mnist", width=24, latent=16, minutes=5, **STEADY)
_preset("fashion-mnist", "Fashion-MNIST at 28x28, by class", "ours",
        measured="1 min, 74,000 images: 88.8 % of labels obeyed",
        data="fashion-mnist", width=24, latent=32, minutes=5, **STEADY)
_preset("stacked-mnist", "three digits as red, green and blue: 1,000 modes to count", "ours",
        data="stacked-mnist", width=32, lr=1e-3, betas=(0.5, 0.99), minutes=10)
_preset("cifar10", "CIFAR-10 at 32x32, by class", "ours",
        data="cifar10", conditioning="projection", epochs=50)
_preset("dcgan", "the paper's DCGAN, for your pictures", "Radford et al. 2016",
        "Batches of 64 instead of 128, for memory.",
        data="", image_size="64", epochs=100)
_preset("small", "a DCGAN of half the width, for your pictures", "ours",
        data="", image_size="64", width=32, epochs=100)

# --- conditional GANs -------------------------------------------------------------------------

CGAN = "cGAN in PyTorch (Yagami360)"
AVERAGE = "Pictures are made by the running average of G."
YAGAMI: dict[str, Any] = {"image_size": "64", "lr": 1e-4, "initialisation": "pytorch"}
PLANES: dict[str, Any] = {**YAGAMI, "conditioning": "planes", "epochs": 30}

_preset("cgan-mnist", "one-hot joined to the latent, label planes in D", CGAN, AVERAGE,
        "32x32, width 16, 47,000 images: digits by class",
        data="mnist", **PLANES)
_preset("cgan-cifar10", "cgan-mnist on CIFAR-10", CGAN, AVERAGE,
        data="cifar10", **PLANES)
_preset("cgan-lsgan-mnist", "cgan-mnist with least squares", CGAN, AVERAGE,
        data="mnist", objective="least-squares", **PLANES)
_preset("cgan-patchgan-mnist", "cgan-mnist with a PatchGAN discriminator", CGAN, AVERAGE,
        "32x32, width 16, 43,000 images: strokes",
        data="mnist", network="patchgan", **PLANES)
_preset("cgan-mnist28", "conditional, 28x28, two linear layers", CGAN,
        "D judges a fake with the label G was given, not with the real's, or G would never be "
        "rewarded for obeying. Reals and fakes are in [-1, 1]. " + AVERAGE,
        data="mnist", network="dcgan-mlp", conditioning="planes", initialisation="pytorch",
        latent=62, distribution="unit", batch=128, lr=5e-5, epochs=20)

# --- relativistic GANs ------------------------------------------------------------------------

RGAN = "RGAN in PyTorch (Yagami360)"
FRESH = ("In G's turn the updated D scores a fresh batch of reals, as in the paper's own code; the "
         "scores left over from D's turn belong to a D that is gone. " + AVERAGE)

RELATIVISTIC: dict[str, Any] = {**YAGAMI, "epochs": 100}

_preset("rsgan-mnist", "each real against a fake", RGAN, FRESH,
        "32x32, width 16, 59,000 images: strokes",
        data="mnist", objective="rsgan", **RELATIVISTIC)
_preset("rasgan-mnist", "each score against the other side's mean", RGAN, FRESH,
        "32x32, width 16, 68,000 images: digits",
        data="mnist", objective="rasgan", **RELATIVISTIC)
_preset("ralsgan-mnist", "rasgan-mnist with least squares", RGAN, FRESH,
        "32x32, width 16, 68,000 images: blots",
        data="mnist", objective="ralsgan", **RELATIVISTIC)
_preset("rsgan-cifar10", "rsgan-mnist on CIFAR-10", RGAN, FRESH,
        data="cifar10", objective="rsgan", **RELATIVISTIC)
_preset("rasgan-cifar10", "rasgan-mnist on CIFAR-10", RGAN, FRESH,
        data="cifar10", objective="rasgan", **RELATIVISTIC)
_preset("ralsgan-cifar10", "ralsgan-mnist on CIFAR-10", RGAN, FRESH,
        data="cifar10", objective="ralsgan", **RELATIVISTIC)

# --- DCGANs -----------------------------------------------------------------------------------

_preset("dcgan-cats", "small DCGAN; G first, both on the very same fakes",
        "DCGAN in NumPy (pometa0507)",
        "Weights start from N(0, 0.02): the published start saturates D's last layer within 13 "
        "updates. float32 instead of float64. " + AVERAGE, "70,000 images: soft cat faces",
        data="cat-faces", width=32, order="g-first", share="fakes", short_batch=True,
        optimiser="adam:epsilon=1e-7", epochs=300)
_preset("dcgan-celeba", "the paper's DCGAN on CelebA", "Radford et al. 2016",
        "Batches of 64 instead of 128, for memory.",
        data="celeba", image_size="64", epochs=25)
_preset("dcgan-mnist28", "two-class softmax, 5x5 kernels, uniform latents",
        "DCGAN in TensorFlow (Yagami360)",
        "Reals and fakes have one range (they had 0 to 255 and 0 to 1). Ten passes over the data "
        "instead of 1,000 updates, which are half a pass. Pictures are made with running "
        "statistics, each by itself. " + AVERAGE, "49,000 images: strokes on grey",
        data="mnist", network="dcgan-5x5", objective="two-class", latent=64,
        distribution="uniform", initialisation="truncated", batch=32, replacement=True,
        share="latents", lr=1e-4, betas=(0.5, 0.99), epochs=10)
_preset("dcgan-cifar10", "linear first and last layers, smoothed targets 0.9 and 0.1",
        "DCGAN in PyTorch (nyantaro723)", AVERAGE, "14,000 images: blurred colours",
        data="cifar10", image_size="64", network="dcgan-linear",
        objective="non-saturating:real=0.9,fake=0.1", batch=128, short_batch=True, epochs=100)

# --- Wasserstein GANs -------------------------------------------------------------------------

_preset("wgan-mnist", "weight clipping, 5 D updates, RMSprop", "WGAN in PyTorch (Yagami360)",
        "Weights are clipped after each of D's updates, as in the paper. Each of them sees a fresh "
        "batch. " + AVERAGE,
        data="mnist", objective="wgan", clip=0.01, d_steps=5, optimiser="rmsprop",
        betas=(0.0, 0.99), epochs=100, **{**YAGAMI, "lr": 5e-5})
_preset("wgan-gp-mnist", "gradient penalty, 5 D updates, D without batch norm",
        "WGAN-GP in PyTorch (Yagami360)",
        "Each of D's updates sees a fresh batch. " + AVERAGE,
        "32x32, width 16, 69,000 images: blots",
        data="mnist", network="wgan", objective="wgan", penalty="wgan-gp:gamma=10", d_steps=5,
        epochs=100, **YAGAMI)

# --- R3GAN ------------------------------------------------------------------------------------

_preset("r3gan-cifar10", "residual, no normalisation, rsgan with R1 and R2",
        "R3GAN (Huang et al. 2024)",
        "Small: two blocks at each size without grouped convolutions, width 32, batches of 64 "
        "instead of 512, no augmentation, constant gamma.",
        data="cifar10", network="r3gan", objective="rsgan", penalty="r1:gamma=0.5+r2:gamma=0.5",
        conditioning="projection", initialisation="pytorch", betas=(0.0, 0.99), width=32, latent=64,
        epochs=100)
