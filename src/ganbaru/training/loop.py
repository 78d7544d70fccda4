"""The training loop. Each step samples batches, updates D and G, and notifies the callbacks.

Start reading here.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import numpy as np

from ganbaru import files, ranks
from ganbaru.errors import InputError, RunError
from ganbaru.gan import step
from ganbaru.ranks import RankError
from ganbaru.training import distributed
from ganbaru.training.run import Run


# Callbacks report values that are not finite, once, as a RunError.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def loop(run: Run, interrupted: Callable[[], bool]) -> None:
    """Train until a total is reached, a callback stops the run or `interrupted` returns true.

    Raises RunError if it diverges, its files cannot be written or its folder has vanished.
    """
    try:
        _loop(run, interrupted)
    except RankError:
        raise
    except (OSError, InputError, RunError) as error:
        if ranks.world().leads and not run.folder.config.exists():
            raise RunError(
                f"The run's folder {run.folder.path} was removed or moved during the training, "
                f"which cannot go on without it. Start the run again."
            ) from error
        # The paths were right when the run began: a disk that fails is mounted read-only.
        if isinstance(error, (OSError, files.UnwritableError)):
            raise RunError(str(error)) from error
        raise
    finally:
        run.close()


def _loop(run: Run, interrupted: Callable[[], bool]) -> None:
    before, began = run.seconds, time.perf_counter()
    together = functools.partial(distributed.together, run, interrupted)
    train_step = run.engine.compile(functools.partial(step.train_step, run.gan), consumes=True)
    ended = together(lambda callback: callback.start(run))
    while not run.finished and not ended:
        batches = run.sampler.step(run.step, run.strength)
        factor = run.schedule(run.images)
        counts = run.images, run.sampler.images(run.step)
        schedule = step.step_schedule(run.gan, run.step, len(batches.d), factor, *counts)
        with ranks.among(ranks.world()):
            run.state, metrics = train_step(run.state, batches, schedule)
        run.step += 1
        run.images += counts[1]
        run.seconds = before + time.perf_counter() - began - run.paused_seconds
        ended = together(lambda callback: callback.step(run, metrics))  # noqa: B023
    run.notes += getattr(train_step, "notes", ())  # found while training
    together(lambda callback: callback.end(run))
