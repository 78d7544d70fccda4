"""An anomaly score: how badly a generator reconstructs a picture, beside held-out real pictures.

A picture is projected (`projection`), and compared with the image found in pixels, in the features
of a picture scorer, and in those of D's last layer (the residual and the discrimination loss of
AnoGAN, Schlegl et al. 2017, eq. 2 and 4). The score is the mean of the logarithms of the three
errors, each in standard deviations from held-out real pictures; p is the share of these that score
as high.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, files, randomness
from ganbaru.data import Progress, Source, silent
from ganbaru.errors import InputError
from ganbaru.gan.dataset import load_data, load_test_data
from ganbaru.latents import projection
from ganbaru.latents.layer_features import discriminator, last_features
from ganbaru.latents.projection import Projection
from ganbaru.metrics import efficientnet
from ganbaru.metrics.scorer import Scorer
from ganbaru.sampling.generators import Generator, on_engine
from ganbaru.sampling.image_io import Images
from ganbaru.sampling.players import Player, load_player

VERSION = 1  # of the errors' computation: raise it when numbers change
PARTS = ("pixels", "features", "discriminator")
HELD_OUT, LEAST = 200, 20  # pictures that p is calibrated on: at most, and at least
STARTS = 1  # of a picture's projection: reals that are found badly are so in the calibration too
TINY = 1e-9  # of an error, whose logarithm is taken

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Detector:
    """A generator and its D (None: without) with the errors (N, 3) of held-out pictures."""

    generator: Generator
    discriminator: Player | None
    scorer: Scorer
    held_out: Array

    def reconstructed(self, pictures: Images, progress: Progress = silent) -> Projection:
        """Return the generator's images nearest to pictures (N, H, W, C)."""
        return projection.project(self.generator, pictures, progress=progress, starts=STARTS)

    def errors(self, pictures: Images, found: Projection) -> Array:
        """Return the errors (N, 3) of pictures (N, H, W, C) by their reconstructions: `PARTS`."""
        both = np.concatenate([pictures, found.images])
        floats = (both.transpose(0, 3, 1, 2) / np.float32(127.5) - 1).astype(np.float32)
        labels = [] if found.labels is None else [np.concatenate([found.labels, found.labels])]
        arrays = [*self.scorer.extract(both, silent).arrays]
        if self.discriminator:
            arrays.append(last_features(self.discriminator, floats, *labels))
        first, second = len(pictures), len(both)
        features = [
            np.sqrt(np.mean(np.square(x[:first] - x[first:second], dtype=np.float64), axis=1))
            for x in arrays
        ]
        judged = features.pop() if self.discriminator else np.zeros(first)
        return np.stack([found.error, np.mean(features, axis=0), judged], axis=1)

    def scores(self, errors: Array) -> tuple[Array, Array]:
        """Return scores (N,) and their p-values (N,) for errors (N, 3)."""
        scores, known = (self._combined(each) for each in (errors, self.held_out))
        above = (known >= scores[:, None]).sum(axis=1)
        return scores, (1 + above) / (1 + len(known))

    def _combined(self, errors: Array) -> Array:
        logs, known = np.log(errors + TINY), np.log(self.held_out + TINY)
        spread = known.std(axis=0)
        used = spread > 0  # a part that is the same for all says nothing
        combined: Array = ((logs - known.mean(axis=0))[:, used] / spread[used]).mean(axis=1)
        return combined


def detector(
    run: str | Path,
    normal: str | Path | None = None,
    *,
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    progress: Progress = silent,
) -> tuple[Detector, Player, tuple[str, ...]]:
    """Return a run's detector, its generator's weights, and notes.

    `normal` are held-out pictures that count as normal (None: the run's test images, or its
    training images where there are none); the rest is as in `load`. Their errors are cached. Raises
    InputError.
    """
    player = load_player(run, which, trust=trust)
    judge = discriminator(run, which, trust)
    generator = on_engine(player, engine, device)
    source, held_out, notes = _held_out(player, normal, progress)
    scorer = efficientnet.automatic("numpy", "auto", source, progress)
    empty = Detector(generator, judge, scorer, np.empty((0, len(PARTS))))

    def made() -> bytes:
        stream = io.BytesIO()
        np.save(stream, empty.errors(held_out, empty.reconstructed(held_out, progress)))
        return stream.getvalue()

    digest = hashlib.sha256(f"{VERSION} {scorer.info.hash}".encode() + held_out.tobytes())
    for each in filter(None, (player, judge)):
        for name, array in sorted({**each.parameters, **each.buffers}.items()):
            digest.update(name.encode() + array.tobytes())
    name = f"anomaly/{digest.hexdigest()[:20]}.npy"
    errors = np.load(io.BytesIO(files.cached(name, made)), allow_pickle=False)
    if judge is None:
        notes += ("the file has no discriminator: the score is of pixels and features alone",)
    return Detector(generator, judge, scorer, errors), player, (*notes, *scorer.notes)


def _held_out(
    player: Player, normal: str | Path | None, progress: Progress
) -> tuple[Source, Images, tuple[str, ...]]:
    """Return the training images, at most `HELD_OUT` held-out pictures, and notes."""
    source = load_data(player.config, progress)
    notes: tuple[str, ...] = ()
    if normal is not None:
        height, width, channels = player.header.data["shape"]
        found: Source | None = data.load(
            str(normal),
            image_size=(height, width),
            channels=channels,
            fit=player.config.fit,
            progress=progress,
        )
    else:
        found = load_test_data(player.config, source, progress)
    if found is None:
        found = source
        notes = (
            "p is too small: it is calibrated on training images, as there are no test images; "
            "give held-out normal pictures with --normal",
        )
    if len(found.images) < LEAST:
        raise InputError(
            f"{found.name} has {len(found.images)} pictures, too few to calibrate on: give at "
            f"least {LEAST} normal ones with --normal."
        )
    chosen = randomness.permutation(0, "anomaly", 0, len(found.images))[:HELD_OUT]
    return source, np.ascontiguousarray(found.images[np.sort(chosen)]), notes
