"""Interpolation: paths through latent space, from which the frames of a video are generated.

A path maps the seeds' points (K, Z), normally distributed, and times (F,) from 0 to 1 to latents
(F, Z). See `PATHS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError

Array = NDArray[np.float64]


def _legs(points: Array, times: Array) -> tuple[Array, Array, Array]:
    """Return both ends (F, Z) of the leg that each time falls on, and its place there (F, 1)."""
    legs = len(points) - 1
    leg = np.minimum((times * legs).astype(np.int64), legs - 1)
    return points[leg], points[leg + 1], (times * legs - leg)[:, None]


def line(points: Array, times: Array) -> Array:
    """Interpolate linearly from point to point.

    Halfway between two normal latents the norm is about 0.71 of theirs, which latents of many
    dimensions never have in training: images fade to the average. `slerp` preserves the norm.
    """
    begin, end, share = _legs(points, times)
    return (1 - share) * begin + share * end


def slerp(points: Array, times: Array) -> Array:
    """Interpolate directions along the great circle, norms linearly (Shoemake 1985; White 2016)."""
    begin, end, share = _legs(points, times)
    norms = [np.linalg.norm(each, axis=1, keepdims=True) for each in (begin, end)]
    one, other = begin / norms[0], end / norms[1]
    angle = np.arccos(np.clip(np.sum(one * other, axis=1, keepdims=True), -1, 1))
    if np.any(angle > np.pi - 1e-6):
        raise InputError(
            "The latents of two consecutive seeds point in opposite directions, so no great circle "
            "between them is the shortest. Choose other seeds or --path line."
        )
    parallel = angle < 1e-6  # the same direction: the formula would divide 0 by 0
    sine = np.where(parallel, 1, np.sin(angle))
    before = np.where(parallel, 1 - share, np.sin((1 - share) * angle) / sine)
    after = np.where(parallel, share, np.sin(share * angle) / sine)
    return (before * one + after * other) * ((1 - share) * norms[0] + share * norms[1])


def loop(points: Array, times: Array) -> Array:
    """Follow a closed curve on the sphere through the first seed's latent.

    The first frame is the first seed's image, and the norm is one seen in training. With
    orthonormal directions a, b, c and t from 0 to 2 pi:
    cos(2t) a + sin(2t) (cos(t) b + sin(t) c).
    """
    a, b, c = _orthonormal(points)
    t = 2 * np.pi * times[:, None]
    radius = np.linalg.norm(points[0])
    return radius * (np.cos(2 * t) * a + np.sin(2 * t) * (np.cos(t) * b + np.sin(t) * c))


def _orthonormal(points: Array) -> list[Array]:
    """Orthonormalise points by Gram-Schmidt; the first direction stays that of the first point."""
    made: list[Array] = []
    for point in points:
        rest = point - sum(((point @ direction) * direction for direction in made), 0.0 * point)
        if np.linalg.norm(rest) < 1e-6 * np.linalg.norm(point):
            raise InputError(
                "The path loop needs three linearly independent latents: give three different "
                "seeds and a generator whose --latent is at least 3."
            )
        made.append(rest / np.linalg.norm(rest))
    return made


def classes(points: Array, times: Array) -> Array:
    """Stay at one seed while the labels change."""
    return np.repeat(points[:1], len(times), axis=0)


@dataclass(frozen=True)
class Path:
    """A path function with the number of seeds it needs and how it treats labels."""

    summary: str
    latents: Callable[[Array, Array], Array]
    seeds: int
    more_seeds: bool = False
    own_labels: bool = False  # labels are points of the path, not one for each seed
    closed: bool = False  # ends where it begins

    def check(self, name: str, seeds: Sequence[int]) -> Sequence[int]:
        """Return the seeds; raises InputError for a wrong count or a seed out of range."""
        if not (len(seeds) == self.seeds or (self.more_seeds and len(seeds) > self.seeds)):
            least = f"at least {self.seeds}" if self.more_seeds else str(self.seeds)
            raise InputError(
                f"The path {name} takes {least} seed{'s' * (self.seeds > 1)}, not {len(seeds)}: "
                f"give, for example, --seeds {','.join(map(str, range(self.seeds)))}."
            )
        if wrong := [seed for seed in seeds if not 0 <= seed < 2**63]:
            raise InputError(f"Seed {wrong[0]} is out of range: give integers from 0.")
        return seeds


PATHS = {
    "slerp": Path("great circles", slerp, seeds=2, more_seeds=True),
    "line": Path("straight lines", line, seeds=2, more_seeds=True),
    "loop": Path("a closed curve on the sphere", loop, seeds=3, closed=True),
    "classes": Path("one seed, changing labels", classes, seeds=1, own_labels=True),
}


def times(frames: int, *, closed: bool = False, bounce: bool = False) -> Array:
    """Return the times (F,) of a video's frames, from 0 to 1.

    Both ends are included, but a `closed` path leaves out its end, which is its start. `bounce`
    returns to the start without repeating the turning frames.
    """
    if frames < 2:
        raise InputError(f"Cannot make a video of {frames} frames: give --frames of at least 2.")
    if closed and bounce:
        raise InputError(
            "A closed path ends where it begins, so it cannot bounce: leave out --bounce, or "
            "choose --path line, slerp or classes without --close."
        )
    if closed:
        return np.arange(frames) / frames
    if not bounce:
        return np.linspace(0, 1, frames)
    forth = np.linspace(0, 1, frames // 2 + 1)
    return np.concatenate([forth, np.linspace(1, 0, frames - len(forth) + 2)[1:-1]])


def closing(points: Array, close: bool) -> Array:
    """Return points (K, Z), with the first one repeated at the end if `close`."""
    return np.concatenate([points, points[:1]]) if close else points
