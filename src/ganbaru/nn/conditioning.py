"""Class conditioning: wrappers that give labels to networks written without them.

A wrapped network takes (scope, x, label), where labels are (N,) class numbers or (N, num_classes)
weights of the classes, such as those of an interpolation; see `CONDITIONINGS` for the methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ganbaru import ops
from ganbaru.errors import InputError
from ganbaru.nn import layers, normalization
from ganbaru.nn.scope import LastLayer, Network, Norm, Scope, hooked
from ganbaru.ops import Tensor

Wrapper = Callable[[Network, int], Network]


def _weights(label: Tensor, num_classes: int, like: Tensor) -> Tensor:
    """Return labels as weights of the classes (N, num_classes)."""
    return label if len(label.shape) == 2 else ops.one_hot(label, num_classes, like)


def concatenated(network: Network, num_classes: int) -> Network:
    """Append the one-hot label to the latent (N, Z) (Mirza and Osindero 2014, section 3.2)."""

    def conditioned(scope: Scope, latent: Tensor, label: Tensor) -> Tensor:
        return network(scope, ops.concat([latent, _weights(label, num_classes, latent)], axis=1))

    return conditioned


def planes(network: Network, num_classes: int) -> Network:
    """Append the one-hot label to the image (N, C, H, W) as constant channels (ibid.)."""

    def conditioned(scope: Scope, image: Tensor, label: Tensor) -> Tensor:
        n, _, height, width = image.shape
        marks = ops.reshape(_weights(label, num_classes, image), (n, num_classes, 1, 1))
        spread = ops.broadcast_to(marks, (n, num_classes, height, width))
        return network(scope, ops.concat([image, spread], axis=1))

    return conditioned


def class_norms(network: Network, num_classes: int) -> Network:
    """Replace each normalisation of the network by batch norm with a scale and offset by class."""

    def conditioned(scope: Scope, latent: Tensor, label: Tensor) -> Tensor:
        weights = _weights(label, num_classes, latent)

        def norm(layer: Scope, x: Tensor, default: Norm) -> Tensor:
            return normalization.class_batch_norm(layer, x, weights)

        return hooked(network, "norm", norm, _NO_NORM)(scope, latent)

    return conditioned


_NO_NORM = (
    "--conditioning class-norm needs a generator with normalisation, and this one has none: take "
    "--conditioning projection."
)


EMBEDDING = 64  # numbers for a label in R3GAN's published code


def _embedded(scope: Scope, weights: Tensor) -> Tensor:
    """Return the embedding (N, 64) of labels as weights of the classes (N, K)."""
    return layers.dense(scope.child("embedding"), weights, EMBEDDING, bias=False)


def embedded(network: Network, num_classes: int) -> Network:
    """Append a learnt embedding of the label to the latent (N, Z)."""

    def conditioned(scope: Scope, latent: Tensor, label: Tensor) -> Tensor:
        embedding = _embedded(scope, _weights(label, num_classes, latent))
        return network(scope, ops.concat([latent, embedding], axis=1))

    return conditioned


def embedding_score(network: Network, num_classes: int) -> Network:
    """Score by <embedding(label), last layer> / sqrt(64) alone (R3GAN's code, Huang et al. 2024).

    The last layer has 64 outputs, and the score no part that is the same for all labels.
    """

    def conditioned(scope: Scope, image: Tensor, label: Tensor) -> Tensor:
        embedding = _embedded(scope, _weights(label, num_classes, image))

        def score(scores: Callable[[], Tensor], last: LastLayer, logits: int) -> Tensor:
            _check_single(logits)
            products = last("score", EMBEDDING)
            shape = (-1, EMBEDDING, *([1] * (len(products.shape) - 2)))
            return _of_label(products, ops.reshape(embedding, shape)) * EMBEDDING**-0.5

        return network(scope.using(score=score), image)

    return conditioned


def projection(network: Network, num_classes: int) -> Network:
    """Add <embedding(label), features> to the score (Miyato and Koyama 2018, eq. 5).

    The features are the input of the last layer, at all positions: summed over positions, as in
    networks that end in global pooling, labels are obeyed far less (79 % against 98 % on MNIST
    after 110,000 images). The products with all embeddings are one small layer.
    """
    return _with_products(network, num_classes, _of_label)


def softmax_projection(network: Network, num_classes: int) -> Network:
    """Add the label's log-probability: the log-softmax of all classes' products (ibid., eq. 3).

    Plain projection leaves the softmax's divisor to the rest of the score to learn. With it a score
    says of an image of another class that it is wrong, not only less right: on MNIST, 85,000
    images and a latent of 32, 98.4 % of labels are obeyed instead of 97.7 %. It starts at 0, log K
    being added.
    """

    def log_probability(products: Tensor, weights: Tensor) -> Tensor:
        return _of_label(products, weights) - _log_mean_exp(products)

    return _with_products(network, num_classes, log_probability)


def _check_single(logits: int) -> None:
    if logits != 1:
        raise InputError(
            f"A label's product is part of one score, and this discriminator gives {logits} for an "
            f"image: take --conditioning planes."
        )


# gain(products (N, K, ...), weights of the classes (N, K, ...)) -> added to the scores (N, 1, ...).
Gain = Callable[[Tensor, Tensor], Tensor]


def _with_products(network: Network, num_classes: int, gain: Gain) -> Network:
    """Add to the scores a function of the label and the features' products with all embeddings."""

    def conditioned(scope: Scope, image: Tensor, label: Tensor) -> Tensor:
        weights = _weights(label, num_classes, image)

        def score(scores: Callable[[], Tensor], last: LastLayer, logits: int) -> Tensor:
            _check_single(logits)
            plain = scores()  # first: the order of parameters is that of their use
            products = last("label", num_classes)
            shape = (*weights.shape, *([1] * (len(products.shape) - 2)))
            return plain + gain(products, ops.reshape(weights, shape))

        return network(scope.using(score=score), image)

    return conditioned


def _of_label(products: Tensor, weights: Tensor) -> Tensor:
    return ops.sum(products * weights, axis=1, keepdims=True)


def _log_mean_exp(x: Tensor) -> Tensor:
    """Return log mean exp over axis 1 of (N, K, ...) as (N, 1, ...), without overflow."""
    shift = ops.max(ops.stop_gradient(x), axis=1, keepdims=True)
    return shift + ops.log(ops.mean(ops.exp(x - shift), axis=1, keepdims=True))


@dataclass(frozen=True)
class Conditioning:
    """A conditioning method: the wrappers of the generator and of the discriminator."""

    generator: Wrapper
    discriminator: Wrapper
    summary: str


CONDITIONINGS = {
    "projection": Conditioning(concatenated, projection, "one-hot in the latent; projection in D"),
    "softmax": Conditioning(
        concatenated, softmax_projection, "one-hot in the latent; log-softmax of projections in D"
    ),
    "planes": Conditioning(concatenated, planes, "one-hot in the latent; one-hot planes in D"),
    "class-norm": Conditioning(class_norms, projection, "batch norm by class; projection in D"),
    "embedding": Conditioning(
        embedded, embedding_score, "a learnt vector in the latent; D scores by it alone"
    ),
}
