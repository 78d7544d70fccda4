"""How labels reach the networks: each way wraps a network that knows nothing of labels.

A wrapped network takes (scope, x, label) with labels (N,), or with weights of the classes
(N, classes), such as those halfway between two; see `CONDITIONINGS` for the ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ganbaru import ops
from ganbaru.errors import InputError
from ganbaru.nn import Network, Scope, normalization
from ganbaru.ops import Tensor

Wrapper = Callable[[Network, int], Network]


def _weights(label: Tensor, classes: int, like: Tensor) -> Tensor:
    """Return the weights (N, classes) of classes that labels stand for."""
    return label if len(label.shape) == 2 else ops.one_hot(label, classes, like)


def joined(network: Network, classes: int) -> Network:
    """Join the label to the latent (N, Z) as one-hot (Mirza and Osindero 2014, section 3.2)."""

    def conditioned(scope: Scope, latent: Tensor, label: Tensor) -> Tensor:
        return network(scope, ops.concat([latent, _weights(label, classes, latent)], axis=1))

    return conditioned


def planes(network: Network, classes: int) -> Network:
    """Join the label to the image (N, C, H, W) as one-hot planes (ibid.)."""

    def conditioned(scope: Scope, image: Tensor, label: Tensor) -> Tensor:
        n, _, height, width = image.shape
        marks = ops.reshape(_weights(label, classes, image), (n, classes, 1, 1))
        spread = ops.broadcast_to(marks, (n, classes, height, width))
        return network(scope, ops.concat([image, spread], axis=1))

    return conditioned


def class_norms(network: Network, classes: int) -> Network:
    """Give every normalisation of the network the label's own scale and offset."""

    def conditioned(scope: Scope, latent: Tensor, label: Tensor) -> Tensor:
        weights, reached = _weights(label, classes, latent), []

        def norm(layer: Scope, x: Tensor) -> Tensor:
            reached.append(layer)
            return normalization.class_batch_norm(layer, x, weights)

        images = network(scope.using(norm=norm), latent)
        if not reached:
            raise InputError(
                "--conditioning class-norm needs a generator with normalisation, and this one has "
                "none: take --conditioning projection."
            )
        return images

    return conditioned


def projected(network: Network, classes: int) -> Network:
    """Add <embedding(label), features> to the score (Miyato and Koyama 2018, eq. 5).

    The features are those the score itself is linear in, all places of them: summed over places,
    as in networks that end in global pooling, labels are obeyed far less (79 % against 98 % on
    MNIST after 110,000 images). The products with all embeddings are one small layer.
    """
    return _judging_labels(network, classes, _of_label)


def projected_softmax(network: Network, classes: int) -> Network:
    """Add the label's log-probability: the log-softmax of all classes' products (ibid., eq. 3).

    Plain projection leaves the softmax's divisor to the rest of the score to learn. With it a score
    says of an image of another class that it is wrong, not only less right: on MNIST, 85,000
    images and a latent of 32, 98.4 % of labels are obeyed instead of 97.7 %. It starts at 0, log K
    being added.
    """
    return _judging_labels(
        network, classes,
        lambda products, chosen: _of_label(products, chosen) - _log_mean_exp(products),
    )  # fmt: skip


# gain(products (N, K, ...), weights of the classes, alike) -> what scores gain (N, 1, ...).
Gain = Callable[[Tensor, Tensor], Tensor]


def _judging_labels(network: Network, classes: int, gain: Gain) -> Network:
    """Let scores gain what a rule makes of the label and the products of features."""

    def conditioned(scope: Scope, image: Tensor, label: Tensor) -> Tensor:
        weights = _weights(label, classes, image)

        def score(scores: Tensor, last: Callable[[str, int], Tensor]) -> Tensor:
            if scores.shape[1] != 1:
                raise InputError(
                    f"A label's product is added to one score, and this discriminator gives "
                    f"{scores.shape[1]} for an image: take --conditioning planes."
                )
            products = last("label", classes)
            chosen = ops.reshape(weights, (*weights.shape, *([1] * (len(products.shape) - 2))))
            return scores + gain(products, chosen)

        return network(scope.using(score=score), image)

    return conditioned


def _of_label(products: Tensor, chosen: Tensor) -> Tensor:
    return ops.sum(products * chosen, axis=1, keepdims=True)


def _log_mean_exp(x: Tensor) -> Tensor:
    """Return log mean exp over axis 1 of (N, K, ...) as (N, 1, ...), without overflow."""
    shift = ops.max(ops.stop_gradient(x), axis=1, keepdims=True)
    return shift + ops.log(ops.mean(ops.exp(x - shift), axis=1, keepdims=True))


@dataclass(frozen=True)
class Conditioning:
    """One way: what wraps the generator and what wraps the discriminator."""

    generator: Wrapper
    discriminator: Wrapper
    summary: str


CONDITIONINGS = {
    "projection": Conditioning(joined, projected, "one-hot joined to the latent; projection in D"),
    "softmax": Conditioning(
        joined, projected_softmax, "one-hot joined to the latent; log-softmax of projections in D"
    ),
    "planes": Conditioning(joined, planes, "one-hot joined to the latent; one-hot planes in D"),
    "class-norm": Conditioning(class_norms, projected, "batch norm by class; projection in D"),
}
