"""The gallery: every preset's grid, losses, scores and seconds at a short length.

python -m bench.gallery NAME[=IMAGES] ... [--small]   trains these presets, updates the page
python -m bench.gallery                               only writes the page again

`--small` trains at 32x32 and width 16. Results are kept in `recipes/gallery.json`, pictures in
`docs/images/gallery`, and the end of `docs/gallery.md` is made of them; presets without a result
are listed as such. Scores are those of `--evaluate-images 200`.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image, ImageDraw

import ganbaru
from ganbaru import files, records
from ganbaru.callbacks import Callback, standard
from ganbaru.config import TOTALS, Config, flag
from ganbaru.gan.step import StepMetrics
from ganbaru.metrics import milestones
from ganbaru.metrics.definitions import METRICS
from ganbaru.presets import PRESETS
from ganbaru.training.run import Run
from ganbaru.training.run_folder import Folder
from ganbaru.training.run_log import read_log

from . import reporting

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "recipes" / "gallery.json", ROOT / "docs" / "gallery.md"
PICTURES = ROOT / "docs" / "images" / "gallery"
SMALL = {"image_size": "32", "width": 16}
STAND_IN = {"": "cat-faces", "celeba": "cat-faces"}  # for pictures of one's own; for CelebA
SCORED, IMAGES = 200, 4000  # images scored; images of a run where not given
SCORES = ("frechet", "mind", "label_accuracy")
MARK = "<!-- made by bench/gallery.py -->"  # in the page, before what is made
# Images of the published data sets, whose epochs a preset may count: those at hand may be fewer.
PUBLISHED = {"mnist": 60_000, "cifar10": 50_000, "fashion-mnist": 60_000, "celeba": 202_599}
WIDTH, GRID, CURVE = 320, 128, 56  # pixels of a picture, of its grid and its curve
COLOURS = {"d_loss": "#3949ab", "g_loss": "#e65100"}


@dataclass(frozen=True)
class Entry:
    """A preset's short run: command, images of how many, seconds, scores and those of reals."""

    command: str
    images: int
    published: int | None  # images of a whole run; None where its length is in minutes
    seconds: float  # of the processor, training alone
    scores: dict[str, float]
    baselines: dict[str, float]
    scorer: str
    date: str
    commit: str


def results() -> dict[str, Entry]:
    """Return the results so far, by preset."""
    if not RESULTS.exists():
        return {}
    return records.read(
        RESULTS, dict[str, Entry], "Make the gallery again: python -m bench.gallery"
    )


def published(config: Config) -> int | None:
    """Return how many images a whole run of a preset shows to D, None if it counts minutes."""
    if config.images:
        return config.images
    if config.epochs and config.data in PUBLISHED:
        return round(config.epochs * PUBLISHED[config.data])
    return config.steps * config.batch * config.d_steps if config.steps else None


class Clock(Callback):
    """Measures the processor's seconds from the start to the last step."""

    seconds = 0.0

    def start(self, run: Run) -> None:
        """Start."""
        self.began = time.process_time()

    def step(self, run: Run, metrics: StepMetrics) -> None:
        """Take the time."""
        self.seconds = time.process_time() - self.began


def train(name: str, images: int, small: bool, folder: Path) -> Entry:
    """Train a preset for some images, score it and draw its picture."""
    whole, clock = ganbaru.from_preset(name), Clock()
    options = {"data": STAND_IN.get(whole.data, whole.data), **(SMALL if small else {})}
    options = {key: value for key, value in options.items() if getattr(whole, key) != value}
    flags = (word for key, value in options.items() for word in (flag(key), str(value)))
    given = {**options, **dict.fromkeys(TOTALS), "images": images}
    given |= {"run": str(folder / name), "sample_every": images, "evaluate_every": images}
    given |= {"log_every": max(1, images // 40), "evaluate_images": SCORED}
    config = ganbaru.from_preset(name, **given)
    run = Folder(ganbaru.train(config, [clock, *standard()], progress=False))
    last = read_log(run)[-1]
    draw(run, PICTURES / f"{name}.png")
    passport = milestones.passport(run)
    assert passport
    kept = [key for key in SCORES if key in last]
    return Entry(
        command=shlex.join(["ganbaru", "train", name, *flags, "--images", str(images)]),
        images=int(last["images"]),
        published=published(whole),
        seconds=round(clock.seconds, 1),
        scores={key: last[key] for key in kept},
        baselines={key: milestones.baselines(run)[key] for key in kept},
        scorer=passport.scorer,
        date=datetime.date.today().isoformat(),
        commit=reporting.commit(),
    )


def draw(run: Folder, path: Path) -> None:
    """Draw images of a run above its losses, in 64 colours."""
    generator = ganbaru.load(run.path)
    height, width = generator.sample(1, seed=0).shape[1:3]
    columns, rows = WIDTH // width, GRID // height
    images = generator.sample(columns * rows, seed=0)
    images = images.reshape(rows, columns, *images.shape[1:]).swapaxes(1, 2)
    grid = images.reshape(rows * height, columns * width, -1)
    sheet = Image.new("RGB", (WIDTH, GRID + CURVE), "white")
    sheet.paste(Image.fromarray(grid.squeeze()).convert("RGB"), ((WIDTH - grid.shape[1]) // 2, 0))
    lines = read_log(run)
    top = max(abs(line[key]) for line in lines for key in COLOURS if key in line) or 1
    for key, colour in COLOURS.items():
        points = [(line["images"], line[key]) for line in lines if key in line]
        scale = (WIDTH - 1) / max(points[-1][0], 1)
        middle = GRID + CURVE / 2
        places = [(x * scale, middle - y / top * (CURVE / 2 - 2)) for x, y in points]
        ImageDraw.Draw(sheet).line(places, colour, 2)
    PICTURES.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary:
        sheet.quantize(64).save(temporary, "PNG", optimize=True)


# --- the page ---------------------------------------------------------------------------------


def page() -> str:
    """Return the page: presets with pictures, then those without."""
    found = results()
    shown = "\n\n".join(_section(name, found[name]) for name in PRESETS if name in found)
    missing = ", ".join(f"`{name}`" for name in PRESETS if name not in found)
    rest = (
        f"\nNot run for this page: {missing} ([results](results.md#presets)).\n" if missing else ""
    )
    return f"{PAGE.read_text(encoding='utf-8').partition(MARK)[0]}{MARK}\n\n{shown}\n{rest}"


def _section(name: str, one: Entry) -> str:
    length = f"{one.images:,} images"
    if one.published and one.images < one.published:
        share = one.images / one.published
        length += f" of the published {one.published:,} ({100 * share:.2g} %)"
    elif one.published:
        length += " (its whole length)"
    length += f", {one.seconds:,.0f} s of a core, {1000 * one.seconds / one.images:.3g} ms an image"
    scores = "; ".join(
        f"{METRICS[key].title} {value:.3g} (real images {one.baselines[key]:.3g})"
        for key, value in one.scores.items()
    )
    summary = PRESETS[name].summary
    about = f"{summary[0].upper()}{summary[1:]}. After {length}. {scores}; scorer {one.scorer}."
    drawn = f"![Images of {name}, and the losses of D and G](images/gallery/{name}.png)"
    return f"### {name}\n\n{about}\n\n{drawn}\n\n`{one.command}`"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the presets given, and write the page."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m bench.gallery", description=__doc__, formatter_class=form
    )
    parser.add_argument("presets", nargs="*", metavar="NAME[=IMAGES]", help=", ".join(PRESETS))
    parser.add_argument("--small", action="store_true", help="at 32x32 and width 16")
    wanted = parser.parse_args(arguments)
    for text in wanted.presets:
        name, _, images = text.partition("=")
        if name not in PRESETS or not (images or "1").isdigit():
            parser.error(f"{text!r} is no NAME or NAME=IMAGES of {', '.join(PRESETS)}")
        with tempfile.TemporaryDirectory() as folder:
            one = train(name, int(images or IMAGES), wanted.small, Path(folder))
        content = {key: asdict(each) for key, each in {**results(), name: one}.items()}
        files.write_json(RESULTS, content)
        print(f"{name}: {one.images:,} images, {one.seconds} s, {one.scores}", flush=True)
    files.write_text(PAGE, page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
