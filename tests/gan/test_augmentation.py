"""Augmentation: transforms, their draws, what D sees, specifications, choice by data, strength."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from helpers import NUMPY32, NUMPY64, assert_engines_agree, check_gradients, normal, source, table
from hypothesis import given
from hypothesis import strategies as st
from network_calls import recorded
from numpy.testing import assert_allclose, assert_array_equal
from train_helpers import command, log, tiny, trained

from ganbaru import ops
from ganbaru.callbacks import AdaptiveAugmentation
from ganbaru.config import Config
from ganbaru.data import Source
from ganbaru.errors import InputError
from ganbaru.gan import augmentation, auto_augmentation, build
from ganbaru.gan.augmentation import Adaptive, Augmentation
from ganbaru.gan.batches import BatchSampler
from ganbaru.gan.transforms import TRANSFORMS
from ganbaru.training import setup

SHAPE = 10, 7, 3  # higher than wide, so that exchanged axes show
# In images of this size 10 degrees move few pixels.
SPECS = {name: "rotation:most=45" if name == "rotation" else name for name in TRANSFORMS}
EVERY = pytest.mark.parametrize("spec", [*SPECS.values(), "+".join(SPECS.values())])


def _images(count: int = 5, seed: int = 0) -> np.ndarray:
    return normal(count, SHAPE[2], *SHAPE[:2], seed=seed)


def _certain(spec: str) -> Augmentation:
    """Return an augmentation of which every image has every transform."""
    made = augmentation.parse(spec)
    sure = (dataclasses.replace(each, p=1.0) for each in made.transforms)
    return Augmentation(tuple(sure))


def _arrays(made: Augmentation, count: int, strength: float = 1.0, seed: int = 0):
    return made.arrays(made.sample(seed, "test", 0, count), strength, SHAPE)


def _transformed(made: Augmentation, images: np.ndarray, engine=NUMPY64, **how) -> np.ndarray:
    arrays = _arrays(made, len(images), **how)
    given = {name: engine.from_numpy(x) for name, x in arrays.items()}
    return ops.to_numpy(made.apply(engine.from_numpy(images), given))


def _function(made: Augmentation, count: int):
    """Return an augmentation as a function of images and its arrays, and those arrays."""
    arrays = _arrays(made, count)

    def function(images, *tensors):
        return made.apply(images, dict(zip(arrays, tensors, strict=True)))

    return function, list(arrays.values())


# --- every transform --------------------------------------------------------------------------


@EVERY
def test_nothing_changes_at_probability_0(spec, any_engine32):
    """To the last bit, also beside images that do change."""
    made = augmentation.parse(spec)
    off = Augmentation(tuple(dataclasses.replace(each, p=0.0) for each in made.transforms))
    images = _images().astype(np.float32)
    assert_array_equal(_transformed(off, images, any_engine32), images)
    half = Augmentation(tuple(dataclasses.replace(each, p=0.5) for each in made.transforms[:1]))
    draws = half.sample(0, "test", 0, 40)[half.transforms[0].NAME]
    images = _images(40).astype(np.float32)
    same = draws[:, 0] >= 0.5
    assert_array_equal(_transformed(half, images, any_engine32)[same], images[same])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_share_of_transformed_images_is_p_times_the_strength(name):
    count, p, strength = 3_000, 0.6, 0.5
    (one,) = augmentation.parse(SPECS[name]).transforms
    made = Augmentation((dataclasses.replace(one, p=p),))
    images = _images(count)
    changed = (_transformed(made, images, strength=strength) != images).any(axis=(1, 2, 3))
    expected = p * strength if TRANSFORMS[name].ADAPTS else p
    # Some transformed images stay the same: moved by no pixel, or cut out of a corner.
    kept = (_transformed(_certain(SPECS[name]), images) != images).any(axis=(1, 2, 3)).mean()
    error = 4 * np.sqrt(expected * kept * (1 - expected * kept) / count)
    assert kept > 0.5
    assert abs(changed.mean() - expected * kept) < error + 0.02


@EVERY
def test_gradients_to_second_order(spec):
    """With a square before, whose second derivative must pass through."""
    made = _certain(spec)
    arrays = {n: NUMPY64.from_numpy(x) for n, x in _arrays(made, 1).items()}
    images = 0.5 * _images(1)[:, :, :5, :4]
    small = made.arrays(made.sample(0, "test", 0, 1), 1.0, (5, 4, 3))
    arrays = {n: NUMPY64.from_numpy(x) for n, x in small.items()}
    check_gradients(lambda x: made.apply(x * x, arrays), images)


@EVERY
def test_engines_agree(spec, other_engine):
    made = _certain(spec)
    function, arrays = _function(made, 4)
    assert_engines_agree(other_engine, function, _images(4), *arrays, relative=1e-12)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_are_linear_in_the_pixels_but_for_brightness(name):
    made = _certain(f"{name}:brightness=0" if name == "colour" else name)
    first, second = _images(seed=1), _images(seed=2)
    together = _transformed(made, 2 * first - second)
    apart = 2 * _transformed(made, first) - _transformed(made, second)
    assert_allclose(together, apart, atol=1e-12)


# --- what each does ---------------------------------------------------------------------------


def _reference(name: str, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Transform images (N, C, H, W) one by one, by the numbers (N, ...) of each."""
    return np.stack([_BY_HAND[name](x, u) for x, u in zip(images, numbers, strict=True)])


def _colour(image: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    add, saturation, contrast = (2 * numbers - 1) * (0.5, 1.0, 0.5) + (0, 1, 1)
    image = image + add
    grey = image.mean(axis=0, keepdims=True)
    image = (image - grey) * saturation + grey
    return (image - image.mean()) * contrast + image.mean()


def _moved(image: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    most = np.array([1, 1])  # an eighth of 10 and of 7
    down, right = np.floor(numbers * (2 * most + 1)).astype(int) - most
    wide = np.pad(image, ((0, 0), (20, 20), (20, 20)))
    return wide[:, 20 - down : 30 - down, 20 - right : 27 - right]


def _cut(image: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    out = image.copy()
    (top, left), (tall, broad) = np.rint(numbers * (10, 7) - (2.5, 1.75)).astype(int), (5, 4)
    out[:, max(0, top) : max(0, top + tall), max(0, left) : max(0, left + broad)] = 0
    return out


_BY_HAND = {
    "flip": lambda image, numbers: image[:, :, ::-1],
    "translation": _moved,
    "cutout": _cut,
    "colour": _colour,
}


@pytest.mark.parametrize("name", _BY_HAND)
def test_values_by_hand(name):
    images = _images(40)
    made = _certain(name)
    numbers = made.sample(0, "test", 0, 40)[name][:, 1:]
    assert_allclose(_transformed(made, images), _reference(name, images, numbers), atol=1e-12)


def _spots(distance: int, side: int = 33) -> np.ndarray:
    """Return an image with a soft spot right of its centre, for each of 64 draws."""
    down, right = np.indices((side, side)) - side // 2
    return np.exp(-(down**2 + (right - distance) ** 2) / 8)[None, None].repeat(64, axis=0)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("rotation:most=30", lambda u: 6 * np.exp(-1j * np.radians(30) * (2 * u - 1))),
        ("scale:most=0.5", lambda u: 6 * 1.5 ** (2 * u - 1)),
    ],
)
def test_a_spot_is_rotated_and_scaled_about_the_centre(spec, expected):
    made = _certain(spec)
    arrays = made.arrays(made.sample(0, "test", 0, 64), 1.0, (33, 33, 1))
    found = made.apply(_spots(6), arrays)[:, 0]
    down, right = np.indices((33, 33)) - 16
    places = (found * (right + 1j * down)).sum(axis=(1, 2)) / found.sum(axis=(1, 2))
    wanted = expected(made.sample(0, "test", 0, 64)[made.transforms[0].NAME][:, 1])
    assert np.abs(places - wanted).max() < 0.7
    assert np.abs(wanted - 6).max() > 2


def test_a_resized_image_keeps_its_brightness():
    """Away from the border, where zeros enter."""
    found = _transformed(_certain("scale:most=1"), np.ones((50, *SHAPE[2:], *SHAPE[:2])))
    assert_allclose(found[:, :, 3:7, 3:4], 1, atol=1e-12)


# --- draws, and what D sees -------------------------------------------------------------------


def _sampler(relativistic: bool = False, penalty: str = "none", **options) -> BatchSampler:
    objective = "rsgan" if relativistic else "non-saturating"
    config = Config(objective=objective, penalty=penalty, batch=8, latent=4, seed=3, **options)
    return BatchSampler(config, source(30, SHAPE, 5), NUMPY32, build.gan(config, SHAPE, 0), 0)


@pytest.mark.parametrize(
    ("how", "paired"),
    [({}, False), ({"relativistic": True}, True), ({"penalty": "wgan-gp"}, True),
     ({"penalty": "r1"}, False)],
)  # fmt: skip
def test_pairs_have_the_same_numbers_and_others_their_own(how, paired):
    step = _sampler(**how, augment="auto").sample(2)
    for batch in (step.d[0], step.g):
        assert batch.draws.keys() == ({"real", "fake"} if batch.real is not None else {"fake"})
    real, fake = step.d[0].draws["real"], step.d[0].draws["fake"]
    of_g = step.g.draws["fake"]
    for name in TRANSFORMS:
        assert (real[name] == fake[name]).all() == paired
        for one, other in itertools.combinations(({*()} or [fake, of_g]), 2):
            assert (one[name] != other[name]).any()
        assert len(np.unique(fake[name])) == fake[name].size


def test_fakes_are_not_mirrored():
    """D would see what both sides of an image have in common alone; all else stays the same."""
    gan = table(NUMPY64, shape=(16, 16, 3), augment="flip:p=1+colour")
    calls = recorded(gan)
    batches = gan.draw.step(0)
    gan.step(0)
    colour = augmentation.parse("colour").apply
    seen = [call.x for call in calls if call.player == "discriminator"]
    for update in (batches.d[0], batches.g):
        assert {name.partition(".")[0] for name in update.draws["fake"]} == {"colour"}
    made = [call.y for call in calls if call.player == "generator"]
    assert_array_equal(seen[1], colour(made[0], batches.d[0].draws["fake"]))
    mirrored = np.ascontiguousarray(batches.d[0].real[:, :, :, ::-1])
    assert_array_equal(seen[0], colour(mirrored, batches.d[0].draws["real"]))


def test_draws_depend_on_seed_step_and_transform_alone():
    """Another transform beside it changes no number of the first."""
    alone, both = _sampler(augment="cutout"), _sampler(augment="flip+cutout+scale")
    for number in (0, 5):
        for one, other in ((alone, both), (both, _sampler(augment="flip+cutout+scale"))):
            assert_array_equal(
                one.sample(number).d[0].draws["real"]["cutout"],
                other.sample(number).d[0].draws["real"]["cutout"],
            )


@pytest.mark.parametrize("options", [{"objective": "rsgan"}, {"penalty": "r1"}, {"penalty": "r2"},
                                     {"share": "fakes", "order": "g-first"}])  # fmt: skip
def test_d_sees_augmented_images_only(options):
    """In both players' updates and in penalties; G makes the images that are augmented."""
    gan = table(NUMPY64, shape=(16, 16, 3), augment="translation:p=1+colour:p=1", **options)
    calls = recorded(gan)
    batches = gan.draw.step(0)
    gan.step(0)
    made = [call.y for call in calls if call.player == "generator"]
    seen = {call.x.tobytes() for call in calls if call.player == "discriminator"}
    apply = gan.gan.augmentation.apply
    allowed = {apply(batches.d[0].real, batches.d[0].draws["real"]).tobytes()}
    if batches.g.real is not None:
        allowed.add(apply(batches.g.real, batches.g.draws["real"]).tobytes())
    for batch, y in itertools.product((batches.d[0], batches.g), made):
        allowed.add(apply(y, batch.draws["fake"]).tobytes())
    assert seen <= allowed
    assert len(seen) >= 2


def test_without_augmentation_batches_have_no_draws():
    step = _sampler().step(0)
    assert step.d[0].draws is step.g.draws is None


# --- specifications ---------------------------------------------------------------------------


@st.composite
def specifications(draw):
    names = draw(st.lists(st.sampled_from(list(TRANSFORMS)), min_size=1, unique=True))
    parts = [TRANSFORMS[name](p=draw(st.floats(0, 1))) for name in names]
    adaptive = Adaptive(start=draw(st.floats(0, 0.8))) if draw(st.booleans()) else None
    return Augmentation(tuple(parts), adaptive)


@given(made=specifications())
def test_a_description_is_a_specification(made):
    again = augmentation.parse(augmentation.describe(made))
    assert again.adaptive == made.adaptive or again.adaptive.start == pytest.approx(
        made.adaptive.start
    )
    for one, other in zip(again.transforms, made.transforms, strict=True):
        assert type(one) is type(other) and one.p == pytest.approx(other.p, abs=1e-11)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("flop", "flip"),
        ("flip+shear", "rotation"),
        ("", "translation"),
        ("flip+flip", "twice"),
        ("flip+none", "stands alone"),
        ("auto+flip", "stands alone"),
        ("adaptive", "translation"),
        ("flip:q=1", "Known: p"),
        ("flip:p", "key=number"),
        ("flip:p=1.5", "from 0 to 1"),
        ("translation:most=-1", "most"),
        ("rotation:most=90", "45"),
        ("flip+adaptive:start=0.9", "0.8"),
    ],
)
def test_wrong_specifications(spec, said, tmp_path):
    with pytest.raises(InputError) as caught:
        augmentation.parse(spec)
    assert said in str(caught.value)
    found = command("train", "digits", "--augment", spec, "--run", tmp_path / "run")
    assert found.code == 2 and not (tmp_path / "run").exists()


# --- the choice by the data -------------------------------------------------------------------


def _photographs(count: int, one_sided: bool) -> np.ndarray:
    """Return smooth random images of many colours, brighter on the left if `one_sided`."""
    rng = np.random.default_rng(1)
    coarse = rng.uniform(0, 200, (count, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    light = np.linspace(1.5, 0, 16)[:, None] ** 3 * 60 if one_sided else 0
    return np.clip(coarse + light + rng.uniform(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def _letters(count: int) -> np.ndarray:
    images = np.zeros((count, 16, 16, 1), np.uint8)
    images[:, 3:13, 4:6] = images[:, 11:13, 4:11] = 255  # an L
    rng = np.random.default_rng(0)
    return np.stack([np.roll(image, rng.integers(-3, 4, 2), (0, 1)) for image in images])


FEW = {"flip", "translation", "cutout"}
CHOICES = {
    "photographs": (_photographs(300, one_sided=False), FEW),
    "one side is lighter": (_photographs(300, one_sided=True), FEW - {"flip"}),
    "too few to tell": (_photographs(20, one_sided=False), FEW - {"flip"}),
    "many photographs": (_photographs(6_000, one_sided=False), {"flip", "translation"}),
    "letters": (_letters(300), FEW - {"flip"}),
    "many letters": (_letters(6_000), {"translation"}),
}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("testable", [False, True])
def test_auto_chooses_by_number_and_kind(name, testable):
    images, names = CHOICES[name]
    choice = auto_augmentation.choose(images, testable)
    made = augmentation.parse(choice.spec)
    assert {each.NAME for each in made.transforms} == names
    if testable or len(images) >= auto_augmentation.TOO_FEW:
        assert made.adaptive.hold == (0 if testable else auto_augmentation.held_out(len(images)))
    else:
        assert made.adaptive is None
    assert choice.spec in choice.reason and f"{len(images):,}" in choice.reason


def test_digits_are_never_flipped(tmp_path):
    run = setup.build(
        tiny(tmp_path, data="digits", image_size=16, augment="auto"), [AdaptiveAugmentation()]
    )
    assert "flip" not in run.config.augment and "translation" in run.config.augment
    assert any(run.config.augment in note for note in run.notes)
    run.close()
    own = setup.build(tiny(tmp_path, run=tmp_path / "own", augment="flip"))
    assert own.config.augment == "flip"
    own.close()


# --- the strength -----------------------------------------------------------------------------


def test_held_out_images_are_never_trained_on():
    draw = _sampler(augment="flip+adaptive:hold=7", relativistic=True)
    train, held = augmentation.split(augmentation.parse(draw.config.augment), 30)
    assert sorted([*train, *held]) == list(range(30)) and len(held) == 7
    known = {image.tobytes(): i for i, image in enumerate(draw.source.images)}
    shown = set()
    for number in range(12):
        for batch in (draw.step(number).d[0], draw.step(number).g):
            pixels = np.rint((batch.real.transpose(0, 2, 3, 1) + 1) * 127.5).astype(np.uint8)
            shown |= {known[image.tobytes()] for image in pixels}
    assert shown == {*train.tolist()}


@pytest.mark.parametrize(
    ("gap", "apart", "change"),
    [(0.3, 1.0, 0.0), (0.6, 1.0, 0.1), (9.0, 1.0, 0.1), (0.45, 1.0, 0.05), (0.0, 1.0, -0.1),
     (6.0, 10.0, 0.1), (1.0, 0.0, -0.1), (1.0, -2.0, -0.1), (-1.0, 1.0, -0.1)],
)  # fmt: skip
def test_the_strength_follows_overfitting(gap, apart, change):
    adaptive = Adaptive()
    assert adaptive.after(0.4, gap, apart, 0.1) == pytest.approx(0.4 + change)
    assert adaptive.after(0.79, 9.0, 1.0, 0.1) == adaptive.most
    assert adaptive.after(0.05, 0.0, 1.0, 0.1) == 0


def test_the_strength_rises_as_d_memorizes_random_images(tmp_path):
    """Random pictures: held-out ones are as strange to D as they can be."""
    spec = "translation+adaptive:hold=20,images=200,target=0.1"
    trained(tmp_path, augment=spec, lr=3e-3, steps=60, log_every=80)
    strengths = [line["augment_strength"] for line in log(tmp_path / "run")]
    assert strengths[0] < 0.2 and strengths[-1] > 0.3


def test_adaptive_needs_images_to_measure(tmp_path):
    config = tiny(tmp_path, augment="flip+adaptive:hold=0", held_out=0)
    with pytest.raises(InputError, match="hold=N"):
        setup.build(config, [AdaptiveAugmentation()])


def test_a_batch_larger_than_what_is_left(tmp_path):
    with pytest.raises(InputError, match="33 images"):
        setup.build(tiny(tmp_path, augment="flip+adaptive:hold=10", batch=40))


def test_many_colours_count_as_photographs_in_any_source():
    grey = _photographs(100, one_sided=False)[..., :1]
    assert not auto_augmentation.drawn(grey)
    assert auto_augmentation.drawn(Source("x", _letters(9), None, (), "").images)
