"""`ganbaru generate`: images of a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbaru.cli.parser import RUN_HELP, Parser, add_device, number, whole


def _parser() -> Parser:
    parser = Parser("generate", "Generate images with a trained generator.")
    parser.add_positional("run", RUN_HELP)
    add = parser.add_argument
    count = "how many seeds, one image each"
    add("-n", "--number", type=whole("-n"), default=64, metavar="N", help=count)
    seed = "seed of the first image; the others count up from it"
    add("--seed", type=whole("--seed"), default=0, metavar="N", help=seed)
    add("--label", help="the label of all images, number or name; else each label in turn")
    add("--every-label", action="store_true", help="each seed with every label: a row of a grid")
    truncation = "below 1: latents scaled towards their mean, for fewer odd images and less variety"
    ratio = number("--truncation")
    add("--truncation", type=ratio, default=1.0, metavar="X", help=truncation)
    checkpoint = (
        "newest, best, the number of images it was written at, or all, each into a file with that "
        "number in its name"
    )
    add("--checkpoint", default="newest", metavar="WHICH", help=checkpoint)
    add_device(parser, "the engine that computes")
    output = ".png for a grid, .npz for arrays, or a folder of PNGs"
    add("-o", "--output", default="images.png", metavar="PATH", help=output)
    return parser


def generate(arguments: Sequence[str]) -> None:
    """Generate images and write them."""
    args = _parser().parse_args(arguments)
    from ganbaru import data
    from ganbaru.sampling import generators, writers
    from ganbaru.training import run_folder

    path = Path(args.output)
    write = writers.writer(path)
    choose = writers.every_label if args.every_label else writers.each_seed
    for checkpoint in run_folder.find_checkpoints(args.run, args.checkpoint):
        numbered = path.parent / f"{path.stem}-{checkpoint.stem}{path.suffix}"
        out = numbered if args.checkpoint == "all" else path
        generator = generators.load(checkpoint, engine=args.engine, device=args.device)
        with data.progress_bar() as progress:
            chosen = choose(
                generator,
                args.number,
                args.seed,
                args.label,
                truncation=args.truncation,
                progress=progress,
            )
            write(out, chosen)
        seeds = f"seeds {chosen.seeds[0]} to {chosen.seeds[-1]}"
        print(f"{len(chosen.seeds):,} images, {seeds}: {out}")
