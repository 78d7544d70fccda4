"""`ganbaru morph`: a film that interpolates between images of a trained generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ganbaru import coerce
from ganbaru.cli.parser import RUN_HELP, Parser, add_device, add_output, add_trust
from ganbaru.formatting import say
from ganbaru.sampling.interpolation import PATHS

MOST_PIXELS = 4096  # on the longer side of a film


def _parser() -> Parser:
    parser = Parser("morph", "Make a film that interpolates between generated images.")
    parser.add_positional("run", RUN_HELP)
    option = parser.option
    option("--path", "; ".join(f"{name}, {path.summary}" for name, path in PATHS.items()), "slerp")
    seeds = "the images to pass through, such as 3,7,9; else as many from 0 as the path needs"
    option("--seeds", seeds, of=_seeds, metavar="N,N")
    text = (
        "your pictures to pass through in place of seeds, each as `ganbaru project` finds it; "
        "a.png+b.png is the average of several"
    )
    parser.add_argument("--pictures", nargs="+", metavar="FILE", help=text)
    labels = (
        "one for all or one for each seed, numbers or names (index:1, name:1); else seed mod "
        "classes; for the path classes: which classes, else all; attributes: smiling=0;smiling=1"
    )
    option("--labels", labels, of=_labels, metavar="L,L")
    option("--frames", "frames in all", 60, int)
    option("--fps", "frames per second", 20.0, float)
    option("--close", "return to the first seed", of=bool)
    option("--bounce", "return along the same path", of=bool)
    size = f"repeat pixels until the longer side has this many, at most {MOST_PIXELS:,}"
    option("--size", size, 256, int, within=(1, MOST_PIXELS))
    add_device(parser, "the engine that computes")
    add_trust(parser)
    output = ".gif, .mp4, .webp, .png or .apng, or a folder of PNGs"
    add_output(parser, output, "morph.gif")
    return parser


def morph(arguments: Sequence[str]) -> None:
    """Make a film with a trained generator."""
    args = _parser().parse_args(arguments)
    from ganbaru import data, files
    from ganbaru.latents import projected
    from ganbaru.metrics import milestones
    from ganbaru.sampling import image_io, video

    path = Path(args.output)
    write = video.writer(files.output(path, args.overwrite) if path.suffix else path, args.fps)
    how = {"engine": args.engine, "device": args.device, "trust": args.trust}
    say(*milestones.chosen(args.run))
    generator, points = projected.points(args.run, args.pictures, args.seeds, args.labels, **how)
    frames = generator.morph(
        args.path, frames=args.frames, close=args.close, bounce=args.bounce, **points
    )

    def enlarged() -> Iterator[image_io.Images]:
        for i, frame in enumerate(frames, 1):
            if i == 1 and frame.shape[2] == 4:
                notes.extend(video.ALPHA[x] for x in [path.suffix.lower()] if x in video.ALPHA)
            yield image_io.enlarge(frame, args.size)
            progress(i, args.frames, "making frames")

    notes: list[str] = []
    with data.progress_bar() as progress:
        write(enlarged())
    say(f"{args.frames:,} frames, {args.frames / args.fps:.3g} s: {args.output}", *notes)


def _seeds(text: str) -> list[int]:
    return [coerce.convert(int, "--seeds", one) for one in text.split(",")]


def _labels(text: str) -> str | list[str]:
    mark = ";" if "=" in text else ","  # attributes have commas of their own
    return text.split(mark) if mark in text else text
