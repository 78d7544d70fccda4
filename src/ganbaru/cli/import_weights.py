"""`ganbaru import`: start a run from the weights of a PyTorch DCGAN."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import options, run_summary
from ganbaru.formatting import say


def import_weights(arguments: Sequence[str]) -> None:
    """Create a run with the weights of files; print which tensor went to which layer."""
    description = "Start a run from the weights of a plain PyTorch DCGAN."
    config, files = options.importing(description, arguments)
    from ganbaru import data
    from ganbaru.export import pytorch_import

    with data.progress_bar() as progress:
        made = pytorch_import.weights(config, **files, progress=progress)
    for player in ("generator", "discriminator"):
        say(f"{player:13}  {files.get(player, 'not given: initialised')}")
        for match in made.matches.get(player, []):
            shapes = (f"{name} {'x'.join(map(str, x))}" for name, x in match.tensors.items())
            say(f"  {match.source:12} -> {match.target:12} {', '.join(shapes)}")
    say(*run_summary.opening(made.run))
    say(f"Images:  {run_summary.generating(made.run)} -n 64 -o images.png")
    say(f"Train:   {run_summary.resuming(made.run)}")
