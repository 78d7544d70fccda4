"""Schedules: closed forms over images, where they end, and that the rates reach the optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import NUMPY64, table
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from train_helpers import assert_same_state, command, newest, tiny, trained

from ganbaru import Config, InputError
from ganbaru.gan import build, ema, step
from ganbaru.gan.optimizers import OPTIMIZERS
from ganbaru.gan.schedules import SCHEDULES
from ganbaru.training import setup
from ganbaru.training.loop import loop

IMAGES = st.integers(0, 10**9)
FORMS = {
    "constant": lambda share: 1.0,
    "linear": lambda share: 1 - share,
    "cosine": lambda share: np.cos(np.pi * share / 2) ** 2,
}
FLOORS = st.floats(0, 1)
FALLING = [name for name in FORMS if name != "constant"]


def test_every_schedule_has_a_closed_form_here():
    assert FORMS.keys() == SCHEDULES.keys()


# --- the factor -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FALLING)
@given(start=IMAGES, length=st.integers(1, 10**9), share=st.floats(0, 1), floor=FLOORS)
def test_between_start_and_end_it_is_its_closed_form(name, start, length, share, floor):
    images = start + round(share * length)
    found = SCHEDULES[name](images, start=start, end=start + length, floor=floor)
    expected = floor + (1 - floor) * FORMS[name]((images - start) / length)
    assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FALLING)
@given(images=IMAGES, start=IMAGES, length=st.integers(1, 10**9))
def test_it_is_one_before_its_start_and_zero_after_its_end(name, images, start, length):
    factor = SCHEDULES[name]
    assert factor(min(images, start), start=start, end=start + length) == 1
    assert factor(start + length + images, start=start, end=start + length) == 0


@pytest.mark.parametrize("name", FORMS)
@given(count=st.lists(IMAGES, min_size=2, max_size=9), ends=st.tuples(IMAGES, IMAGES))
def test_it_never_rises(name, count, ends):
    start, end = sorted(ends)
    options = {} if name == "constant" else {"start": start, "end": end}
    factors = [SCHEDULES[name](images, **options) for images in sorted(count)]
    assert factors == sorted(factors, reverse=True)
    assert 0 <= factors[-1] <= factors[0] <= 1


def test_values_by_hand():
    linear, cosine = (build.schedule(f"{name}:start=20,end=100") for name in FALLING)
    assert [linear(images) for images in (0, 20, 40, 60, 100, 999)] == [1, 1, 0.75, 0.5, 0, 0]
    assert_allclose([cosine(40), cosine(60)], [0.5 + 0.125**0.5, 0.5], rtol=1e-14)
    assert {build.schedule("constant")(images) for images in (0, 5, 10**12)} == {1.0}


# --- where it ends ----------------------------------------------------------------------------


@given(st.integers(8, 10**11))
def test_the_end_defaults_to_the_total(images):
    assert build.ending("linear", images) == f"linear:end={images}"
    spec = build.ending("cosine:start=7", images)
    assert spec == f"cosine:start=7,end={images}"
    assert build.ending(spec, 1) == spec  # and then stays
    assert build.schedule(spec)(images) == 0


@pytest.mark.parametrize("spec", ["linear:end=50", "cosine:start=3,end=50", "constant"])
@pytest.mark.parametrize("images", [None, 400])
def test_a_given_end_stays(spec, images):
    assert build.ending(spec, images) == spec


@pytest.mark.parametrize(
    ("spec", "fix"), [("linear", "linear:end="), ("cosine:start=9", "cosine:start=9,end=")]
)
def test_a_limit_of_minutes_gives_no_end(spec, fix):
    with pytest.raises(InputError) as refused:
        build.ending(spec, None)
    assert f"The schedule {spec} " in str(refused.value)
    assert f"Give {fix}100000, or a total in images, steps or epochs." in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "total"),
    [("linear:start=9", 9), ("cosine:start=50,end=20", None), ("linear:end=0", 5)],
)
def test_an_end_before_the_start_is_refused(spec, total):
    with pytest.raises(InputError, match=f"{spec} would .* Give it a start= before"):
        build.ending(spec, total)


@pytest.mark.parametrize(
    ("totals", "end"),
    [
        ({"images": 500}, 500),
        ({"steps": 6}, 48),
        ({"steps": 6, "d_steps": 3}, 144),
        ({"epochs": 2}, 86),  # of 43 pictures
        ({"epochs": 0.5, "minutes": 5}, 21.5),
        ({"steps": 6, "images": 500, "epochs": 2}, 48),
    ],
)
def test_a_run_ends_where_its_first_total_in_images_does(tmp_path, totals, end):
    run = setup.build(tiny(tmp_path, schedule="linear", **{"steps": None, **totals}))
    assert run.config.schedule == f"linear:end={end}"
    assert run.schedule(0) == 1 and run.schedule(end) == 0
    assert f"schedule: linear:end={end}\n" in run.folder.config.read_text()


# --- in a run ---------------------------------------------------------------------------------


def test_the_factor_of_a_step_is_that_of_the_images_before_it(tmp_path):
    images_before = []
    run = setup.build(tiny(tmp_path, steps=4, d_steps=2))
    run.schedule = lambda images: images_before.append(images) or 1.0
    loop(run, lambda: False)
    assert images_before == [0, 16, 32, 48]


def test_a_run_with_a_larger_total_keeps_its_first_end(tmp_path):
    """After its end the rates are nothing: what is trained further changes no weight."""
    run = trained(tmp_path, steps=6, schedule="linear")
    before, _ = newest(run)
    assert command("train", "--run", run, "--resume", "--steps", 9).code == 0
    after, header = newest(run)
    assert header.step == 9 and header.config["schedule"] == "linear:end=48"
    assert "schedule: linear:end=48\n" in (run / "config.yaml").read_text()
    for player in ("generator", "discriminator"):
        for name, array in before[player].items():
            assert_array_equal(after[player][name], array)
    moved = [
        (before["discriminator_mean"][n] != a).any() for n, a in after["discriminator_mean"].items()
    ]
    assert all(moved)


@pytest.mark.parametrize(
    "schedule",
    ["linear:start=16,end=96", pytest.param("cosine:end=70", marks=pytest.mark.extended)],
)
def test_a_resumed_run_with_a_schedule_equals_an_uninterrupted_one(tmp_path, schedule):
    whole = trained(tmp_path, run=tmp_path / "whole", steps=12, schedule=schedule)
    run = trained(tmp_path, run=tmp_path / "parts", steps=6, schedule=schedule)
    assert command("train", "--run", run, "--resume", "--steps", 12).code == 0
    assert_same_state(run, whole)
    constant = trained(tmp_path, run=tmp_path / "constant", steps=12)
    with pytest.raises(AssertionError):
        assert_same_state(run, constant)


@pytest.mark.parametrize("optimiser", OPTIMIZERS)
def test_the_factor_reaches_both_players(optimiser, any_engine):
    """Factor 0 changes no weight, 0.5 half as much as 1; moments gather all the same."""
    weights = []
    for factor in (0.0, 0.5, 1.0):
        gan = table(any_engine, optimiser=optimiser)
        first = gan.arrays()
        batches = gan.draw.step(0)
        gan.d_update(batches.d[0], 1, factor)
        gan.g_update(batches.g, 1, factor)
        weights.append((first, gan.arrays()))
    (first, none), (_, half), (_, whole) = weights
    for name, before in first["discriminator"].items():
        assert_array_equal(none["discriminator"][name], before)
        moved = whole["discriminator"][name] - before
        assert_allclose(half["discriminator"][name] - before, moved / 2, rtol=0, atol=1e-15)
        assert np.abs(moved).max() > 0
        for moment in ("mean", "square"):
            group = f"discriminator_{moment}"
            assert_array_equal(none[group][name], whole[group][name])
    for name, before in first["generator"].items():
        assert_array_equal(none["generator"][name], before)
        assert (whole["generator"][name] != before).any()


# --- what changes during the burn-in ----------------------------------------------------------

CHANGING = {
    "penalty": "r1:gamma=2,end=0.5+r2",
    "betas": (0.0, 0.9),
    "beta2_end": 0.99,
    "ema_images": 100,
    "burn_in": 80,
}


def _expected(images: int, start: float, end: float) -> float:
    """Return a number along half a cosine wave over 80 images."""
    return end + (start - end) * np.cos(np.pi * min(1.0, images / 80) / 2) ** 2


@pytest.mark.parametrize("images", [0, 20, 40, 80, 999])
def test_every_number_moves_along_half_a_cosine_wave(images):
    gan = table(NUMPY64, **CHANGING).gan
    found = step.step_schedule(gan, 10_000, 2, 0.5, images, 16)
    assert found.gammas == [pytest.approx(_expected(images, 2, 0.5)), None]
    beta2 = _expected(images, 0.9, 0.99)
    for update, of in zip((20_001, 20_002, 10_001), (*found.d, found.g), strict=True):
        corrections = 0.5 * gan.d_optimizer.rate, 1.0, 1 - beta2**update
        assert of == pytest.approx((update, *corrections, beta2))
    half_life = _expected(images, 0, 100)
    expected = 0.5 ** (16 / half_life) if half_life else 0.0
    assert found.ema_decay == pytest.approx(expected)


def test_a_half_life_is_the_same_for_any_batch():
    decays = [ema.decay_by_half_life(batch, 640.0) for batch in (16, 64)]
    assert decays[0] ** 40 == pytest.approx(0.5) and decays[1] ** 10 == pytest.approx(0.5)


def test_without_a_change_the_step_has_its_own_numbers():
    gan = table(NUMPY64, penalty="r1:gamma=2").gan
    found = step.step_schedule(gan, 3, 1, 1.0, 999, 16)
    assert found.gammas == [None] and found.g.beta2 is None
    assert found.ema_decay == ema.decay_at(4, 0.999)


def test_a_changed_number_is_that_of_the_step_on_every_engine(any_engine):
    """A step compiled once, from the same state, is that of a GAN with the numbers of the moment.

    The others are compiled or recorded too, with the first step's numbers if they were no inputs.
    """
    changing, fixed = (
        table(any_engine, **options)
        for options in (CHANGING, {"penalty": "r1:gamma=1.25+r2", "betas": (0.0, 0.945)})
    )
    changing.step(0)
    for number in (1, 5, 2):  # 8 images each: at 40 images all is half-way
        fixed.state = {
            group: {name: any_engine.from_numpy(x) for name, x in arrays.items()}
            for group, arrays in changing.arrays().items()
        }
        found, expected = changing.step(number), fixed.step(number)
        differ = found["d_loss"] != pytest.approx(expected["d_loss"], rel=1e-9)
        assert differ == (number != 5)
        if number == 5:
            ours, theirs = changing.arrays(), fixed.arrays()
            for group in ("generator", "discriminator_square"):
                for name, array in theirs[group].items():
                    assert_allclose(ours[group][name], array, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"ema_images": 50}, None),
        ({"ema_images": 50, "burn_in": 7}, 7),
        ({"beta2_end": 0.9}, 48),
        ({"penalty": "r1:end=1"}, 48),
        ({"penalty": "r2+r1:gamma=3,end=1", "burn_in": 9}, 9),
    ],
)
def test_the_burn_in_is_the_total_of_the_first_run(tmp_path, options, expected):
    run = setup.build(tiny(tmp_path, steps=6, **options))
    assert (run.config.burn_in, run.gan.burn_in) == (expected, expected)


@pytest.mark.parametrize(
    ("options", "totals", "words"),
    [
        ({"burn_in": 5}, 10, "--burn-in 5"),
        ({"beta2_end": 0.9}, None, "--burn-in"),
        ({"penalty": "r1:end=1"}, None, "--burn-in"),
    ],
)
def test_a_burn_in_that_cannot_be_is_refused(options, totals, words):
    with pytest.raises(InputError, match=words):
        build.burn_in(Config(**options), totals)


def test_a_resumed_run_with_a_burn_in_equals_an_uninterrupted_one(tmp_path):
    whole = trained(tmp_path, run=tmp_path / "whole", steps=6, **CHANGING)
    run = trained(tmp_path, run=tmp_path / "parts", steps=3, **CHANGING)
    assert command("train", "--run", run, "--resume", "--steps", 6).code == 0
    assert_same_state(run, whole)
