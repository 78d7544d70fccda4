"""`ganbaru explain`: show what a training step computes, with every number."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli.parser import Parser
from ganbaru.formatting import say, say_json


def explain(arguments: Sequence[str]) -> None:
    """Print one update of D and of G of a GAN of ten parameters."""
    parser = Parser("explain", "Show one training step of a ten-parameter GAN, with every number.")
    parser.add_positional("what", "what to explain: step", required=False)
    parser.option("--seed", "seed of the parameters, reals and latents", 0, int)
    parser.option("--json", "print the numbers as JSON", of=bool)
    args = parser.parse_args(arguments)
    from ganbaru.labs import one_step

    found = one_step.explain(getattr(args, "what", "step"), seed=args.seed)
    if args.json:
        say_json(found.to_json())
    else:
        say(*str(found).split("\n"))
