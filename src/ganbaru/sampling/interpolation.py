"""Paths through the latents: functions from points and moments to the latents of a film's frames.

A path takes the points (K, Z) of the seeds, normal numbers, and moments (F,) from 0 to 1, and gives
latents (F, Z). See `PATHS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError, pick

Array = NDArray[np.float64]


def _legs(points: Array, moments: Array) -> tuple[Array, Array, Array]:
    """Return where each moment's leg begins and ends (F, Z), and how far along it it is (F, 1)."""
    legs = len(points) - 1
    leg = np.minimum((moments * legs).astype(np.int64), legs - 1)
    return points[leg], points[leg + 1], (moments * legs - leg)[:, None]


def line(points: Array, moments: Array) -> Array:
    """Go straight from point to point.

    Halfway between two normal latents the norm is about 0.71 of theirs, which no training latent
    of many numbers has: pictures fade to the average there. `slerp` keeps the norm.
    """
    begin, end, share = _legs(points, moments)
    return (1 - share) * begin + share * end


def slerp(points: Array, moments: Array) -> Array:
    """Turn the direction along the great circle and the norm evenly (Shoemake 1985; White 2016)."""
    begin, end, share = _legs(points, moments)
    norms = [np.linalg.norm(each, axis=1, keepdims=True) for each in (begin, end)]
    one, other = begin / norms[0], end / norms[1]
    angle = np.arccos(np.clip(np.sum(one * other, axis=1, keepdims=True), -1, 1))
    if np.any(angle > np.pi - 1e-6):
        raise InputError(
            "The latents of two seeds that follow each other are parallel and opposite: no way "
            "from one to the other is the shortest. Take other seeds, or --path line."
        )
    parallel = angle < 1e-6  # the same direction: the formula would divide 0 by 0
    sine = np.where(parallel, 1, np.sin(angle))
    before = np.where(parallel, 1 - share, np.sin((1 - share) * angle) / sine)
    after = np.where(parallel, share, np.sin(share * angle) / sine)
    return (before * one + after * other) * ((1 - share) * norms[0] + share * norms[1])


def loop(points: Array, moments: Array) -> Array:
    """Go round a closed curve on the sphere through the first seed's latent, so with its norm.

    The norm is one that the generator was trained on, and the first frame is the first seed's own
    picture. With orthonormal directions a, b, c and t from 0 to 2 pi: cos(2t) a + sin(2t) (cos(t) b
    + sin(t) c).
    """
    a, b, c = _orthonormal(points)
    t = 2 * np.pi * moments[:, None]
    radius = np.linalg.norm(points[0])
    return radius * (np.cos(2 * t) * a + np.sin(2 * t) * (np.cos(t) * b + np.sin(t) * c))


def _orthonormal(points: Array) -> list[Array]:
    """Make directions by Gram and Schmidt, which keeps the first point's."""
    made: list[Array] = []
    for point in points:
        rest = point - sum(((point @ direction) * direction for direction in made), 0.0 * point)
        if np.linalg.norm(rest) < 1e-6 * np.linalg.norm(point):
            raise InputError(
                "A loop needs latents of three directions: give three different seeds; the "
                "generator's latents must have at least 3 numbers."
            )
        made.append(rest / np.linalg.norm(rest))
    return made


def classes(points: Array, moments: Array) -> Array:
    """Stay at one seed, while the labels change."""
    return np.repeat(points[:1], len(moments), axis=0)


@dataclass(frozen=True)
class Path:
    """A path with what it needs: how many seeds, perhaps more, or labels of its own."""

    summary: str
    latents: Callable[[Array, Array], Array]
    seeds: int
    more_seeds: bool = False
    own_labels: bool = False  # a list of labels that is not one for each seed
    closed: bool = False  # it ends where it begins

    def check(self, name: str, seeds: Sequence[int]) -> Sequence[int]:
        """Return the seeds, if they are as many as it takes."""
        if not (len(seeds) == self.seeds or (self.more_seeds and len(seeds) > self.seeds)):
            least = f"at least {self.seeds}" if self.more_seeds else str(self.seeds)
            raise InputError(
                f"The path {name} takes {least} seed{'s' * (self.seeds > 1)}, not {len(seeds)}: "
                f"give --seeds {','.join(map(str, range(self.seeds)))} or the like."
            )
        if wrong := [seed for seed in seeds if not 0 <= seed < 2**63]:
            raise InputError(f"Seed {wrong[0]} is out of range: give whole numbers from 0.")
        return seeds


PATHS = {
    "slerp": Path("along great circles", slerp, seeds=2, more_seeds=True),
    "line": Path("straight", line, seeds=2, more_seeds=True),
    "loop": Path("round a closed curve on the sphere", loop, seeds=3, closed=True),
    "classes": Path("one seed through the labels", classes, seeds=1, own_labels=True),
}


def path(name: str) -> Path:
    """Return the path of a name."""
    return pick("path", name, PATHS)


def moments(frames: int, *, closed: bool = False, bounce: bool = False) -> Array:
    """Return the moments (F,) of a film's frames, from 0 to 1.

    Both ends are among them; a `closed` film leaves out its end, which is its beginning, and one
    that should `bounce` goes back as well, without a turning frame twice.
    """
    if frames < 2:
        raise InputError(f"Cannot make a film of {frames} frames: give --frames from 2.")
    if closed and bounce:
        raise InputError(
            "A closed path ends where it begins, so it cannot bounce: leave out --bounce, or take "
            "--path line, slerp or classes without --close."
        )
    if closed:
        return np.arange(frames) / frames
    if not bounce:
        return np.linspace(0, 1, frames)
    forth = np.linspace(0, 1, frames // 2 + 1)
    back = np.linspace(1, 0, frames - len(forth) + 2)[1:-1]
    return np.concatenate([forth, back])


def closing(points: Array, close: bool) -> Array:
    """Return points (K, Z), with the first once more at the end if the path should close."""
    return np.concatenate([points, points[:1]]) if close else points
