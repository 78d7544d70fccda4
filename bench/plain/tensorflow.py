"""In TensorFlow: Keras layers in NHWC and a step in a graph, as in the official DCGAN tutorial.

The tutorial updates both players from one pass; here each has its own, as in the other files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402

from . import BETAS, EPSILON, LATENT, POOL, RATE, SLOPE, maps  # noqa: E402

layers = tf.keras.layers
cross_entropy = tf.keras.losses.BinaryCrossentropy(from_logits=True)
NORM = {"momentum": 0.9, "epsilon": EPSILON}


def up(filters: int, kernel: int, strides: int = 2, padding: str = "same") -> list[Any]:
    crop = kernel == 3  # "same" would make 8 of 4, not 7
    convolution = layers.Conv2DTranspose(
        filters, kernel, strides, "valid" if crop else padding, use_bias=False
    )
    cropped = [layers.Cropping2D()] if crop else []
    return [convolution, *cropped, layers.BatchNormalization(**NORM), layers.ReLU()]


def down(filters: int, kernel: int) -> list[Any]:
    convolution = layers.Conv2D(filters, kernel, 2, "same", use_bias=False)
    return [convolution, layers.BatchNormalization(**NORM), layers.LeakyReLU(SLOPE)]


def networks(size: int, channels: int, width: int) -> tuple[Any, Any]:
    inner, counts, kernels = maps(size, width)
    hidden = list(zip(counts, counts[1:], kernels[1:], strict=False))
    generator = tf.keras.Sequential([
        layers.Input((1, 1, LATENT)), *up(counts[-1], inner, 1, "valid"),
        *(layer for count, _, kernel in reversed(hidden) for layer in up(count, kernel)),
        layers.Conv2DTranspose(channels, 4, 2, "same", use_bias=False, activation="tanh"),
    ])  # fmt: skip
    discriminator = tf.keras.Sequential([
        layers.Input((size, size, channels)),
        layers.Conv2D(width, 4, 2, "same", use_bias=False), layers.LeakyReLU(SLOPE),
        *(layer for _, count, kernel in hidden for layer in down(count, kernel)),
        layers.Conv2D(1, inner, 1, "valid", use_bias=False), layers.Flatten(),
    ])  # fmt: skip
    return generator, discriminator


def learn(player: Any, adam: Any, tape: tf.GradientTape, loss: tf.Tensor) -> None:
    gradients = tape.gradient(loss, player.trainable_variables)
    adam.apply_gradients(zip(gradients, player.trainable_variables, strict=True))


def step(size: int, channels: int, width: int, batch: int) -> Callable[[], dict[str, float]]:
    generator, discriminator = networks(size, channels, width)
    g_adam, d_adam = (tf.keras.optimizers.Adam(RATE, *BETAS) for _ in range(2))
    images = tf.random.uniform((POOL * batch, size, size, channels), -1, 1)
    turn = 0

    def fakes() -> tf.Tensor:
        return generator(tf.random.normal((batch, 1, 1, LATENT)), training=True)

    @tf.function
    def train_step(real: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fake = fakes()
        with tf.GradientTape() as tape:
            on_real = discriminator(real, training=True)
            on_fake = discriminator(fake, training=True)
            d_loss = cross_entropy(tf.ones_like(on_real), on_real)
            d_loss += cross_entropy(tf.zeros_like(on_fake), on_fake)
        learn(discriminator, d_adam, tape, d_loss)
        with tf.GradientTape() as tape:
            on_fake = discriminator(fakes(), training=True)
            g_loss = cross_entropy(tf.ones_like(on_fake), on_fake)
        learn(generator, g_adam, tape, g_loss)
        return d_loss, g_loss

    def advance() -> dict[str, float]:
        nonlocal turn
        start = batch * (turn % POOL)
        turn += 1
        d_loss, g_loss = train_step(images[start : start + batch])
        return {"d_loss": float(d_loss), "g_loss": float(g_loss)}

    return advance
