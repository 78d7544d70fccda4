"""The commands that make pictures and films with a trained generator."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru import coerce
from ganbaru.cli import options
from ganbaru.errors import InputError
from ganbaru.sampling.interpolation import PATHS

if TYPE_CHECKING:
    from ganbaru.data import Progress
    from ganbaru.sampling.image_io import Images

MOST_PIXELS = 4096  # on the longer side of a film


def _parser(command: str, description: str) -> options.Parser:
    """Return a parser with the run that both commands take."""
    parser = options.Parser(command, description)
    parser.add_argument(
        "run", type=str, help="a run's folder, its name below runs/, or a checkpoint"
    )
    return parser


def _add_engine(parser: options.Parser) -> None:
    parser.add_argument("--engine", type=str, default="numpy", help="what computes")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda, cuda:1 or mps")


def _number(name: str) -> Callable[[str], float]:
    """Return the type of an option `name` that takes a number."""
    return functools.partial(coerce.convert, float, name)


def _generating() -> options.Parser:
    parser = _parser("generate", "Make images with a trained generator.")
    parser.add_argument("-n", "--number", type=options.whole("-n"), default=64, metavar="N",
                        help="how many seeds, each an image")  # fmt: skip
    parser.add_argument("--seed", type=options.whole("--seed"), default=0, metavar="N",
                        help="seed of the first image; seeds count up")  # fmt: skip
    parser.add_argument("--label", type=str, default=None,
                        help="a label for all, number or name; else each in turn")  # fmt: skip
    parser.add_argument("--every-label", action="store_true",
                        help="each seed with every label: a row of a grid")  # fmt: skip
    parser.add_argument("--truncation", type=_number("--truncation"), default=1.0, metavar="X",
                        help="below 1: latents drawn towards their mean, for fewer odd pictures "
                        "and less variety")  # fmt: skip
    parser.add_argument("--checkpoint", type=str, default="newest", metavar="WHICH",
                        help="newest, best, the number of images it was written at, or all, each "
                        "into a file with that number in its name")  # fmt: skip
    _add_engine(parser)
    parser.add_argument("-o", "--output", type=str, default="images.png", metavar="PATH",
                        help=".png for a grid, .npz for arrays, or a folder of PNGs")  # fmt: skip
    return parser


def generate(arguments: Sequence[str]) -> None:
    """Make images with a trained generator."""
    wanted = _generating().parse_args(list(arguments))
    from ganbaru import data
    from ganbaru.sampling import generators, writers
    from ganbaru.training import run_folder

    path = Path(wanted.output)
    write = writers.writer(path)
    want = writers.every_label if wanted.every_label else writers.each_seed
    for checkpoint in run_folder.find_checkpoints(wanted.run, wanted.checkpoint):
        marked = path.parent / f"{path.stem}-{checkpoint.stem}{path.suffix}"
        out = marked if wanted.checkpoint == "all" else path
        generator = generators.load(checkpoint, engine=wanted.engine, device=wanted.device)
        with data.progress_bar() as progress:
            chosen = want(generator, wanted.number, wanted.seed, wanted.label,
                          truncation=wanted.truncation, progress=progress)  # fmt: skip
            write(out, chosen)
        seeds = f"seeds {chosen.seeds[0]} to {chosen.seeds[-1]}"
        print(f"{len(chosen.seeds):,} images, {seeds}: {out}")


def _morphing() -> options.Parser:
    parser = _parser("morph", "Make a film that goes from picture to picture.")
    paths = "; ".join(f"{name}, {path.summary}" for name, path in PATHS.items())
    parser.add_argument("--path", type=str, default="slerp", help=paths)
    parser.add_argument("--seeds", type=str, default=None, metavar="N,N",
                        help="what it goes through, such as 3,7,9; else as many from 0 as the "
                        "path needs")  # fmt: skip
    parser.add_argument("--labels", type=str, default=None, metavar="L,L",
                        help="one for all or one for each seed, numbers or names; else seed mod "
                        "classes; for the path classes: which, else all")  # fmt: skip
    parser.add_argument("--frames", type=options.whole("--frames"), default=60, metavar="N",
                        help="how many in all")  # fmt: skip
    parser.add_argument("--fps", type=_number("--fps"), default=20.0, metavar="X",
                        help="frames a second")  # fmt: skip
    parser.add_argument("--close", action="store_true", help="go back to the first seed")
    parser.add_argument("--bounce", action="store_true", help="go back the way it came")
    parser.add_argument("--size", type=_size, default=256, metavar="N",
                        help="repeat pixels until the longer side has this many")  # fmt: skip
    _add_engine(parser)
    parser.add_argument("-o", "--output", type=str, default="morph.gif", metavar="PATH",
                        help=".gif, .mp4, .webp, .png or .apng, or a folder of PNGs")  # fmt: skip
    return parser


def morph(arguments: Sequence[str]) -> None:
    """Make a film with a trained generator."""
    wanted = _morphing().parse_args(list(arguments))
    from ganbaru import data
    from ganbaru.sampling import generators, image_io, video

    write = video.writer(Path(wanted.output), wanted.fps)
    generator = generators.load(wanted.run, engine=wanted.engine, device=wanted.device)
    frames = generator.morph(
        wanted.path, _seeds(wanted.seeds), _labels(wanted.labels), wanted.frames,
        close=wanted.close, bounce=wanted.bounce,
    )  # fmt: skip
    with data.progress_bar() as progress:
        told = _told(frames, wanted.frames, progress)
        write(image_io.enlarge(frame, wanted.size) for frame in told)
    print(f"{wanted.frames:,} frames, {wanted.frames / wanted.fps:.3g} s: {wanted.output}")


def _told(frames: Iterable[Images], total: int, progress: Progress) -> Iterator[Images]:
    """Pass frames on and report how many they are."""
    for i, frame in enumerate(frames, 1):
        yield frame
        progress(i, total, "making frames")


# Lists are taken as text: jsonargparse would hand a list that it has made to its type once more.


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    return [coerce.convert(int, "--seeds", one) for one in text.split(",")]


def _labels(text: str | None) -> str | list[str] | None:
    return text.split(",") if text and "," in text else text


def _size(text: str | int) -> int:
    size: int = coerce.convert(int, "--size", text)
    if not 1 <= size <= MOST_PIXELS:
        raise InputError(f"--size {size} is out of range: give 1 to {MOST_PIXELS} pixels.")
    return size
