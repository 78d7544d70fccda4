"""`ganbaru generate`: images of a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbaru.cli.evaluation_options import CHECKPOINT
from ganbaru.cli.parser import RUN_HELP, Parser, add_device, add_output, add_trust
from ganbaru.formatting import say


def _parser() -> Parser:
    parser = Parser("generate", "Generate images with a trained generator.")
    parser.add_positional("run", RUN_HELP)
    option = parser.option
    option("-n --number", "how many seeds, one image each", 64, int)
    option("--seed", "seed of the first image; the others count up from it", 0, int)
    option(
        "--label",
        "the label of all images: number, name, index:1 or name:1; else each label in turn; "
        "attributes: smiling=1,angle=0.3, others at their mean or most frequent value",
    )
    option("--every-label", "each seed with every label: a row of a grid", of=bool)
    best = "the best K of N seeds in place of -n, such as 16-of-64; the cost in recall is printed"
    option("--best", best, metavar="K-of-N")
    option(
        "--best-by",
        "d, the realness by D, or density, of real images around an image",
        "d",
        metavar="HOW",
    )
    truncation = "below 1: latents scaled towards their mean, for fewer odd images and less variety"
    option("--truncation", truncation, 1.0, float)
    checkpoint = f"{CHECKPOINT}; all: each into a file with that number in its name"
    option("--checkpoint", checkpoint, "auto", metavar="WHICH")
    text = "do not compare the weights with their SHA-256 (0.7 s for 1 GB)"
    option("--no-verify", text, of=bool)
    add_device(parser, "the engine that computes")
    add_trust(parser)
    output = ".png for a grid, .npz for arrays, or a folder of PNGs"
    add_output(parser, output, "images.png")
    return parser


def generate(arguments: Sequence[str]) -> None:
    """Generate images and write them."""
    args = _parser().parse_args(arguments)
    from ganbaru import data
    from ganbaru.latents import selection
    from ganbaru.metrics import milestones
    from ganbaru.sampling import generators, writers
    from ganbaru.training import run_folder

    path = Path(args.output)
    write = writers.writer(path, args.overwrite)
    say(*milestones.chosen(args.run, args.checkpoint))
    for checkpoint in run_folder.find_checkpoints(args.run, args.checkpoint):
        numbered = path.parent / f"{path.stem}-{checkpoint.stem}{path.suffix}"
        out = numbered if args.checkpoint == "all" else path
        how = {"engine": args.engine, "device": args.device, "trust": args.trust}
        generator = generators.load(checkpoint, **how, verify=not args.no_verify)
        with data.progress_bar() as progress:
            chosen, note = selection.job(
                generator,
                checkpoint,
                args.best,
                args.best_by,
                every_label=args.every_label,
                n=args.number,
                seed=args.seed,
                label=args.label,
                truncation=args.truncation,
                trust=args.trust,
                progress=progress,
            )
            write(out, chosen)
        seeds = note or f"seeds {chosen.seeds[0]} to {chosen.seeds[-1]}"
        say(f"{len(chosen.seeds):,} images, {seeds}: {out}")
