"""Starting from a model: its pictures at first, other classes, larger images, exact resuming."""

from __future__ import annotations

import functools
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from train_helpers import (
    HAS_TORCH,
    ROOT,
    assert_same_state,
    command,
    newest,
    pictures,
    tiny,
    trained,
)

from ganbaru import InputError, export, load, nn, save_pretrained
from ganbaru.cli import options
from ganbaru.cli.export import _parser
from ganbaru.config import parse_size
from ganbaru.gan import models
from ganbaru.gan.layer_matching import by_layer, layer_of
from ganbaru.networks import dcgan, dcgan_filtered
from ganbaru.report import reproduction
from ganbaru.sampling.players import load_player
from ganbaru.training import checkpoint, setup, zoo

OPTIMISER = [
    f"{player}_{m}" for player in ("generator", "discriminator") for m in ("mean", "square")
]


@pytest.fixture
def source(trained_run) -> Path:
    return trained_run()


def begun(folder: Path, model: object, **options) -> tuple[checkpoint.Groups, str]:
    """Set up a run that starts from a model; return its checkpoint at 0 images and its note."""
    options = {"run": folder / "new", "start_from": str(model)} | options
    run = setup.build(tiny(folder, **options))
    run.close()
    (note,) = (note for note in run.notes if note.startswith("Started from"))
    groups, header = newest(folder / "new")
    assert (header.images, header.step, header.config["start_from"]) == (0, 0, str(model))
    return groups, note


def as_run(source: Path, folder: Path) -> Path:
    return source


def as_file(source: Path, folder: Path) -> Path:
    return checkpoint.found(source / "checkpoints")[-1]


def as_shared(source: Path, folder: Path) -> Path:
    return save_pretrained(source, folder / "shared")


def as_export(source: Path, folder: Path, player: str) -> Path:
    export.write(source, folder / f"{player}.safetensors", player=player)
    return folder / f"{player}.safetensors"


def as_renamed(source: Path, folder: Path) -> Path:
    """Return a checkpoint whose layers have other names, in the same order."""
    groups, header = newest(source)
    shapes = models.tensor_shapes(tiny(folder), (16, 16, 1), 3)
    renamed = {}
    for group, player in {"ema": "generator", "discriminator": "discriminator"}.items():
        layers = [*by_layer(shapes[player])]
        for kind in ("", "_buffers"):
            renamed[group + kind] = {
                f"net.{layers.index(layer_of(name)):02d}.{name.rpartition('.')[2]}": x
                for name, x in groups[group + kind].items()
            }
    checkpoint.save(folder / "other.safetensors", renamed, header)
    return folder / "other.safetensors"


FORMS = {
    "run": (as_run, {"generator", "discriminator"}),
    "checkpoint": (as_file, {"generator", "discriminator"}),
    "shared folder": (as_shared, {"generator"}),
    "other names": (as_renamed, {"generator", "discriminator"}),
    "exported G": (functools.partial(as_export, player="generator"), {"generator"}),
    "exported D": (functools.partial(as_export, player="discriminator"), {"discriminator"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_the_models_and_moments_are_zero(form, tmp_path, source):
    """G's are the model's averaged ones, in G and in its average; what the file lacks is new."""
    write, players = FORMS[form]
    groups, note = begun(tmp_path, write(source, tmp_path))
    old, _ = newest(source)
    first = models.initial_parameters(tiny(tmp_path), (16, 16, 1), 3)
    for player, given in {"generator": "ema", "discriminator": "discriminator"}.items():
        for kind in ("", "_buffers"):
            expected = (old[given + kind] if player in players else first[player + kind]).items()
            assert groups[player + kind].keys() == dict(expected).keys()
            for name, array in expected:
                assert_array_equal(groups[player + kind][name], array)
                if player == "generator":
                    assert_array_equal(groups["ema" + kind][name], array)
        assert ("5 of 5 layers" in note.partition(f"{player} ")[2][:20]) == (player in players)
    assert not any(array.any() for each in OPTIMISER for array in groups[each].values())
    if "generator" in players:
        seeds = load(source).sample(6, 3)
        assert_array_equal(load(tmp_path / "new").sample(6, 3), seeds)


# --- other labels -----------------------------------------------------------------------------

WAYS = [
    ("softmax", "xyz"), ("softmax", "bcde"), ("planes", "bcd"), ("class-norm", "bcde"),
    ("class-norm", "xyz"), ("embedding", "bcd"),
]  # fmt: skip


@pytest.mark.parametrize(("conditioning", "classes"), WAYS)
def test_parts_of_classes_go_by_name(conditioning, classes, tmp_path):
    """Images of a class of both are the same; nothing of other classes is taken over."""
    network = {"network": "r3gan"} if conditioning == "embedding" else {}
    common = {"conditioning": conditioning, "steps": 1, "held_out": 0, **network}
    source = trained(tmp_path, data=_folder(tmp_path / "abc", "abc"), **common)
    data = _folder(tmp_path / "other", classes)
    _, note = begun(tmp_path, source, **common | {"data": data, "steps": 2})
    shared = {*"abc"} & {*classes}
    assert f"{len(shared)} of {len(classes)} classes by name" in note
    old, new = load(source), load(tmp_path / "new")
    latents = old.latents(range(4))
    for number, name in enumerate(classes):
        labels = np.full(4, "abc".index(name) if name in shared else 0)
        one, other = old.floats(latents, labels), new.floats(latents, np.full(4, number))
        assert np.array_equal(one, other) == (name in shared)


def test_labels_may_end(tmp_path, source):
    """Without labels the rest is taken: scores are those without the label's part."""
    groups, note = begun(tmp_path, source, conditioning="none")
    old, _ = newest(source)
    assert_array_equal(groups["ema"]["stem.conv.weight"], old["ema"]["stem.conv.weight"][:8])
    assert "score.label.conv.weight" not in groups["discriminator"]
    assert "generator 5 of 5 layers" in note and "discriminator 4 of 4 layers" in note


def _folder(folder: Path, classes: str) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(24):
        path = folder / classes[number % len(classes)] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(path)
    return folder


# --- larger images ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": "32"},
        {"image_size": "64", "width": 7, "network": "wgan"},
        {"image_size": "32", "conditioning": "class-norm"},
        {"image_size": "40x56", "channels": 3, "width": 6, "conditioning": "none"},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_the_first_picture_of_a_larger_network_is_the_old_one_enlarged(options, tmp_path):
    """Each pixel becomes 2x2 or 4x4 within 1e-5; D scores as it did the image reduced."""
    width, height = parse_size(options["image_size"])
    factor = 4 if width == 64 else 2
    data = pictures(tmp_path / "p.npz", side=16, channels=options.get("channels", 1))
    shared = {"data": data, "held_out": 0, "initialisation": "he"} | options
    small = {"image_size": f"{width // factor}x{height // factor}", "steps": 3}
    base = {"width": 6 if "channels" in options else 4, **small}
    source = trained(tmp_path, **shared | base)
    groups, note = begun(tmp_path, source, **shared)
    assert "grown from" in note
    old, new = load(source), load(tmp_path / "new")
    labels = old.labels(range(6))
    images, larger = (g.floats(g.latents(range(6)), labels) for g in (old, new))
    assert images.std() > 0.1
    assert_allclose(larger, images.repeat(factor, 2).repeat(factor, 3), rtol=0, atol=1e-5)
    faces = np.random.default_rng(1).standard_normal(larger.shape).astype(np.float32)
    blocks = faces.reshape(6, images.shape[1], images.shape[2], factor, images.shape[3], factor)
    scores = [
        nn.apply(d.network, d.parameters, d.buffers, x, labels, training=False)[0]
        for d, x in (
            (load_player(source, player="discriminator"), blocks.mean((3, 5))),
            (load_player(tmp_path / "new", player="discriminator"), faces),
        )
    ]
    assert scores[0].std() > 1e-4
    assert_allclose(scores[1], scores[0], atol=1e-4)


def test_a_network_that_filters_its_image_grows_from_the_unfiltered_one(tmp_path):
    """The picture is the old one before its filter and tanh, enlarged bilinearly, then filtered."""
    data = pictures(tmp_path / "p.npz", side=16, channels=3)
    shared = {"data": data, "held_out": 0, "initialisation": "he", "conditioning": "none"}
    shared |= {"network": "dcgan-filtered", "width": 6}
    source = trained(tmp_path, **shared, image_size="16", steps=3)
    begun(tmp_path, source, **shared, image_size="32")
    old, new = load(source), load(tmp_path / "new")
    latents = old.latents(range(6))
    sizes = {"image_size": (16, 16), "channels": 3, "base_channels": 6}
    plain, _ = nn.apply(
        lambda scope, z: dcgan.generator(scope, z, **sizes),
        old.parameters, old.buffers, latents, training=False,
    )  # fmt: skip
    enlarged = np.arctanh(np.float64(plain))
    for axis in (2, 3):
        before = np.moveaxis(enlarged, axis, 0)
        after = np.zeros((34, *before.shape[1:]))
        for offset, tap in enumerate((0.25, 0.75, 0.75, 0.25)):
            after[offset : offset + 32 : 2] += tap * before
        enlarged = np.moveaxis(after, 0, axis)
    expected = np.tanh(dcgan_filtered.without_checkerboard(enlarged))
    assert expected.std() > 0.1
    assert_allclose(new.floats(latents), expected, rtol=0, atol=1e-4)


# --- resuming ---------------------------------------------------------------------------------


def test_a_resumed_run_is_exact_without_its_model(tmp_path, source):
    """Frozen layers of D are the model's to the end, and the others are not."""
    model = shutil.copytree(source, tmp_path / "model")
    options = {"start_from": str(model), "freeze_d": 1}
    whole = trained(tmp_path, run=tmp_path / "whole", steps=6, **options)
    trained(tmp_path, run=tmp_path / "parts", steps=3, **options)
    shutil.rmtree(model)
    parts = trained(tmp_path, run=tmp_path / "parts", steps=6, resume=True, **options)
    assert_same_state(parts, whole)
    before, after = newest(source)[0]["discriminator"], newest(parts)[0]["discriminator"]
    same = {name for name, array in after.items() if np.array_equal(array, before[name])}
    assert same == {"down1.conv.weight"}


def test_a_run_killed_at_its_start_is_resumed_without_its_model(tmp_path, source):
    model = shutil.copytree(source, tmp_path / "model")
    _, _ = begun(tmp_path, model)
    shutil.rmtree(model)
    trained(tmp_path, run=tmp_path / "new", start_from=str(model), steps=2, resume=True)
    assert newest(tmp_path / "new")[1].step == 2
    with pytest.raises(InputError, match="--start-from"):
        trained(tmp_path, run=tmp_path / "new", start_from=str(source), steps=3, resume=True)


# --- the command and the zoo ------------------------------------------------------------------


def test_networks_are_the_models_unless_flags_say_otherwise(source):
    flags = ["--data", "x", "--latent", "9", "--image-size", "32", "--start-from", str(source)]
    config = options.config("train", "", ["small", *flags])
    taken = ("width", "channels", "conditioning", "latent", "image_size", "preset")
    assert [getattr(config, name) for name in taken] == [4, 1, "softmax", 9, "32", "small"]
    again = shlex.split(reproduction.command(config, "run"))[2:]
    assert options.config("train", "", again) == config


@pytest.mark.parametrize(
    "recipe", sorted((ROOT / "recipes").glob("*.sh")), ids=lambda path: path.stem
)
def test_commands_of_recipes_are_right(recipe):
    train, write = map(shlex.split, recipe.read_text().splitlines()[3:])
    config = options.config("train", "", train[2:])
    assert (train[:2], write[:3]) == (["ganbaru", "train"], ["ganbaru", "export", config.run])
    assert _parser().parse_args(write[2:]).precision == "float16"


WRONG = {
    "no such run": ({"model": "nothing"}, ["nothing"]),
    "not in the zoo": ({"model": "zoo:cats"}, ["zoo:cats", *(f"zoo:{n}" for n in zoo.models())]),
    "other width": ({"width": 5}, ["stem.conv", "--width 4"]),
    "other latent": ({"latent": 9}, ["stem.conv", "--latent 8"]),
    "other network": ({"network": "resnet"}, ["--network dcgan"]),
    "other sides": ({"image_size": "24"}, ["16x16", "24x24", "32x32"]),
    "smaller": ({"image_size": "32", "width": 3}, ["--width 3", "4"]),
    "no growth": ({"image_size": "32", "network": "sagan"}, ["sagan", "dcgan or dcgan-filtered"]),
    "frozen beyond the layers": ({"freeze_d": 3}, ["--freeze-d 3", "3 layers", "0 to 2"]),
    "frozen but new": ({"model": "zoo:digits", "freeze_d": 1}, ["--freeze-d 1", "zoo:digits"]),
    "a frozen layer less than none": ({"freeze_d": -1}, ["--freeze-d -1", "from 0"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_one_message_and_writes_nothing(case, tmp_path, source):
    options, words = WRONG[case]
    with pytest.raises(InputError) as caught:
        begun(tmp_path, **{"model": source} | options)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", zoo.models())
def test_models_of_the_zoo(name, tmp_path, monkeypatch):
    """Small float16 files with a licence note, sampled in float32 as on any engine."""
    monkeypatch.chdir(tmp_path)
    path = zoo.models()[name]
    assert path.stat().st_size < 300_000
    groups, header = checkpoint.load(path)
    assert {x.dtype for arrays in groups.values() for x in arrays.values()} == {np.dtype("f2")}
    assert "CC BY" in header.data["licence"]
    assert command("generate", f"zoo:{name}", "-n", 4).code == 0
    generator = load(f"zoo:{name}")
    assert {x.dtype for x in generator.parameters.values()} == {np.dtype("f4")}
    if HAS_TORCH:
        latents, labels = generator.latents(range(10)), np.arange(10)
        other = load(f"zoo:{name}", engine="torch").floats(latents, labels)
        assert_allclose(other, generator.floats(latents, labels), atol=1e-5)
