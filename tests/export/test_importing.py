"""Weights of plain PyTorch DCGANs: equal outputs after the import, and weights that do not fit."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from train_helpers import command, log, newest, pictures

from ganbaru import InputError, from_preset, load, nn
from ganbaru.config import Config
from ganbaru.export import pytorch_import, weight_matching
from ganbaru.gan import models, step

torch = pytest.importorskip("torch")

import plain_dcgan as plain  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

PAIRS = {
    "official": SimpleNamespace(
        make=lambda: (plain.OfficialGenerator(12, 4, 3), plain.OfficialDiscriminator(4, 3)),
        preset="dcgan", classes=0, sigmoid=True, fields={"width": 4, "latent": 12},
    ),
    "official at 32x32": SimpleNamespace(
        make=lambda: (
            plain.OfficialGenerator(12, 4, 3, maps=(4, 2, 1)),
            plain.OfficialDiscriminator(4, 3, maps=(1, 2, 4)),
        ),
        preset="dcgan", classes=0, sigmoid=True,
        fields={"width": 4, "latent": 12, "image_size": "32"},
    ),
    "conditional, PatchGAN": SimpleNamespace(
        make=lambda: (plain.ConditionalGenerator(10, 3, 4, 1), plain.PatchDiscriminator(3, 4, 1)),
        preset="cgan-patchgan-mnist", classes=3, sigmoid=False,
        fields={"width": 4, "latent": 10, "channels": 1},
    ),
    "linear": SimpleNamespace(
        make=lambda: (plain.LinearGenerator(10, 4, 3), plain.LinearDiscriminator(4, 3)),
        preset="dcgan-cifar10", classes=0, sigmoid=True, fields={"width": 4, "latent": 10},
    ),
}  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Return the current folder, with 20 pictures of three classes in it."""
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "p.npz", side=64, channels=3, count=20)
    return tmp_path


def configuration(preset: str, **fields) -> Config:
    return from_preset(preset, **{"data": "p.npz", "batch": 8, "steps": 2, "run": "run"} | fields)


def saved(module, path: str = "g.pth"):
    """Draw a module's weights and save them; returns the module."""
    torch.save(plain.drawn(module, len(path)).state_dict(), path)
    return module


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


# --- the same numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
def test_imported_networks_give_the_same_images_and_scores(name, here):
    pair = PAIRS[name]
    generator, discriminator = pair.make()
    saved(generator, "g.pth"), saved(discriminator, "disc.pt")
    made = pytorch_import.weights(configuration(pair.preset, **pair.fields), "g.pth", "disc.pt")
    labels = np.arange(6) % pair.classes if pair.classes else None
    marks = [torch.eye(3)[labels]] if pair.classes else []
    latents = drawn(6, pair.fields["latent"])
    given = torch.tensor(latents)
    with torch.no_grad():
        images = generator(given[:, :, None, None] if "official" in name else given, *marks)
        faces = torch.tensor(drawn(*images.shape))
        scores = discriminator(faces, *marks).numpy()
    assert images.std() > 0.1 and scores.std() > 1e-2
    assert_allclose(load("run").floats(latents, labels), images.numpy(), atol=1e-5)
    ours, _ = nn.apply(
        made.run.gan.discriminator, made.run.state["discriminator"],
        made.run.state["discriminator_buffers"], faces.numpy(),
        *([] if labels is None else [labels]), training=False,
    )  # fmt: skip
    ours = 1 / (1 + np.exp(-ours)) if pair.sigmoid else ours
    assert_allclose(ours.reshape(scores.shape), scores, atol=1e-5)


def test_sigmoid_output_becomes_tanh(here):
    """28x28 networks that end in a sigmoid differ only in the range of their images."""
    pictures(here / "p.npz", side=28, count=20)
    generator = saved(plain.MlpGenerator(10, 4))
    fields = {"width": 4, "latent": 10, "conditioning": "none"}
    pytorch_import.weights(configuration("cgan-mnist28", **fields), "g.pth")
    latents = drawn(6, 10)
    with torch.no_grad():
        expected = 2 * generator(torch.tensor(latents)).numpy() - 1
    assert_allclose(load("run").floats(latents), expected, atol=1e-5)


@pytest.mark.parametrize("players", [("g.pth",), ("g.pth", "d.pth")], ids=["G", "G and D"])
def test_imported_run_generates_and_resumes(players, here):
    """Two more steps change both players; without a file D has initial weights."""
    saved(plain.OfficialGenerator(), "g.pth"), saved(plain.OfficialDiscriminator(), "d.pth")
    flags = ["--width", 4, "--latent", 12, "--data", "p.npz", "--batch", 8, "--run", "run"]
    said = command("import", *players, "--preset", "dcgan", *flags, "--steps", 5)
    assert (said.code, said.err) == (0, "")
    assert re.search(r"^  main\.10 +-> up3\.norm +weight 4, bias 4, running_mean 4", said.out, re.M)
    assert ("main.11      -> score.conv   weight 1x32x4x4" in said.out) == (len(players) == 2)
    assert ("discriminator  not given" in said.out) == (len(players) == 1)
    groups, header = newest(Path("runs/run"))
    assert (header.step, header.images) == (0, 0)
    for name, array in groups["generator"].items():
        assert_array_equal(groups["ema"][name], array)
        assert not groups["generator_mean"][name].any()
    for words in (["generate", "run", "-n", 4], ["morph", "run", "--frames", 4]):
        assert command(*words).code == 0
    assert command("train", "--run", "run", "--resume", "--steps", 2).code == 0
    later, header = newest(Path("runs/run"))
    assert header.step == 2 and log(Path("runs/run"))[-1]["step"] == 2
    for group in ("generator", "discriminator", "ema"):
        assert all((later[group][name] != array).any() for name, array in groups[group].items())


def test_imported_run_trains_like_a_plain_pytorch_loop(here):
    """One D update on the imported weights equals PyTorch's, batch statistics included."""
    saved(plain.OfficialGenerator(), "g.pth")
    theirs = saved(plain.OfficialDiscriminator(), "d.pth").train()
    fields = {"width": 4, "latent": 12, "precision": "float64"}
    run = pytorch_import.weights(configuration("dcgan", **fields), "g.pth", "d.pth").run
    batch = run.sampler.step(0).d[0]
    optimizer_step = run.gan.d_optimizer.optimizer_step(1, 1.0)
    state, report = step.discriminator_update(run.gan, run.state, batch, optimizer_step)
    generator = saved(plain.OfficialGenerator(), "g.pth").train().double()
    fakes = generator(torch.tensor(batch.latent)[:, :, None, None]).detach()
    theirs = theirs.double()
    probabilities = [theirs(x) for x in (torch.tensor(np.ascontiguousarray(batch.real)), fakes)]
    loss = -torch.log(probabilities[0]).mean() - torch.log(1 - probabilities[1]).mean()
    assert float(report["d_loss"]) == pytest.approx(loss.item(), abs=1e-9)
    adam = torch.optim.Adam(theirs.parameters(), lr=2e-4, betas=(0.5, 0.999))
    loss.backward()
    adam.step()
    expected = {name: x.detach().numpy() for name, x in theirs.state_dict().items()}
    ours = state["discriminator"]
    assert_allclose(ours["score.conv.weight"], expected["main.11.weight"], atol=1e-8)
    assert_allclose(ours["down1.conv.weight"], expected["main.0.weight"], atol=1e-8)
    moved = state["discriminator_buffers"]["down4.norm.running_var"]
    assert_allclose(moved, expected["main.9.running_var"], atol=1e-9)


# --- forms of files ---------------------------------------------------------------------------

FORMS = {
    "alone": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model_state_dict": lambda state: {"step": 3, "model_state_dict": state},
    "both players": lambda state: {"netG": state, "netD": {"main.0.weight": torch.zeros(1)}},
    "with its optimiser": lambda state: {
        "G": state, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [1]}
    },
    "DataParallel": lambda state: {f"module.{name}": x for name, x in state.items()},
    "nested": lambda state: {
        "generator": {"state_dict": {f"module.{name}": x for name, x in state.items()}}
    },
    "compiled": lambda state: {f"_orig_mod.module.{name}": x for name, x in state.items()},
    "half": lambda state: {name: x.half() for name, x in state.items()},
    "bfloat16": lambda state: {name: x.bfloat16() for name, x in state.items()},
    "double": lambda state: {name: x.double() for name, x in state.items()},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_state_dict_is_found_in_every_form_of_file(form, here):
    state = saved(plain.OfficialGenerator()).state_dict()
    torch.save(FORMS[form](state), "other.pth")
    pytorch_import.weights(configuration("dcgan", width=4, latent=12), "other.pth")
    groups, _ = newest(Path("runs/run"))
    found = groups["generator"]["image.conv.weight"]
    atol = {"half": 1e-3, "bfloat16": 1e-2}.get(form, 0)
    assert_allclose(found, state["main.12.weight"].numpy(), atol=atol, rtol=0)
    assert found.dtype == np.float32


def test_safetensors_are_in_natural_order(here):
    """Two layers of one shape, `main.9` and `main.12`, differ only in their names."""
    generator = plain.drawn(plain.OfficialGenerator(maps=(8, 8, 4, 2, 1)), 0)
    save_file(generator.state_dict(), "g.safetensors")
    wide = plain.OfficialGenerator(12, 4, 3, maps=(8, 8, 8, 8, 8, 4, 2, 1))
    deep = plain.drawn(wide, 1).state_dict()
    save_file(deep, "deep.safetensors")
    fields = {"width": 4, "latent": 12}
    pytorch_import.weights(configuration("dcgan", image_size="128", **fields), "g.safetensors")
    for ours, name in (("stem.norm", "main.1"), ("up1.norm", "main.4")):
        array = newest(Path("runs/run"))[0]["generator"][f"{ours}.bias"]
        assert_array_equal(array, generator.state_dict()[f"{name}.bias"].numpy())
    order = list(pytorch_import.read(Path("deep.safetensors"), "generator"))
    assert order.index("main.9.weight") < order.index("main.12.weight")


def test_exported_weights_can_be_imported_in_any_order(here):
    from ganbaru.native import torch as shells

    saved(plain.OfficialGenerator())
    fields = {"width": 4, "latent": 12}
    pytorch_import.weights(configuration("dcgan", **fields), "g.pth")
    state = shells.module("run").state_dict()
    torch.save(dict(reversed(state.items())), "ours.pth")
    save_file(state, "ours.safetensors")
    for path in ("ours.pth", "ours.safetensors"):
        made = pytorch_import.weights(configuration("dcgan", run=path, **fields), path)
        assert all(match.source == match.target for match in made.matches["generator"])
        for group in ("generator", "generator_buffers"):
            for name, array in newest(Path("runs") / path)[0][group].items():
                assert_array_equal(array, state[name].numpy())


def test_weights_can_be_imported_on_every_engine(any_engine32, here):
    saved(plain.OfficialGenerator())
    config = configuration("dcgan", width=4, latent=12, engine=any_engine32.name)
    run = pytorch_import.weights(config, "g.pth").run
    fetched = run.fetched("generator")["image.conv.weight"]
    assert_array_equal(fetched, newest(Path("runs/run"))[0]["generator"]["image.conv.weight"])


# --- weights that do not fit ------------------------------------------------------------------


class Whole(torch.nn.Linear):
    """A module that can be pickled."""


def write_bad(folder: Path) -> None:
    torch.save(Whole(2, 2), "whole.pth")
    torch.save(torch.zeros(3), "tensor.pth")
    torch.save({"epoch": 3}, "numbers.pth")
    torch.save({"a": {"w": torch.zeros(1)}, "b": {"w": torch.zeros(1)}}, "two.pth")
    saved(plain.OfficialGenerator()), saved(plain.OfficialDiscriminator(), "d.pth")
    content = (folder / "g.pth").read_bytes()
    (folder / "cut.pth").write_bytes(content[: len(content) // 2])
    (folder / "cut.safetensors").write_bytes(b"\x10")
    state = torch.load("g.pth")
    torch.save({**state, "main.0.weight": state["main.0.weight"] * np.nan}, "nan.pth")
    torch.save({**state, "extra.weight": torch.zeros(3)}, "extra.pth")
    torch.save({n: x for n, x in state.items() if "main.12" not in n}, "short.pth")
    torch.save({**state, "main.12.bias": torch.zeros(3)}, "bias.pth")
    saved(plain.LinearGenerator(12, 4, 3), "linear.pth")
    saved(plain.OfficialGenerator(12, 4, 3, maps=(4, 2, 1)), "32.pth")
    saved(plain.OfficialGenerator(12, 4, 1), "grey.pth")


FITS = ["--width", 4, "--latent", 12]
EXTENDED = pytest.mark.extended  # the search takes 0.6 s
BAD = [
    (["no.pth"], "There is no file no.pth."),
    (["whole.pth"], "pickled module.*refused.*torch.save.model.state_dict"),
    (["tensor.pth"], "no state dict"),
    (["numbers.pth"], "no state dict"),
    (["two.pth"], "two.pth holds weights named a, b, .*generator"),
    (["cut.pth"], "Cannot read cut.pth as a PyTorch file: .*"),
    (["cut.safetensors"], "Cannot read cut.safetensors as safetensors: .*"),
    (["p.npz"], "Cannot read p.npz as a PyTorch file"),
    (["nan.pth", *FITS], "main.0.weight in nan.pth .*NaN"),
    (["g.pth"], r"main.0 \(weight 12x32x4x4\) .* stem.conv \(weight 100x512x4x4\). "
     r"It would fit with --width 4 --latent 12, or with"),
    pytest.param(["g.pth", "--width", 4], "would fit with --latent 12, or", marks=EXTENDED),
    (["g.pth", "--latent", 12], "would fit with --width 4\\.$"),
    pytest.param(["g.pth", *FITS, "--image-size", 32], "--image-size 64", marks=EXTENDED),
    (["32.pth", *FITS], "would fit with --image-size 32"),
    (["grey.pth", *FITS], r"main.12 \(weight 4x1x4x4\) .* image.conv \(weight 4x3x4x4\). "
     "It would fit with --channels 1"),
    (["linear.pth", *FITS], "would fit with --network dcgan-linear"),
    (["d.pth", *FITS], "It has a discriminator's layers"),
    (["g.pth", "g.pth", *FITS], "does not fit the discriminator: .*main.0 .*generator's layers"),
    (["extra.pth", *FITS], r"extra \(weight 3\) in the file"),
    (["short.pth", *FITS], r"nothing in the file fits the network's image.conv \(weight 4x3x4x4\)"),
    (["bias.pth", *FITS], r"main.12 \(weight 4x3x4x4, bias 3\).*No network of ganbaru"),
    (["g.pth", *FITS, "--resume"], "There is no option --resume"),
    ([], "GENERATOR"),
    (["g.pth", *FITS, "--data", "nowhere"], "nowhere"),
    (["g.pth", *FITS, "--batch", 100], "A batch of 100 is larger than the data"),
]  # fmt: skip


@pytest.fixture(scope="module")
def bad(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pictures(folder / "p.npz", side=64, channels=3, count=20)
        write_bad(folder)
    return folder


@pytest.mark.parametrize("words,message", BAD, ids=lambda each: str(each)[:40])
def test_errors_name_the_cause_and_nothing_is_written(words, message, bad, monkeypatch):
    monkeypatch.chdir(bad)
    monkeypatch.setattr(weight_matching, "SIZES", ("32", "64"))  # to search less
    before = sorted(bad.rglob("*"))
    data = [] if "--data" in words else ["--data", "p.npz"]
    said = command("import", *words, "--preset", "dcgan", *data, "--run", "run")
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1
    assert re.search(message, said.err), said.err
    assert sorted(bad.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    ["g.pth", *(pytest.param(f"{n}.pth", marks=pytest.mark.extended) for n in ("linear", "grey"))],
)
def test_proposed_options_fit(name, bad, monkeypatch):
    """Import a file with the first options that the error message proposes."""
    monkeypatch.chdir(bad)
    start = ["--preset", "small", "--data", "p.npz", "--batch", 8]
    said = command("import", name, *start, "--run", "run")
    proposed = re.search(r"would fit with (.*?)(, or with .*)?\.$", said.err.strip()).group(1)
    again = command("import", name, *start, *proposed.split(), "--run", bad / f"run-{name}")
    assert again.code == 0, (name, proposed, again.err)


@pytest.mark.parametrize("network,labelled", [("dcgan", True), ("r3gan", True), ("sagan", False)])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_width_channels_and_latent_are_found_together(network, labelled, player, monkeypatch):
    monkeypatch.setattr(weight_matching, "SIZES", ("32", "64"))  # to search less
    conditioning = "planes" if labelled else "none"
    fields = {"network": network, "width": 8, "latent": 20, "conditioning": conditioning}
    made = models.initial_parameters(from_preset("dcgan", **fields), (32, 32, 1), 3 * labelled)
    arrays = made[player] | made[f"{player}_buffers"]
    found = weight_matching.hint(arrays, player, from_preset("dcgan"), (64, 64, 3), 3 * labelled)
    parts = ["--width 8", "--image-size 32", "--channels 1"]
    parts += [f"--network {network}"] * (network != "dcgan")
    if player == "generator":  # labels are joined to the latent in front
        parts += ["--latent 23" if labelled else "--latent 20"]
    for part in parts:
        assert part in found, found


def test_checkpoint_of_ganbaru_is_refused(here):
    saved(plain.OfficialGenerator())
    pytorch_import.weights(configuration("dcgan", width=4, latent=12), "g.pth")
    path = next(Path("runs/run/checkpoints").iterdir())
    with pytest.raises(InputError, match="ganbaru generate .*0000000000.safetensors"):
        pytorch_import.read(path, "generator")


def test_existing_run_is_not_overwritten(here):
    saved(plain.OfficialGenerator())
    config = configuration("dcgan", width=4, latent=12)
    pytorch_import.weights(config, "g.pth")
    with pytest.raises(InputError, match="not empty"):
        pytorch_import.weights(config, "g.pth")
