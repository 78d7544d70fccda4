"""Tests of everything in the registries: networks, objectives, penalties, data sets, presets."""

from __future__ import annotations

import importlib
import inspect
import json
import re

import numpy as np
import pytest
from helpers import (
    NUMPY32,
    NUMPY64,
    assert_close,
    check_gradients,
    normal,
    outcomes,
    table,
)
from numpy.testing import assert_array_equal

from ganbaru import callbacks, load, nn, ops, registry, train
from ganbaru.config import Config, from_preset
from ganbaru.data import declared
from ganbaru.gan import build, models
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES
from ganbaru.nn import initializers
from ganbaru.presets import PRESETS

DCGAN = initializers.INITIALISATIONS["dcgan"]

PAPER = re.compile(r"[A-Z]\w+.*\b(19|20)\d\d\b")  # an author and a year
PLACE = re.compile(r"\b(eq\.|section|algorithm|appendix) [\dA-Z]")


def _functions(module) -> list[str]:
    """Return the public functions that a module defines itself."""
    return [
        name
        for name, item in vars(module).items()
        if inspect.isfunction(item) and item.__module__ == module.__name__ and name[0] != "_"
    ]


# --- networks ---------------------------------------------------------------------------------

SHAPES = [(32, 32, 1), (32, 48, 3)]
PLAYERS = [
    pytest.param(
        name, player, shape, classes, id=f"{name}-{player}-{'x'.join(map(str, shape))}-{classes}"
    )
    for name in registry.names("networks")
    for player in (0, 1)
    for shape in SHAPES
    for classes in (0, 3)
]


def _fitting(name: str) -> str:
    """Return a conditioning that a network can have: a label's product needs a single logit."""
    return "projection" if models.logits(name, None) == 1 else "planes"


def _player(name, player, shape, classes, count=4):
    conditioning = _fitting(name) if classes else "none"
    config = Config(network=name, width=8, latent=6, conditioning=conditioning)
    network = models.networks(config, shape, classes)[player]
    return network, models.input_shapes(config, shape, classes, count)[player]


def _inputs(shapes) -> list[np.ndarray]:
    """Images or latents, and labels for a shape of one side."""
    return [normal(*s) if len(s) > 1 else np.arange(s[0]) % 3 for s in shapes]


class Recording(dict):
    """A dictionary that records the names of the items read."""

    def __init__(self, *items) -> None:
        super().__init__(*items)
        self.names: list[str] = []

    def __getitem__(self, name):
        self.names.append(name)
        return super().__getitem__(name)


@pytest.mark.parametrize("name", registry.names("networks"))
def test_a_network_file_holds_both_players_and_names_its_paper(name):
    module = registry.module("networks", name, None)
    assert callable(module.generator) and callable(module.discriminator)
    assert PAPER.search(module.__doc__)


@pytest.mark.parametrize("name,player,shape,classes", PLAYERS)
def test_a_network_traces_and_gives_the_same_on_every_engine(
    name, player, shape, classes, any_engine32
):
    """The traced shape; the same parameters, whatever the batch and the mode; the same numbers."""
    network, shapes = _player(name, player, shape, classes)
    first = nn.initialise(network, *shapes, seed=0, initialisation=DCGAN)
    traced, _ = nn.trace(network, *shapes)
    images = (4, shape[2], *shape[:2])
    assert traced == images if player == 0 else traced[0] == 4
    for training in (True, False):
        results = []
        for engine in (NUMPY32, any_engine32):
            tensors = [Recording({n: engine.from_numpy(a) for n, a in g.items()}) for g in first]
            inputs = map(engine.from_numpy, _inputs(shapes))
            y, buffers = nn.apply(network, *tensors, *inputs, training=training)
            assert tuple(y.shape) == traced
            assert sorted(tensors[0].names) == sorted(first[0])
            assert buffers.keys() == first[1].keys()
            results.append(engine.to_numpy(y))
        assert_close(results[1], results[0], 1e-4)


@pytest.mark.parametrize("name,player,shape,classes", PLAYERS)
def test_names_and_first_values_do_not_depend_on_the_batch(name, player, shape, classes):
    made = []
    for count in (2, 5):
        network, shapes = _player(name, player, shape, classes, count)
        made.append(nn.initialise(network, *shapes, seed=0, initialisation=DCGAN))
    for few, many in zip(*made, strict=True):
        assert list(few) == list(many)
        for parameter, array in few.items():
            assert_array_equal(many[parameter], array)


@pytest.mark.parametrize("name,player,shape,classes", PLAYERS)
def test_every_parameter_has_an_influence(name, player, shape, classes):
    """A layer that initialisation or training cannot reach is a mistake."""
    network, shapes = _player(name, player, shape, classes)
    parameters, buffers = nn.initialise(network, *shapes, seed=0, initialisation=DCGAN)
    inputs = [NUMPY64.from_numpy(x) for x in _inputs(shapes)]

    def loss(given):
        y, _ = nn.apply(network, given, buffers, *inputs, training=True)
        return ops.sum(y * normal(*y.shape)), None

    # Off their start: a residual block whose last layer is zero hides the layers before it.
    given = {n: NUMPY64.from_numpy(p + 0.02 * normal(*p.shape)) for n, p in parameters.items()}
    _, _, gradients = ops.value_and_grad(loss, given)
    for parameter, slope in gradients.items():
        assert np.abs(slope).max() > 0, parameter


# --- objectives and penalties -----------------------------------------------------------------


def _scores(name: str, seed: int = 0) -> np.ndarray:
    """Make scores (5,) or logits (5, n) as an objective takes them."""
    logits = OBJECTIVES[name].logits
    return normal(5, *([logits] if logits > 1 else []), seed=seed)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_has_finite_values_and_right_gradients(name, any_engine):
    """With respect to both score vectors, twice, for both players."""
    found = OBJECTIVES[name]
    arrays = _scores(name), _scores(name, 1)
    for loss in (found.d, found.g):
        value, *slopes = outcomes(any_engine, loss, arrays)
        assert value.shape == ()
        assert np.isfinite(value)
        assert all(np.isfinite(slope).all() for slope in slopes)
        check_gradients(loss, *arrays, engine=any_engine)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_relativistic_objectives_are_those_whose_g_uses_the_reals(name):
    found, fake = OBJECTIVES[name], _scores(name)
    values = {float(found.g(_scores(name, seed), fake)) for seed in (1, 2)}
    assert (len(values) == 2) == found.relativistic
    if not found.relativistic:
        assert float(found.g(None, fake)) in values


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_reward_separation_for_d_and_high_fakes_for_g(name):
    """From equal scores, D gains by higher reals and by lower fakes, G by higher fakes."""
    draw = [np.zeros_like(_scores(name))] * 2
    _, of_d = outcomes(NUMPY64, lambda r, f: OBJECTIVES[name].d(r, f) * 1.0, draw, orders=1)
    _, of_g = outcomes(NUMPY64, lambda r, f: OBJECTIVES[name].g(r, f) * 1.0, draw, orders=1)
    sign = np.sign(normal(seed=1))  # of the random direction that `outcomes` multiplies by
    real, _ = of_d.reshape(2, 5, -1)[..., -1]  # of two logits, the second says real
    _, fake = of_g.reshape(2, 5, -1)[..., -1]
    assert (sign * real < 0).all()
    assert (sign * fake < 0).all()


@pytest.mark.parametrize("name", [*OBJECTIVES, *PENALTIES])
def test_an_objective_or_penalty_names_its_paper_and_the_place_in_it(name):
    text = OBJECTIVES[name].summary if name in OBJECTIVES else PENALTIES[name].__doc__
    assert PAPER.search(text.replace("\n", " "))
    assert PLACE.search(text)
    assert re.fullmatch(r"[a-z0-9-]+", name)


@pytest.mark.parametrize("name", [*OBJECTIVES, *PENALTIES])
def test_options_are_numbers_with_a_default(name):
    functions = (
        [OBJECTIVES[name].d, OBJECTIVES[name].g] if name in OBJECTIVES else [PENALTIES[name]]
    )
    positional = 2 if name in OBJECTIVES else 1
    for function in functions:
        options = list(inspect.signature(function).parameters.values())[positional:]
        assert all(type(option.default) is float for option in options)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_changes_what_the_discriminator_learns(name, any_engine):
    specs = ("none", f"{name}:gamma=1")
    games = [table(any_engine, penalty=penalty, norm="none") for penalty in specs]
    losses = [gan.step(0)["d_loss"] for gan in games]
    assert np.isfinite(losses).all()
    assert losses[1] > losses[0]
    weights = [gan.arrays()["discriminator"]["down1.conv.weight"] for gan in games]
    assert (weights[0] != weights[1]).any()


# --- sources and presets ----------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.names("data"))
def test_a_known_set_is_declared_in_one_object(name):
    dataset = declared(name, None)
    assert dataset == registry.module("data", name, None).DATASET
    assert dataset.name == name and callable(dataset.original)
    assert len(dataset.shape) == 3 and dataset.classes is not None
    assert registry.module("data", name, None).__doc__


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_makes_networks_that_trace(name):
    config = from_preset(name)
    assert config.preset == name
    assert any((config.steps, config.images, config.epochs, config.minutes))
    assert not config.data or config.data in registry.names("data")
    classes = 0 if config.conditioning == "none" else 10
    shape = (*(config.size or (28, 28)), config.channels or 3)
    shapes = models.input_shapes(config, shape, classes)
    results = [
        nn.trace(network, *given)[0]
        for network, given in zip(models.networks(config, shape, classes), shapes, strict=True)
    ]
    logits = models.logits(config.network, None)
    scores = results.pop()
    assert results == [(2, shape[2], *shape[:2])]
    assert scores == ((2,) if logits == 1 and config.network != "patchgan" else (2, *scores[1:]))
    assert len(scores) <= 2
    assert build.gan(config, shape, classes).relativistic in (True, False)


CHANNELS = {"digits": 1, "mnist": 1, "fashion-mnist": 1}  # and 3 of the others
NATIVE_28 = ("mnist", "fashion-mnist")


def _pictures(path, preset: str) -> dict:
    """Write pictures like those a preset learns from; return the fields that make it tiny."""
    config = from_preset(preset)
    side = 28 if config.data in NATIVE_28 and config.size is None else 16
    shape = (config.batch + 2, side, side, CHANNELS.get(config.data, 3))
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(len(images)) % 10)
    size = None if config.size is None else "16"
    return {"data": path, "image_size": size, "width": 4, "steps": 2}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_trains_and_its_checkpoint_makes_pictures(name, tmp_path):
    """Two steps with everything it sets, but tiny: no warning, finite losses, a loadable file."""
    fields = _pictures(tmp_path / "pictures.npz", name)
    config = from_preset(name, **fields, run=tmp_path / "run", log_every=1)
    run = train(config, [callbacks.Log(), callbacks.Checkpoints()])
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert lines[0]["images"] == config.batch * config.d_steps
    generator = load(run)
    labelled = config.conditioning != "none"
    assert len(generator.classes) == 10 * labelled
    with np.load(fields["data"]) as made:
        shape = made["images"].shape[1:]
    images = generator.sample(5, seed=1)
    assert images.shape == (5, *shape) and images.std() > 0
    lowest = {"normal": -9, "uniform": -1, "unit": 0}[config.distribution]
    low = generator.latents(range(50)).min()
    assert lowest <= low < -1 or lowest <= low < lowest + 0.1


# --- a user's own -----------------------------------------------------------------------------

OWN_NETWORK = '''
"""Two layers each."""
from ganbaru import nn, ops

def generator(scope, latent, *, image_size, channels, base_channels):
    height, width = image_size
    x = ops.leaky_relu(nn.dense(scope.child("hidden"), latent, base_channels), 0.1)
    x = nn.dense(scope.child("image"), x, channels * height * width)
    return ops.tanh(ops.reshape(x, (-1, channels, height, width)))

def discriminator(scope, image, *, image_size, channels, base_channels):
    x = ops.reshape(image, (image.shape[0], -1))
    x = ops.leaky_relu(nn.dense(scope.child("hidden"), x, base_channels), 0.1)
    return ops.reshape(nn.dense(scope.child("score"), x, 1), (-1,))
'''
OWN_RULES = '''
"""An objective and a penalty."""
import ganbaru
from ganbaru import ops

@ganbaru.objective(relativistic=True)
class margin:
    """The reals shall score higher by `wide`."""
    def d(real, fake, wide=1.0):
        return ops.mean(ops.softplus(fake - real + wide))
    def g(real, fake, wide=1.0):
        return ops.mean(ops.softplus(real - fake + wide))

@ganbaru.penalty
def small_scores(inputs, *, gamma=1.0):
    """gamma E D(real)²."""
    return ops.mean(inputs.score_real(inputs.real) ** 2) * gamma
'''


@pytest.fixture
def own_modules(tmp_path, monkeypatch):
    """Put a user's own modules on Python's path, and take what they register out again."""
    (tmp_path / "outsiders").mkdir()
    (tmp_path / "outsiders" / "__init__.py").write_text("")
    (tmp_path / "outsiders" / "networks.py").write_text(OWN_NETWORK)
    (tmp_path / "outsiders" / "rules.py").write_text(OWN_RULES)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    OBJECTIVES.pop("margin", None)
    PENALTIES.pop("small-scores", None)


def test_a_users_own_network_objective_and_penalty_train(own_modules, other_engine):
    """By dotted path, with options, the same on two engines."""
    how = {
        "network": "outsiders.networks",
        "objective": "outsiders.rules.margin:wide=2",
        "penalty": "outsiders.rules.small_scores:gamma=0.5+r1",
    }
    games = [table(engine, **how) for engine in (NUMPY64, other_engine)]
    for number in range(5):
        expected, found = (gan.step(number) for gan in games)
        assert found == pytest.approx(expected, abs=1e-9)
    assert games[0].gan.relativistic
    assert list(games[0].state["generator"])[0] == "hidden.weight"
    assert "margin" in OBJECTIVES
    scores = normal(3), normal(3, seed=1)
    expected = np.mean(np.logaddexp(0, scores[1] - scores[0] + 2))
    assert float(games[0].gan.d_loss(*scores)) == pytest.approx(expected)


def test_a_users_own_network_trains_resumes_and_samples(own_modules, tmp_path):
    """A network without batch norm, and so without buffers."""
    how = {"network": "outsiders.networks", "data": "digits", "batch": 16, "width": 8}
    run = tmp_path / "run"
    train(Config(**how, run=str(run), steps=2))
    train(Config(**how, run=str(run), steps=4, resume=True))
    assert load(run).sample(3).shape == (3, 8, 8, 1)
