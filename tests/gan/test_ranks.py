"""Ranks and micro-batches: the same training, whatever their number."""

from __future__ import annotations

import numpy as np
import pytest
from bench.distributed import EACH, apart, trained

from ganbaru import ops, ranks
from ganbaru.ranks import Group, RankError, threads


@pytest.mark.parametrize(
    ("name", "size"), [(name, 2 + 2 * (i % 2)) for i, name in enumerate(EACH)], ids=[*EACH]
)
def test_a_step_does_not_depend_on_the_number_of_ranks(name, size):
    options = {**EACH[name], "batch": 16 if "fd" in name else 8}  # ranks divide a quarter of it
    alone = trained(options, 2, ranks.ALONE)
    each = threads.run(size, lambda group: trained(options, 2, group))
    assert max(apart(alone, each[0])) < 1e-9  # signals of the log too
    assert all(apart(each[0], other) == (0, 0) for other in each[1:])
    assert alone[0][0]["d_loss"] != alone[0][1]["d_loss"]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("options", [{}, {"objective": "rasgan", "penalty": "r1"}])
def test_fused_batch_norm_of_pytorch_is_of_the_global_batch(options, precision):
    pytest.importorskip("torch")
    how = {**options, "precision": precision}
    alone = trained(how, 1, ranks.ALONE, "torch")
    found = threads.run(2, lambda group: trained(how, 1, group, "torch"))[0]
    assert max(apart(alone, found)) < (1e-9 if precision == "float64" else 1e-5)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"network": "r3gan", "objective": "rsgan", "penalty": "r1+r2"},
        {"network": "r3gan", "augment": "translation", "share": "fakes"},
    ],
)
def test_micro_batches_equal_a_batch_without_batch_norm(options, size):
    whole = trained(options, 2, ranks.ALONE)
    some = {**options, "accumulate": 2}
    found = threads.run(size, lambda group: trained(some, 2, group))[0]
    assert max(apart(whole, found, "d_loss", "g_loss", "real_score", "g_gradient")) < 1e-9


def test_micro_batches_of_batch_norm_are_ghost_batches():
    whole, ghosts = (trained({"accumulate": count}, 1, ranks.ALONE) for count in (1, 4))
    assert min(apart(whole, ghosts, "d_loss")) > 1e-6


# --- the operations -------------------------------------------------------------------------------


def _own(group: Group, x: np.ndarray) -> np.ndarray:
    return x[group.rank :: group.size]


@pytest.mark.parametrize("size", [1, 3])
def test_sums_are_of_all_ranks_and_differentiate_twice(size):
    x = np.random.default_rng(0).standard_normal((6, 2))

    def slopes(group: Group):
        def loss(own):
            apart = own - ranks.batch_mean(own, axis=0)
            return ops.sum(apart * apart * apart)

        def of_slope(own):
            return ops.sum(ops.grad(loss, own) ** 2)

        with ranks.among(group):
            return ops.grad(loss, _own(group, x)), ops.grad(of_slope, _own(group, x))

    whole = slopes(ranks.ALONE)
    for rank, found in enumerate(threads.run(size, slopes)):
        for one, other in zip(found, whole, strict=True):
            np.testing.assert_allclose(one, other[rank::size], rtol=1e-12)


def test_the_whole_batch_is_in_its_order_and_a_rank_takes_its_part_again():
    x = np.arange(24.0).reshape(12, 2)

    def exchange(group: Group):
        with ranks.among(group):
            whole = ranks.whole_batch(_own(group, x))
            return whole, ranks.own_part(whole), ranks.pooled(*_moments(_own(group, x)))

    for rank, (whole, own, moments) in enumerate(threads.run(4, exchange)):
        np.testing.assert_array_equal(whole, x)
        np.testing.assert_array_equal(own, x[rank::4])
        np.testing.assert_allclose(moments, _moments(x))


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=0), x.var(axis=0)


def test_nothing_is_exchanged_outside_a_step():
    def alone(group: Group):
        return ranks.batch_mean(np.full(2, group.rank)), group.table.messages  # type: ignore

    assert threads.run(2, alone) == [(0, 0), (1, 0)]


def test_a_rank_that_ends_ends_the_others_by_its_name():
    seen: list[str] = []

    def work(group: Group):
        try:
            group.gather(0)  # all have begun
            if group.rank == 1:
                raise ValueError("its own")
            group.gather(1)
        except RankError as error:
            seen.append(str(error))
            raise

    with pytest.raises(ValueError, match="its own"):
        threads.run(3, work)
    assert len(seen) == 2
    assert all("1" in each for each in seen)


def test_a_rank_that_does_not_answer_is_named():
    def work(group: Group):
        if group.rank == 0:
            group.gather(1)
        else:
            import time

            time.sleep(0.3)

    with pytest.raises(RankError, match="1"):
        threads.run(2, work, timeout=0.05)


def test_a_step_sends_few_messages():
    counts: list[int] = []

    def work(group: Group):
        trained({"norm": "none", "network": "r3gan"}, 1, group)
        counts.append(group.table.messages)  # type: ignore[attr-defined]

    threads.run(2, work)
    # Of D: the images of the signals (2), its mean scores, its gradients; of G: its gradients.
    assert counts[-1] == 5
