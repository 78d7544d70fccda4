"""A custom architecture: a file with the functions `generator` and `discriminator`.

Two multi-layer perceptrons, as in the first GAN paper (Goodfellow et al. 2014). Run it with
python -m examples.own_architecture [STEPS], or see its layers from this file's parent folder:
ganbaru describe digits --network examples.own_architecture
"""

import sys

import ganbaru
from ganbaru import nn, ops


def generator(scope, latent, *, image_size, channels, base_channels):
    """Map latents (N, Z) to images (N, C, H, W) in [-1, 1]."""
    height, width = image_size
    x = latent
    for i, count in enumerate((8 * base_channels, 16 * base_channels)):
        x = nn.dense(scope.child(f"layer{i}.dense"), x, count, bias=False)
        x = ops.leaky_relu(nn.norm(scope.child(f"layer{i}.norm"), x))
    x = nn.dense(scope.child("image"), x, channels * height * width)
    return ops.tanh(ops.reshape(x, (-1, channels, height, width)))


def discriminator(scope, image, *, image_size, channels, base_channels):
    """Map images to scores (N,): logits, without a sigmoid."""
    x = ops.reshape(image, (image.shape[0], -1))
    for i, count in enumerate((16 * base_channels, 8 * base_channels)):
        x = ops.leaky_relu(nn.dense(scope.child(f"layer{i}"), x, count), 0.2)
    return nn.scores(scope, x, nn.dense)  # labels, if there are any, act here


def main(steps: int = 3000) -> None:
    """Train it on handwritten digits."""
    config = ganbaru.from_preset("digits", network="examples.own_architecture", steps=steps)
    print(f"look at {ganbaru.train(config) / 'timelapse.gif'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
