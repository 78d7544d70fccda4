"""Standing statistics: batch norm's, measured for the averaged generator when it is used.

The average of running statistics is not what the averaged weights have: these are measured over
512 latents of their own, as Brock et al. 2019 ("BigGAN") do before sampling.
docs/performance.md has the gain. They depend on the weights and the run's seed alone, so that a
resumed run has the same.
"""

from __future__ import annotations

import numpy as np

from ganbaru.gan import models
from ganbaru.gan.batches import BatchSampler
from ganbaru.nn.normalization import BATCH_NORM_MOMENTUM
from ganbaru.ops import Parameters

BATCHES, BATCH = 8, 64
_RUNNING = ("running_mean", "running_var")


def statistics(sampler: BatchSampler, parameters: Parameters, buffers: Parameters) -> Parameters:
    """Return a generator's buffers with batch norm's statistics over 8 batches of 64 latents.

    Those of 28x28 take 0.1 s of a core at a width of 24, those of 64x64 0.7 s.
    """
    running = {name for name in buffers if name.endswith(_RUNNING)}
    if not running:
        return buffers
    engine = sampler.engine
    run = models.after_batch(engine, sampler.gan.generator)
    # From 0, a pass moves them to the momentum times the batch's own.
    start = {name: x * 0.0 if name in running else x for name, x in buffers.items()}
    total = dict.fromkeys(running, np.float64(0))
    for i in range(BATCHES):
        after = run(parameters, start, *sampler.generator_inputs("statistics", i, BATCH))
        for name in running:
            total[name] = total[name] + np.asarray(engine.to_numpy(after[name]), np.float64)
    factor = 1 / (BATCH_NORM_MOMENTUM * BATCHES)
    precision = {name: engine.to_numpy(buffers[name]).dtype for name in running}
    found = {n: engine.from_numpy((x * factor).astype(precision[n])) for n, x in total.items()}
    return {**buffers, **found}
