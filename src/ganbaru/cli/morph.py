"""`ganbaru morph`: a film that interpolates between images of a trained generator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru import coerce
from ganbaru.cli.parser import RUN_HELP, Parser, add_device, number, whole
from ganbaru.errors import InputError
from ganbaru.sampling.interpolation import PATHS

if TYPE_CHECKING:
    from ganbaru.data import Progress
    from ganbaru.sampling.image_io import Images

MOST_PIXELS = 4096  # on the longer side of a film


def _parser() -> Parser:
    parser = Parser("morph", "Make a film that interpolates between generated images.")
    parser.add_positional("run", RUN_HELP)
    add = parser.add_argument
    paths = "; ".join(f"{name}, {path.summary}" for name, path in PATHS.items())
    add("--path", default="slerp", help=paths)
    seeds = "the images to pass through, such as 3,7,9; else as many from 0 as the path needs"
    add("--seeds", type=_seeds, metavar="N,N", help=seeds)
    labels = (
        "one for all or one for each seed, numbers or names; else seed mod classes; for the path "
        "classes: which classes, else all"
    )
    add("--labels", type=_labels, metavar="L,L", help=labels)
    add("--frames", type=whole("--frames"), default=60, metavar="N", help="frames in all")
    add("--fps", type=number("--fps"), default=20.0, metavar="X", help="frames per second")
    add("--close", action="store_true", help="return to the first seed")
    add("--bounce", action="store_true", help="return along the same path")
    size = "repeat pixels until the longer side has this many"
    add("--size", type=_size, default=256, metavar="N", help=size)
    add_device(parser, "the engine that computes")
    output = ".gif, .mp4, .webp, .png or .apng, or a folder of PNGs"
    add("-o", "--output", default="morph.gif", metavar="PATH", help=output)
    return parser


def morph(arguments: Sequence[str]) -> None:
    """Make a film with a trained generator."""
    args = _parser().parse_args(arguments)
    from ganbaru import data
    from ganbaru.sampling import generators, image_io, video

    write = video.writer(Path(args.output), args.fps)
    generator = generators.load(args.run, engine=args.engine, device=args.device)
    frames = generator.morph(
        args.path, args.seeds, args.labels, args.frames, close=args.close, bounce=args.bounce
    )
    with data.progress_bar() as progress:
        counted = _counted(frames, args.frames, progress)
        write(image_io.enlarge(frame, args.size) for frame in counted)
    print(f"{args.frames:,} frames, {args.frames / args.fps:.3g} s: {args.output}")


def _counted(frames: Iterable[Images], total: int, progress: Progress) -> Iterator[Images]:
    """Yield the frames and report how many there are so far."""
    for i, frame in enumerate(frames, 1):
        yield frame
        progress(i, total, "making frames")


def _seeds(text: str) -> list[int]:
    return [coerce.convert(int, "--seeds", one) for one in text.split(",")]


def _labels(text: str) -> str | list[str]:
    return text.split(",") if "," in text else text


def _size(text: str) -> int:
    size: int = coerce.convert(int, "--size", text)
    if not 1 <= size <= MOST_PIXELS:
        raise InputError(f"--size {size} is out of range: give 1 to {MOST_PIXELS} pixels.")
    return size
