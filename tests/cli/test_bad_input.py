"""Wrong input: one readable message with the value, what is allowed and how to mend it; exit 2.

Every case runs the command in a folder of good and bad material and finds the folder untouched.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train_helpers import (
    Said,
    command,
    limited,
    needs_posix,
    needs_torch,
    newest,
    pictures,
    process,
    tiny,
    trained,
)

from ganbaru.config import to_yaml

PNG = b"\x89PNG\r\n\x1a\n"


def idx(array: np.ndarray) -> bytes:
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()


def make_data(folder: Path) -> None:
    """Write sets that are empty, alone, cut short, broken or unlabelled."""
    pictures(folder / "good.npz")
    pictures(folder / "unlabelled.npz", classes=0)
    pictures(folder / "one.npz", count=1)
    for name in ("empty", "texts", "broken", "single", "flat", "mixed"):
        (folder / name).mkdir()
    (folder / "empty.zip").write_bytes(b"")
    (folder / "texts" / "readme.txt").write_text("no pictures here")
    for i in range(3):
        (folder / "broken" / f"{i}.png").write_bytes(PNG + b"\x00" * 20)
        Image.new("L", (16, 16), i).save(folder / "flat" / f"{i}.png")
        Image.new("L", (16 + i, 16), i).save(folder / "mixed" / f"{i}.png")
    for name in ("train/ape", "train/bear", "test/ape", "test/zebra"):
        (folder / "zoo" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("L", (16, 16), i + len(name)).save(folder / "zoo" / name / f"{i}.png")
    Image.new("L", (16, 16)).save(folder / "single" / "0.png")
    (folder / "lie.png").write_text("I am a text file.")
    whole = idx(np.zeros((20, 16, 16), np.uint8))
    (folder / "cut-idx3-ubyte").write_bytes(whole[:-100])
    with zipfile.ZipFile(folder / "whole.zip", "w") as archive:
        for i in range(3):
            archive.write(folder / "flat" / f"{i}.png", f"{i}.png")
    content = (folder / "whole.zip").read_bytes()
    (folder / "cut.zip").write_bytes(content[: len(content) // 2])
    np.savez(folder / "strange.npz", pixels=np.zeros((3, 16, 16), np.uint8))
    np.savez(folder / "floats.npz", images=np.zeros((9, 16, 16, 1)))


YAML = {
    "broken.yaml": "batch: [",
    "list.yaml": "- 1\n- 2\n",
    "word.yaml": "batch: x\n",
    "typo.yaml": "btach: 3\n",
    "betas.yaml": "betas: 3\n",
    "switch.yaml": "replacement: maybe\n",
    "bytes.yaml": None,
}

MODULES = {
    "mine/__init__.py": "",
    "mine/empty.py": "",
    "mine/broken.py": "this is no Python\n",
    "mine/fails.py": "import a_module_that_is_absent\n",
    "mine/raises.py": "raise RuntimeError('out of cheese')\n",
    "mine/losses.py": "number = 3\ndef function(): ...\n",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    make_data(folder)
    for name, text in {**YAML, **MODULES}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\xff\xfe\x00" if text is None else text.encode())
    options = {"data": "good.npz", "steps": 2}
    before = os.getcwd()
    os.chdir(folder)
    try:
        trained(folder, run="a", **options)
        trained(folder, run="plain", conditioning="none", **options)
    finally:
        os.chdir(before)
    damaged = folder / "runs" / "damaged"
    shutil.copytree(folder / "runs" / "a", damaged)
    (kept,) = (damaged / "checkpoints").iterdir()
    kept.write_bytes(kept.read_bytes()[:3000])
    shutil.copytree(folder / "runs" / "a", folder / "runs" / "bare")
    shutil.rmtree(folder / "runs" / "bare" / "checkpoints")
    (folder / "file").write_text("not a folder")
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").write_text("words")
    (folder / "pictures.npz").unlink(missing_ok=True)
    return folder


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    return place


def listing(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def assert_one_message(said: Said, *parts: str) -> None:
    assert said.code == 2, said
    assert said.out == "" and said.err.startswith("ganbaru: ") and said.err.endswith("\n")
    assert said.err.count("\n") == 1 and len(said.err) < 700, said.err
    for odd in ("Traceback", "<class", "usage:", "errno", "NoneType"):
        assert odd not in said.err
    for part in parts:
        assert part in said.err, said.err


G = ["train", "--data", "good.npz", "--batch", "8", "--width", "4", "--steps", "2"]

CASES: list[tuple[list[str], list[str]]] = [
    # Names.
    (["trian"], ["command 'trian'", "Did you mean 'train'?", "Known: authenticity, compare, "]),
    (["train", "digts"], ["preset 'digts'", "'digits'", "ganbaru presets"]),
    (["train", "--bacth", "8"], ["no option --bacth", "'--batch'", "ganbaru train --help"]),
    (["train", "--d_steps", "2"], ["no option --d_steps", "Did you mean '--d-steps'"]),
    (["generate", "a", "--lable", "1"], ["no option --lable", "'--label'", "generate --help"]),
    (["train", "digits", "mnist"], ["one word too many: 'mnist'", "--help"]),
    (["presets", "small", "x"], ["one word too many: 'x'"]),
    (["presets", "dgits"], ["preset 'dgits'", "Did you mean 'digits'"]),
    ([*G, "--engine", "trch"], ["engine 'trch'", "Did you mean 'torch'?", "auto, cupy, jax"]),
    ([*G, "--objective", "hing"], ["objective 'hing'", "'hinge'", "non-saturating", "wgan"]),
    ([*G, "--objective", "hinge:x=1"], ["hinge has no option 'x'", "It has none"]),
    ([*G, "--objective", "non-saturating:rael=0.9"],
     ["no option 'rael'", "Did you mean 'real'", "Known: real, fake"]),
    ([*G, "--penalty", "r3"], ["penalty 'r3'", "Known: none, r1, r2, wgan-gp"]),
    ([*G, "--penalty", "r1:gama=3"], ["no option 'gama'", "Did you mean 'gamma'?"]),
    ([*G, "--penalty", "r1:gamma=x"], ["'gamma=x'", "r1:key=number"]),
    ([*G, "--penalty", "r1+"], ["penalty ''", "Known: none, r1"]),
    ([*G, "--network", "dcgn"], ["network 'dcgn'", "Did you mean 'dcgan' or 'dcgan-mlp'?"]),
    ([*G, "--conditioning", "projektion"], ["'projektion'", "'projection'", "none, planes"]),
    ([*G, "--precision", "float16"], ["precision 'float16'", "float32, float64"]),
    (["train", "--data", "mnits"], ["data 'mnits'", "Did you mean 'mnist'", "Give a known name"]),
    # Values.
    ([*G, "--batch", "x"], ["--batch x is not a whole number"]),
    ([*G, "--batch", "0"], ["--batch 0 is out of range", "a whole number from 2"]),
    ([*G, "--batch", "-3"], ["--batch -3 is out of range"]),
    ([*G, "--steps", "1.5"], ["--steps 1.5 is not a whole number"]),
    ([*G, "--lr", "abc"], ["--lr abc is not a number"]),
    ([*G, "--lr", "nan"], ["--lr nan is not a number"]),
    ([*G, "--lr", "-1"], ["--lr -1.0 is out of range", "above 0"]),
    ([*G, "--betas", "2", "2"], ["--betas 2.0 2.0 is out of range", "from 0 to below 1"]),
    ([*G, "--betas", "0.5"], ["--betas needs 2 values: Adam's two decays"]),
    ([*G, "--betas", "a", "b"], ["--betas a b is not two numbers"]),
    ([*G, "--run"], ["--run needs a value: the run's folder"]),
    ([*G, "--seed", "-1"], ["--seed -1 is out of range", "from 0"]),
    ([*G, "--held-out", "-1"], ["--held-out -1 is out of range: give a whole number from 0"]),
    ([*G, "--held-out", "all"], ["--held-out all is not a whole number"]),
    ([*G, "--minutes", "soon"], ["--minutes soon is not a number"]),
    ([*G, "--image-size", "big"], ["--image-size big is out of range", "48x64"]),
    ([*G, "--channels", "2"], ["--channels 2 is out of range: give 1 or 3"]),
    ([*G, "--device", "gpu"], ["device 'gpu'", "computes on 'cpu'", "--engine cupy or torch"]),
    ([*G, "--image-size", "18"], ["18x18", "multiple of 4 from 16 to 256", "--image-size 16x16"]),
    ([*G, "--image-size", "512"], ["512x512", "--image-size 256x256"]),
    ([*G, "--batch", "44"], ["batch of 44", "(43 images)", "--batch 43 or less", "--replacement"]),
    # How they play and learn.
    ([*G, "--distribution", "gaussian"],
     ["distribution of latents 'gaussian'", "Known: normal, uniform, unit"]),
    ([*G, "--distribution", "unifrom"], ["Did you mean 'uniform'"]),
    ([*G, "--order", "both"], ["--order 'both'", "Known: d-first, g-first"]),
    ([*G, "--share", "latent"], ["--share 'latent'", "Did you mean 'latents'?", "nothing"]),
    ([*G, "--share", "fakes", "--d-steps", "2"],
     ["--share fakes", "--d-steps 2", "Take --d-steps 1, or --share nothing"]),
    ([*G, "--clip", "0"], ["--clip 0.0 is out of range: give a number above 0"]),
    ([*G, "--clip", "-0.01"], ["--clip -0.01 is out of range"]),
    ([*G, "--clip", "nan"], ["--clip nan is not a number"]),
    ([*G, "--schedule", "lineer"], ["schedule 'lineer'", "'linear'", "Known: constant, cosine,"]),
    ([*G, "--schedule", "linear:stop=9"], ["no option 'stop'", "Known: start, end"]),
    ([*G, "--schedule", "constant:end=9"], ["constant has no option 'end'", "It has none"]),
    ([*G, "--schedule", "linear:end=soon"], ["'end=soon'", "linear:key=number"]),
    ([*G, "--schedule", "linear:end=nan"], ["'end=nan'", "linear:key=number"]),
    ([*G, "--schedule", "linear:start=16"], ["from 16 images on to its end at 16", "start="]),
    ([*G[:-2], "--minutes", "1", "--schedule", "cosine:start=8"],
     ["a clock does not tell", "Give cosine:start=8,end=100000, or a total in images"]),
    ([*G, "--optimiser", "sgd"], ["optimiser 'sgd'", "Known: adam, rmsprop"]),
    ([*G, "--optimiser", "adam:eps=1"], ["no option 'eps'", "Did you mean 'epsilon'?"]),
    ([*G, "--optimiser", "adam:epsilon=tiny"], ["'epsilon=tiny'", "adam:key=number"]),
    ([*G, "--batch", "7", "--short-batch"],
     ["leave one image by itself", "(43 images in batches of 7)", "Take another --batch"]),
    ([*G, "--objective", "two-class"],
     ["dcgan gives 1 logit ", "two-class takes 2", "take --objective non-saturating or "]),
    ([*G, "--network", "dcgan-5x5"],
     ["gives 2 logits", "non-saturating takes 1", "take --objective two-class."]),
    ([*G, "--network", "dcgan-5x5", "--objective", "two-class"],
     ["gives 2 for an image", "take --conditioning planes"]),
    # Data.
    (["train", "dcgan"], ["'dcgan' trains on your own pictures", "--data"]),
    (["train", "--data", "nowhere/x"], ["data 'nowhere/x'", "no file or folder", "nowhere/x"]),
    (["train", "--data", "empty"], ["empty is empty", "Put pictures"]),
    (["train", "--data", "texts"], ["texts holds 1 files", "readme.txt", "no pictures", ".png"]),
    (["train", "--data", "empty.zip"], ["empty.zip is empty", "download it again"]),
    (["train", "--data", "single"], ["single readable picture", "at least 2"]),
    (["train", "--data", "one.npz"], ["single image", "at least 2"]),
    (["train", "--data", "single/0.png"], ["0.png is a single image", "Give the folder"]),
    (["train", "--data", "broken"], ["None of the 3 picture files", "0.png"]),
    (["train", "--data", "lie.png"], ["lie.png is in no known format", "expected a folder"]),
    (["train", "--data", "cut-idx3-ubyte"], ["cut-idx3-ubyte"]),
    (["train", "--data", "cut.zip"], ["cut.zip"]),
    (["train", "--data", "mixed", "--image-size", "x"], ["--image-size x"]),
    (["train", "dcgan", "--data", "mixed", "--batch", "4"], ["batch of 4", "(3 images)"]),
    (["train", "cifar10", "--data", "mixed"], ["different sizes", "--image-size 64"]),
    (["train", "--data", "strange.npz"], ["'pixels'", "no 'images'", "N x H x W x C"]),
    (["train", "--data", "floats.npz"], ["float64", "uint8"]),
    (["train", "--data-dir", "nowhere", "mnist"], ["--data-dir is 'nowhere'", "not a folder"]),
    ([*G, "--data", "unlabelled.npz"], ["softmax needs labels", "sub-folder"]),
    ([*G, "--data", "flat", "--batch", "2"], ["needs labels", "--conditioning none"]),
    ([*G, "--data", "zoo", "--run", "a", "--overwrite"],
     ["test images of zoo have the class 'zebra'", "--held-out 0"]),
    (["data", "lie.png"], ["lie.png is in no known format"]),
    (["data", "good.npz", "--image-size", "q"], ["--image-size q"]),
    (["data", "good.npz", "--split", "tset"], ["split 'tset'", "'test'"]),
    (["describe", "dcgan", "--image-size", "20x30"], ["20x30", "--image-size 20x32"]),
    # Run folders.
    ([*G, "--run", "a"], ["runs/a is not empty", "--resume", "--overwrite", "another --run"]),
    ([*G, "--run", "./file"], ["file", "Choose a --run"]),
    ([*G, "--run", "file/below"], ["file/below", "Choose a --run"]),
    ([*G, "--run", "full/", "--overwrite"], ["holds no run", "does not delete it"]),
    ([*G, "--run", "nope", "--resume"], ["no run at runs/nope", "Runs here: a, "]),
    ([*G, "--resume"], ["--resume needs --run"]),
    ([*G, "--run", "a", "--resume", "--overwrite"], ["contradict each other"]),
    (["train", "mnist", "--run", "a", "--resume"], ["from the preset 'digits'", "not 'mnist'"]),
    (["train", "--run", "a", "--resume"], ["is complete: 16 images", "--steps 4"]),
    (["train", "--run", "bare", "--resume", "--steps", "9"], ["no checkpoint yet", "--overwrite"]),
    (["train", "--run", "damaged", "--resume", "--steps", "9"], ["damaged or cut short"]),
    (["train", "--run", "a", "--resume", "--steps", "9", "--width", "8"],
     ["another architecture", "--run"]),
    (["train", "--run", "a", "--resume", "--steps", "9", "--data", "unlabelled.npz"],
     ["needs labels"]),
    (["train", "--run", "plain", "--resume", "--steps", "9", "--data", "unlabelled.npz"],
     ["data has changed", "Put the old data back"]),
    # Configuration files and the user's own modules.
    (["train", "--config", "absent.yaml"], ["absent.yaml", "No such file"]),
    (["train", "--config", "broken.yaml"],
     ["broken.yaml is not valid YAML", "line 1", "batch: 64"]),
    (["train", "--config", "bytes.yaml"], ["bytes.yaml is not valid YAML"]),
    (["train", "--config", "list.yaml"], ["list.yaml holds no configuration", "batch: 64"]),
    (["train", "--config", "word.yaml"], ["word.yaml: --batch x is not a whole number"]),
    (["train", "--config", "typo.yaml"], ["typo.yaml: Unknown field 'btach'", "'batch'"]),
    (["train", "--config", "betas.yaml"], ["--betas 3 is not two numbers"]),
    (["train", "--config", "switch.yaml"], ["switch.yaml: --replacement maybe is not true"]),
    ([*G, "--network", "no.such"], ["Cannot import 'no.such'", "spelling", "PYTHONPATH"]),
    ([*G, "--network", "mine.empty"], ["'mine.empty' has no 'generator'", "Write it there"]),
    ([*G, "--network", "mine.broken"], ["Cannot import 'mine.broken'", "SyntaxError"]),
    ([*G, "--network", "mine.fails"], ["a_module_that_is_absent"]),
    ([*G, "--network", "mine.raises"], ["out of cheese", "raises.py, line 1"]),
    ([*G, "--objective", "mine.losses.absent"], ["'mine.losses' has no 'absent'"]),
    ([*G, "--objective", "mine.losses.number"], ["is no objective", "@ganbaru.objective()"]),
    ([*G, "--penalty", "mine.losses.number"], ["number is no function (but int)"]),
    ([*G, "--engine", "no.engine"], ["Cannot import 'no.engine'"]),
    (["train", "--data", "mine.empty"], ["'mine.empty'", "DATASET", "original"]),
    # Making images.
    (["generate"], ["Say RUN: a run's folder"]),
    (["generate", "nope"], ["no run at runs/nope", "Runs here: a, bare, damaged, plain"]),
    (["generate", "damaged"], ["damaged or cut short"]),
    (["generate", "a", "-n", "0"], ["Cannot make 0 images", "from 1"]),
    (["generate", "a", "-n", "x"], ["-n x is not a whole number"]),
    (["generate", "a", "--seed", "-1"], ["seed -1", "a seed from 0"]),
    (["generate", "a", "--label", "3"], ["Label '3' is out of range", "labels: 0, 1, 2"]),
    (["generate", "a", "--label", "cat"], ["Label 'cat'", "labels: 0, 1, 2"]),
    (["generate", "plain", "--label", "1"], ["unconditional"]),
    (["generate", "a", "--checkpoint", "7"], ["no checkpoint '7'", "At images: 16"]),
    (["generate", "x.safetensors"], ["no checkpoint at x.safetensors"]),
    (["generate", "a", "-o", "x.gif"], ["x.gif", ".png", ".npz", "folder"]),
    (["generate", "a", "-o", "file/x.png"], ["Cannot write file/x.png", "where you may write"]),
    (["generate", "a", "-o", "file"], ["Cannot write file: File exists"]),
    (["generate", "a", "-n", "5000", "-o", "big.png"], ["5,000", "at most 4,096", ".npz"]),
    (["generate", "a", "--engine", "jx"], ["engine 'jx'"]),
    (["generate", "a", "--truncation", "0"], ["--truncation 0 is out of range", "up to 1"]),
    (["generate", "a", "--truncation", "1.5"], ["--truncation 1.5 is out of range", "above 0"]),
    (["generate", "a", "--truncation", "-1"], ["--truncation -1 is out of range"]),
    (["generate", "a", "--truncation", "x"], ["--truncation x is not a number"]),
    (["generate", "plain", "--every-label"], ["--every-label needs a generator with labels"]),
    (["generate", "a", "--every-label", "--label", "1"], ["--every-label", "no --label"]),
    (["generate", "a", "--every-label", "-n", "0"], ["Cannot make 0 images"]),
    (["generate", "a", "--every-label", "-n", "2000"], ["A grid of 6,000 images", ".npz"]),
    (["generate", "bare", "--checkpoint", "all"], ["no checkpoint yet"]),
    (["generate", "nope", "--checkpoint", "all"], ["no run at runs/nope"]),
    (["generate", "x.safetensors", "--checkpoint", "all"], ["no checkpoint at x.safetensors"]),
    (["generate", "a", "--checkpoint", "all", "-o", "new/x.gif"], ["x.gif", ".png", ".npz"]),
    # Taking a network elsewhere.
    (["export"], ["Say RUN: a run's folder"]),
    (["export", "nope"], ["no run at runs/nope", "Runs here: a, "]),
    (["export", "damaged", "-o", "x.safetensors"], ["damaged or cut short", "--checkpoint"]),
    (["export", "bare"], ["no checkpoint yet"]),
    (["export", "a", "--checkpoint", "7"], ["no checkpoint '7'", "At images: 16"]),
    (["export", "a", "--checkpoint", "best"], ["no checkpoint 'best'", "--evaluate-every"]),
    (["export", "a", "-o", "x.pt"], ["x.pt", ".onnx", ".html", ".safetensors", "folder"]),
    (["export", "a", "-o", "file/x.html"], ["Cannot write file/x.html"]),
    (["export", "a", "-o", "x.html", "--player", "discriminator"], ["export the generator"]),
    (["export", "a", "--player", "critic"], ["player 'critic'", "discriminator, generator"]),
    (["export", "a", "--precision", "int8"], ["precision 'int8'", "Known: float16, float32"]),
    (["export", "a", "-o", "file/x.safetensors"], ["Cannot write file/x.safetensors"]),
    (["export", "a", "-o", "file"], ["Cannot write file: File exists"]),
    (["export", "a", "-o", "full/x", "--player", "discriminator"], ["not the discriminator"]),
    (["export", "x.safetensors", "-o", "y.safetensors"], ["no checkpoint at x.safetensors"]),
    # Making films.
    (["morph"], ["Say RUN: a run's folder"]),
    (["morph", "nope"], ["no run at runs/nope", "Runs here: a, "]),
    (["morph", "a", "--path", "slrp"], ["path 'slrp'", "Did you mean 'slerp'", "classes, line"]),
    (["morph", "a", "--path", "line", "--seeds", "3"], ["line takes at least 2 seeds, not 1"]),
    (["morph", "a", "--path", "loop", "--seeds", "3,4"], ["loop takes 3 seeds", "--seeds 0,1,2"]),
    (["morph", "a", "--path", "loop", "--seeds", "3,3,4"], ["three different seeds"]),
    (["morph", "a", "--path", "loop", "--bounce"], ["cannot bounce", "leave out --bounce"]),
    (["morph", "a", "--close", "--bounce"], ["cannot bounce"]),
    (["morph", "a", "--seeds", "3,x"], ["--seeds x is not a whole number"]),
    (["morph", "a", "--seeds", "3,"], ["--seeds  is not a whole number"]),
    (["morph", "a", "--seeds", "3,-1"], ["Seed -1 is out of range", "from 0"]),
    (["morph", "a", "--labels", "0,1,2"], ["3 labels for 2 seeds", "one for all"]),
    (["morph", "a", "--labels", "0,7"], ["Label '7' is out of range", "labels: 0, 1, 2"]),
    (["morph", "a", "--path", "classes", "--labels", "1"], ["at least two", "--labels 0,1"]),
    (["morph", "plain", "--labels", "1"], ["unconditional"]),
    (["morph", "plain", "--path", "classes"], ["two classes or more", "this one has 0"]),
    (["morph", "a", "--frames", "1"], ["a film of 1 frames", "--frames from 2"]),
    (["morph", "a", "--frames", "x"], ["--frames x is not a whole number"]),
    (["morph", "a", "--fps", "0"], ["--fps 0 is out of range", ".gif takes 0.1 to 50"]),
    (["morph", "a", "--fps", "60"], ["--fps 60", ".gif takes 0.1 to 50", "browsers", ".mp4"]),
    (["morph", "a", "--fps", "x"], ["--fps x is not a number"]),
    (["morph", "a", "--size", "0"], ["--size 0 is out of range", "1 to 4096"]),
    (["morph", "a", "--size", "9999999"], ["--size 9999999 is out of range"]),
    (["morph", "a", "-o", "x.avi"], ["x.avi", ".gif, .mp4, .webp, .png", "folder"]),
    (["morph", "a", "-o", "full"], ["full is not empty"]),
    (["morph", "a", "-o", "file"], ["Cannot write file: File exists"]),
    (["morph", "a", "-o", "file/x.gif"], ["Cannot write file/x.gif", "where you may write"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "parts"), CASES, ids=[" ".join(c[0][-4:]) for c in CASES])
def test_one_message_and_nothing_touched(here, arguments, parts):
    before = listing(here)
    assert_one_message(command(*arguments), *parts)
    assert listing(here) == before


# Sets that cannot be downloaded: what --data must point at, and by which names they are found.
CATS, CELEBA = "Cats faces 64x64", "img_align_celeba.zip (Liu et al. 2015)"
ABSENT = [
    (["train", "dcgan-cats"], ["set cat-faces is not here", CATS, "as cat-faces-64.zip."]),
    (["train", "--data", "cat-faces", "--steps", "2"], ["cat-faces", CATS, "give it as --data"]),
    (["train", "dcgan-celeba"], ["set celeba is not here", CELEBA, "as img_align_celeba.zip."]),
    (["train", "dcgan-celeba", "--data-dir", "full"], [CELEBA, "one of full, ", "give it as"]),
    (["data", "celeba"], ["set celeba is not here", "cannot be downloaded", CELEBA, "--data"]),
    (["data", "cat-faces"], ["set cat-faces is not here", CATS]),
]


@pytest.mark.parametrize(("arguments", "parts"), ABSENT, ids=[" ".join(c[0]) for c in ABSENT])
def test_set_that_must_be_brought_along(here, monkeypatch, arguments, parts):
    monkeypatch.delenv("GANBARU_DATA", raising=False)
    test_one_message_and_nothing_touched(here, arguments, parts)


@pytest.mark.parametrize("arguments", [
    ["trian"], ["train", "--batch", "x"], [*G, "--run", "a"], ["train", "--data", "broken"],
    [*G, "--network", "mine.raises"], ["generate", "damaged"],
], ids=str)  # fmt: skip
def test_real_process(here, arguments):
    before = listing(here)
    assert_one_message(process(*arguments, cwd=here))
    assert listing(here) == before


# --- libraries and devices --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cupy", "torch"])
def test_engine_that_is_not_installed_names_its_extra(here, monkeypatch, name):
    """As if it were absent, where it is there."""
    find = importlib.util.find_spec
    absent = lambda module, *package: None if module == name else find(module, *package)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    from ganbaru import engines

    engines.load.cache_clear()
    assert_one_message(
        command(*G, "--engine", name),
        f"The {name} engine needs {name}, which is not installed",
        f"pip install 'ganbaru[{name}]'",
        "--engine numpy",
    )
    engines.load.cache_clear()


def test_tensorboard_that_is_not_installed_is_told_before_anything_is_deleted(here, monkeypatch):
    find = importlib.util.find_spec
    absent = lambda name, *package: None if name == "tensorboardX" else find(name, *package)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    before = listing(here)
    assert_one_message(
        command(*G, "--tensorboard", "--run", "a", "--overwrite"),
        "--tensorboard needs tensorboardX, which is not installed",
        "pip install 'ganbaru[tensorboard]'",
    )
    assert listing(here) == before


@needs_torch
@pytest.mark.parametrize("device", ["cuda:99", "foo"])
def test_device_that_is_not_there(here, device):
    said = command(*G, "--engine", "torch", "--device", device)
    assert_one_message(said, f"device '{device}'", "Allowed here: cpu")


# --- disks ------------------------------------------------------------------------------------


@needs_posix
def test_disk_that_refuses_a_checkpoint(tmp_path):
    """The run's earlier checkpoint stays and loads; nothing half-written is left."""
    run = trained(tmp_path, width=32, lr=0.001)
    before = listing(run / "checkpoints")
    (size,) = {len(content) for content in before.values()}
    arguments = ["train", "--run", run, "--resume", "--steps", 14]
    said = process(*arguments, cwd=tmp_path, preexec_fn=limited(size // 2))
    assert said.code == 2 and "Traceback" not in said.err
    wanted = run / "checkpoints" / "0000000112.safetensors"
    assert f"ganbaru: Cannot write {wanted}: File too large. Make room there" in said.err
    assert said.err.count("\n") == 1 and listing(run / "checkpoints") == before
    assert newest(run)[1].step == 12
    assert command(*arguments).code == 0  # with the disk well again
    assert newest(run)[1].step == 14


@needs_posix
@pytest.mark.parametrize("out", ["all.npz", "grid.png", "each"])
def test_disk_that_refuses_images(tmp_path, out):
    run = trained(tmp_path, steps=1)
    arguments = ["generate", run, "-n", 400, "-o", tmp_path / out]
    (tmp_path / "all.npz").write_bytes(b"old")
    said = process(*arguments, cwd=tmp_path, preexec_fn=limited(100))
    assert_one_message(said, "Cannot write", out, "File too large", "Make room there")
    assert (tmp_path / "all.npz").read_bytes() == b"old"
    left = {path.name for path in tmp_path.rglob("*") if "run" not in path.parts}
    assert not [name for name in left if name.endswith(".tmp") or name.startswith("seed")]
    assert "grid.png" not in left


@needs_posix
@pytest.mark.parametrize("out", ["x.gif", "x.webp", "x.png", "x.mp4", "frames"])
def test_disk_that_refuses_a_film(tmp_path, out):
    if out.endswith("mp4"):
        pytest.importorskip("av")
    run = trained(tmp_path, steps=1)
    arguments = ["morph", run, "--frames", 9, "-o", tmp_path / out]
    said = process(*arguments, cwd=tmp_path, preexec_fn=limited(100))
    assert_one_message(said, "Cannot write", out, "File too large", "Make room there")
    left = {path.name for path in tmp_path.rglob("*") if "run" not in path.parts}
    assert left == {"pictures.npz"} | ({"frames"} if out == "frames" else set())


def refuse(*ignored, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_before_anything_is_written(here, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", refuse)
    before = listing(here)
    assert_one_message(
        command(*G, "--run", "new"), "Cannot make the run's folder runs/new: No space left"
    )
    assert listing(here) == before


@pytest.mark.parametrize("name", ["config.yaml", "log.jsonl", "0000000000.png"])
def test_full_disk_at_each_first_file(tmp_path, monkeypatch, name):
    replace = os.replace

    def picky(source, target):
        return refuse() if Path(target).name == name else replace(source, target)

    config = tiny(tmp_path)
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    monkeypatch.setattr(os, "replace", picky)
    said = command("train", "--config", tmp_path / "c.yaml")
    assert said.code == 2 and said.err.startswith("ganbaru: Cannot write")
    assert f"{name}: No space left on device" in said.err and said.err.count("\n") == 1
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix == ".tmp"]


@needs_posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    pictures(tmp_path / "good.npz")
    words_ = [*G[:2], tmp_path / "good.npz", *G[3:], "--run", locked / "run"]
    assert_one_message(command(*words_), "Cannot make the run's folder", "Permission denied")


def test_folder_without_permission_as_root_sees_it(here, monkeypatch):
    def denied(*ignored, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", denied)
    said = command(*G, "--run", "new")
    assert_one_message(said, "runs/new: Permission denied. Choose a --run where you may write")


def test_out_of_memory_is_a_sentence(here, monkeypatch):
    from ganbaru.training import setup

    def greedy(*ignored):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(setup, "build", greedy)
    said = command(*G)
    assert said.code == 1
    assert said.err == (
        "ganbaru: Out of memory (Unable to allocate 9 TiB). Try a smaller --batch, --width or "
        "--image-size.\n"
    )
