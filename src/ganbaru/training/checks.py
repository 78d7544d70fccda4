"""Checks of a run's options against each other, its images and its ranks, before it is set up."""

from __future__ import annotations

import math

from ganbaru import ranks
from ganbaru.config import TOTALS, Config, flag
from ganbaru.errors import InputError, command_line
from ganbaru.gan import build
from ganbaru.gan.penalties import noisy_parts, part_count


def check_options(config: Config) -> None:
    """Raise InputError for options that exclude each other, or lack another."""
    if not config.data:
        raise InputError(
            f"The preset {config.preset!r} trains on your own pictures: give --data, a folder, zip "
            f"or npz file, or a known set. To list those: {command_line('data')}"
        )
    if not any(getattr(config, name) for name in TOTALS):
        raise InputError("Give the length of the run: --steps, --images, --epochs or --minutes.")
    if config.patience and not config.evaluate_every:
        raise InputError(
            "--patience (early stopping) counts evaluations: give also --evaluate-every N."
        )
    if config.balance and config.short_batch:
        raise InputError("--balance has no passes through all images: leave --short-batch out.")
    for name in ("run", "data", "data_dir"):
        if (given := str(getattr(config, name))).encode("utf-8", "ignore").decode() != given:
            raise InputError(
                f"{flag(name)} {given} has bytes that are no UTF-8, which the run's records cannot "
                f"hold. Rename the folder, or give a link to it."
            )
    if config.resume and not config.run:
        raise InputError("--resume needs --run, the folder of the run to go on with.")


def check_batch(config: Config, count: int) -> None:
    """Raise InputError for a batch that `count` images, ranks or micro-batches do not allow."""
    _check_division(config)
    if count < config.batch and not config.replacement:
        raise InputError(
            f"A batch of {config.batch} is larger than the data ({count} images). "
            f"Take --batch {max(2, count)} or less, or draw with --replacement."
        )
    if config.short_batch and not config.replacement and count % config.batch == 1:
        raise InputError(
            f"--short-batch would leave one image by itself in each pass ({count} images in "
            f"batches of {config.batch}), and batch norm needs two. Take another --batch, or leave "
            f"--short-batch out."
        )


def _check_division(config: Config) -> None:
    """Raise InputError unless ranks and micro-batches divide a batch into equal parts."""
    count = config.accumulate
    size = ranks.world().size * config.devices  # of each process
    if size * count == 1:
        return
    kind = "devices" if config.devices > 1 else "processes"
    made = f"{size} {kind}" if size > 1 else ""
    made += f"{' of ' * (size > 1)}{count} micro-batches each" * (count > 1)
    if config.short_batch:
        raise InputError(
            f"--short-batch ends each pass with a batch that {made} do not divide: leave it out."
        )
    least = 2 if count > 1 else 1  # batch norm needs two images
    if config.batch % (size * count) or config.batch < size * count * least:
        fitting = size * count * max(least, round(config.batch / (size * count)))
        raise InputError(
            f"--batch {config.batch} is not divided by {made}: take --batch {fitting}, or another "
            f"number of them."
        )
    for part in noisy_parts(build.penalties(config.penalty, config.trust)):
        if part_count(part, config.batch) % (size * count):
            raise InputError(
                f"--penalty {config.penalty} takes {part_count(part, config.batch)} of "
                f"{config.batch} images, which {made} do not divide: take part=1, or --batch "
                f"{math.lcm(4, round(1 / part)) * size * count}."
            )
