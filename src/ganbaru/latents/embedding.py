"""A map of generated images beside real ones: the features of the picture scorer in the plane."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ganbaru import data, randomness
from ganbaru.data import Progress
from ganbaru.engines.numpy.parallel import ONE_BLAS_THREAD
from ganbaru.errors import InputError, keywords, pick
from ganbaru.gan.dataset import load_data
from ganbaru.latents.outputs import by_ending, write_npz
from ganbaru.metrics import efficientnet
from ganbaru.sampling import image_io
from ganbaru.sampling.generators import on_engine
from ganbaru.sampling.image_io import Images
from ganbaru.sampling.players import load_player

LEAST, MOST = 10, 5000  # images of each kind
SIDE, CELLS, EDGE, LINE = 640, 20, 12, 20  # pixels of a panel, cells of its side, margin, a line
PAPER, INK, REAL, FAKE = (24, 24, 24), (230, 230, 230), (90, 160, 250), (250, 150, 40)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Embedding:
    """Images in the plane: `points` (N, 2) from 0 to 1 of `images` (N, H, W, C).

    `seeds` (N,) are those of the generated ones, and -1 of the real ones, which come first.
    `explained` is the share of the features' variance in the plane, None where it has no meaning.
    """

    points: Array
    images: Images
    seeds: NDArray[np.int64]
    explained: float | None
    by: str
    output: Path | None


@keywords(checkpoint="which")
def embed(
    run: str | Path,
    output: str | Path | None = "embed.png",
    *,
    by: str = "pca",
    number: int = 500,
    seed: int = 0,
    label: int | str | None = None,
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    overwrite: bool = False,
    progress: Progress | bool = True,
) -> Embedding:
    """Map `number` generated images and as many of the run's real images in two dimensions.

    They are placed by the picture scorer's features (the set's own for grey images), by "pca" or
    "tsne" (van der Maaten and Hinton 2008, by scikit-learn). `output` is a .png with dots and
    pictures, an .npz with the arrays, or a folder with both. The rest is as in `generate`. Raises
    InputError.
    """
    path = None if output is None else Path(output)
    ways = {".png": _write_sheet, ".npz": _write_npz, "": _write_folder}
    write = by_ending(path, "a map", ways, overwrite)
    place = pick("map", by, BY)
    if not LEAST <= number <= MOST:
        raise InputError(f"--number {number} is out of range: give {LEAST} to {MOST:,}.")
    player = load_player(run, which, trust=trust)
    generator = on_engine(player, engine, device)
    with data.shown(progress) as report:
        source = load_data(player.config, report)
        scorer = efficientnet.automatic("numpy", "auto", source, report)
        order = randomness.permutation(0, "map", 0, len(source.images))[:number]
        fakes = generator.sample(number, seed, label)
        images = np.concatenate([source.images[np.sort(order)], fakes])
        features = np.concatenate(scorer.extract(images, report).arrays, axis=1)
    found, explained = place(features.astype(np.float64))
    low, high = found.min(axis=0), found.max(axis=0)
    points = (found - low) / np.maximum(high - low, 1e-12)
    reals = len(images) - number
    seeds = np.array([-1] * reals + list(generator.seeds(number, seed)), np.int64)
    made = Embedding(points, images, seeds, explained, by, path)
    write(made)
    return made


@ONE_BLAS_THREAD
def _pca(features: Array) -> tuple[Array, float | None]:
    from sklearn.decomposition import PCA

    model = PCA(2, random_state=0)
    return model.fit_transform(features), float(model.explained_variance_ratio_.sum())


@ONE_BLAS_THREAD
def _tsne(features: Array) -> tuple[Array, float | None]:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    made = TSNE(2, perplexity=perplexity, init="pca", random_state=0, n_jobs=1)
    return made.fit_transform(features).astype(np.float64), None


BY: dict[str, Callable[[Array], tuple[Array, float | None]]] = {"pca": _pca, "tsne": _tsne}


def _write_sheet(path: Path, found: Embedding) -> None:
    """Write three panels: dots of both kinds, real images, and generated ones in their places."""
    sheet = Image.new("RGB", (3 * (SIDE + EDGE) + EDGE, LINE + SIDE + 2 * EDGE), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    real = found.seeds < 0
    share = "" if found.explained is None else f", {found.explained:.0%} of the variance"
    dots = f"real (blue) and generated (orange), by {found.by}{share}"
    for i, title in enumerate(
        (dots, f"{real.sum():,} real images", f"{(~real).sum():,} generated")
    ):
        pen.text((EDGE + i * (SIDE + EDGE), 2), title, fill=INK, font=font)
    for k in np.argsort(randomness.permutation(0, "dots", 0, len(real))):  # neither kind on top
        x, y = EDGE + (SIDE - 8) * found.points[k] + (0, LINE)
        pen.ellipse((x, y, x + 5, y + 5), fill=REAL if real[k] else FAKE)
    for i, kind in enumerate((real, ~real), 1):
        panel = _panel(found.points[kind], found.images[kind])
        sheet.paste(panel, (EDGE + i * (SIDE + EDGE), EDGE + LINE))
    image_io.write_png(path, sheet)


def _panel(points: Array, images: Images) -> Image.Image:
    """Return a panel with one image in each cell that has some: that nearest to its middle."""
    side, panel = SIDE // CELLS, Image.new("RGB", (SIDE, SIDE), PAPER)
    cells = np.minimum((points * CELLS).astype(np.int64), CELLS - 1)
    far = np.abs(points * CELLS - cells - 0.5).max(axis=1)
    for k in np.argsort(-far):  # the nearest is pasted last
        shown = image_io.picture(images[k]).convert("RGB").resize((side - 1, side - 1))
        panel.paste(shown, (int(cells[k, 0]) * side, int(cells[k, 1]) * side))
    return panel


def _write_npz(path: Path, found: Embedding) -> None:
    write_npz(path, {name: getattr(found, name) for name in ("points", "images", "seeds")})


def _write_folder(path: Path, found: Embedding) -> None:
    _write_sheet(path / "map.png", found)
    _write_npz(path / "map.npz", found)
