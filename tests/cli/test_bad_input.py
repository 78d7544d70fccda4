"""Invalid input: one message with the value, the allowed values and a fix; exit code 2.

Every case runs the command in a folder of good and bad files, of which none may change.
"""

from __future__ import annotations

import importlib.util
import re
import shlex

import pytest
from bad_input_helpers import G, assert_one_message, listing
from train_helpers import command, needs_torch, process

GOOD = re.compile("^G(?= )")

# Each case: a command line, and what its message contains, separated by "|": the value, what is
# allowed, the fix. "G" stands for a tiny run on good data.
CASES = [
    # Names.
    ("trian", "'trian'|'train'|authenticity, compare, "),
    ("train digts", "'digts'|'digits'|ganbaru presets"),
    ("train --bacth 8", "--bacth|'--batch'|ganbaru train --help"),
    ("train --d_steps 2", "--d_steps|'--d-steps'"),
    ("generate a --lable 1", "--lable|'--label'|generate --help"),
    ("train digits mnist", "'mnist'|--help"),
    ("presets small x", "'x'|--help"),
    ("presets dgits", "'dgits'|'digits'"),
    ("G --engine trch", "engine 'trch'|'torch'|auto, cupy, jax"),
    ("G --objective hing", "objective 'hing'|'hinge'|non-saturating|wgan"),
    ("G --objective hinge:x=1", "hinge|'x'"),
    ("G --objective non-saturating:rael=0.9", "'rael'|'real'|real, fake"),
    ("G --penalty r3", "penalty 'r3'|none, r1, r2, wgan-gp"),
    ("G --penalty r1:gama=3", "'gama'|'gamma'"),
    ("G --penalty r1:gamma=x", "'gamma=x'|r1:key=number"),
    ("G --penalty r1+", "penalty ''|none, r1"),
    ("G --network dcgn", "network 'dcgn'|'dcgan' or 'sndcgan'"),
    ("G --conditioning projektion", "'projektion'|'projection'|none, planes"),
    ("G --precision float16", "precision 'float16'|float32, float64"),
    ("train --data mnits", "'mnits'|'mnist'"),
    # Values.
    ("G --batch x", "--batch x|whole number"),
    ("G --batch 0", "--batch 0|from 2"),
    ("G --batch -3", "--batch -3|from 2"),
    ("G --steps 1.5", "--steps 1.5|whole number"),
    ("G --lr abc", "--lr abc|number"),
    ("G --lr nan", "--lr nan|number"),
    ("G --lr -1", "--lr -1.0|above 0"),
    ("G --betas 2 2", "--betas 2.0 2.0|from 0 to below 1"),
    ("G --betas 0.5", "--betas|2 values"),
    ("G --betas a b", "--betas a b|two numbers"),
    ("G --run", "--run|a value|folder"),
    ("G --resume=yes", "--resume|no value"),
    ("G --seed -1", "--seed -1|from 0"),
    ("G --held-out -1", "--held-out -1|whole number from 0"),
    ("G --held-out all", "--held-out all|whole number"),
    ("G --minutes soon", "--minutes soon|number"),
    ("G --image-size big", "--image-size big|48x64"),
    ("G --channels 2", "--channels 2|1 (grey), 3 (RGB)"),
    ("G --device gpu", "'gpu'|'cpu'|--engine cupy or torch"),
    ("G --image-size 18", "18x18|multiple of 4 from 16 to 256|--image-size 16x16"),
    ("G --image-size 512", "512x512|--image-size 256x256"),
    ("G --batch 44", "44|43 images|--batch 43|--replacement"),
    # Training options.
    ("G --distribution gaussian", "'gaussian'|normal, uniform, unit"),
    ("G --distribution unifrom", "'unifrom'|'uniform'"),
    ("G --order both", "--order 'both'|d-first, g-first"),
    ("G --share latent", "--share 'latent'|'latents'|nothing"),
    ("G --share fakes --d-steps 2", "--share fakes|--d-steps 2|--d-steps 1|--share nothing"),
    ("G --clip 0", "--clip 0.0|above 0"),
    ("G --clip -0.01", "--clip -0.01|above 0"),
    ("G --clip nan", "--clip nan|number"),
    ("G --schedule lineer", "'lineer'|'linear'|constant, cosine,"),
    ("G --schedule linear:stop=9", "'stop'|start, end"),
    ("G --schedule constant:end=9", "constant|'end'"),
    ("G --schedule linear:end=soon", "'end=soon'|linear:key=number"),
    ("G --schedule linear:end=nan", "'end=nan'|linear:key=number"),
    ("G --schedule linear:start=16", "16 images|start="),
    (
        f"{G.removesuffix(' --steps 2')} --minutes 1 --schedule cosine:start=8",
        "cosine:start=8,end=100000",
    ),
    ("G --optimiser sgd", "'sgd'|adam, rmsprop"),
    ("G --optimiser adam:eps=1", "'eps'|'epsilon'"),
    ("G --optimiser adam:epsilon=tiny", "'epsilon=tiny'|adam:key=number"),
    ("G --batch 7 --short-batch", "one image|43 images in batches of 7|--batch"),
    ("G --objective two-class", "dcgan|1 logit|two-class|2|--objective non-saturating"),
    ("G --network dcgan-5x5", "2 logits|non-saturating|1|--objective two-class"),
    ("G --network dcgan-5x5 --objective two-class", "2|--conditioning planes"),
    # Data.
    ("train dcgan", "'dcgan'|--data"),
    ("train --data nowhere/x", "'nowhere/x'"),
    ("train --data empty", "empty"),
    ("train --data texts", "texts|1 file|readme.txt|.png"),
    ("train --data empty.zip", "empty.zip"),
    ("train --data single", "single|at least 2"),
    ("train --data one.npz", "single image|at least 2"),
    ("train --data single/0.png", "0.png|single image|folder"),
    ("train --data broken", "3 picture files|0.png"),
    ("train --data lie.png", "lie.png|folder"),
    ("train --data cut-idx3-ubyte", "cut-idx3-ubyte"),
    ("train --data cut.zip", "cut.zip"),
    ("train --data mixed --image-size x", "--image-size x"),
    ("train dcgan --data mixed --batch 4", "4|3 images"),
    ("train cifar10 --data mixed", "different sizes|--image-size 64"),
    ("train --data strange.npz", "'pixels'|'images'|N x H x W x C"),
    ("train --data floats.npz", "floating-point|--range LOW:HIGH"),
    ("train --data-dir nowhere mnist", "--data-dir|'nowhere'"),
    ("G --data unlabelled.npz", "softmax|labels|sub-folder"),
    ("G --data flat --batch 2", "labels|--conditioning none"),
    ("G --data zoo --run a --overwrite", "zoo|'zebra'|--held-out 0"),
    ("data lie.png", "lie.png"),
    ("data good.npz --image-size q", "--image-size q"),
    ("data good.npz --split tset", "'tset'|'test'"),
    ("describe dcgan --image-size 20x30", "20x30|--image-size 20x32"),
    # Run folders.
    ("G --run a", "runs/a|--resume|--overwrite|--run"),
    ("G --run ./file", "file|--run"),
    ("G --run file/below", "file/below|--run"),
    ("G --run full/ --overwrite", "full"),
    ("G --run nope --resume", "runs/nope|a, bare"),
    ("G --resume", "--resume|--run"),
    ("G --run a --resume --overwrite", "--resume|--overwrite|one of them"),
    ("train mnist --run a --resume", "'digits'|'mnist'|--run"),
    ("train --run a --resume", "16 images|--steps 4"),
    ("train --run damaged --resume --steps 9", "damaged"),
    ("train --run a --resume --steps 9 --width 8", "architecture|--run"),
    ("train --run a --resume --steps 9 --data unlabelled.npz", "labels"),
    ("train --run plain --resume --steps 9 --data unlabelled.npz", "data"),
    # Configuration files and the user's own modules.
    ("train --config absent.yaml", "absent.yaml|No such file"),
    ("train --config broken.yaml", "broken.yaml|line 1|batch: 64"),
    ("train --config bytes.yaml", "bytes.yaml|YAML"),
    ("train --config list.yaml", "list.yaml|batch: 64"),
    ("train --config word.yaml", "word.yaml|--batch x|whole number"),
    ("train --config typo.yaml", "typo.yaml|'btach'|'batch'"),
    ("train --config betas.yaml", "betas.yaml|--betas 3|two numbers"),
    ("train --config switch.yaml", "switch.yaml|--replacement maybe|true or false"),
    ("G --network no.such", "'no.such'|PYTHONPATH"),
    ("G --network mine.empty", "'mine.empty'|'generator'"),
    ("G --network mine.broken", "'mine.broken'|SyntaxError"),
    ("G --network mine.fails", "a_module_that_is_absent"),
    ("G --network mine.raises", "out of cheese|raises.py, line 1"),
    ("G --objective mine.losses.absent", "'mine.losses'|'absent'"),
    ("G --objective mine.losses.number", "mine.losses.number|objective"),
    ("G --penalty mine.losses.number", "number|function|int"),
    ("G --engine no.engine", "'no.engine'"),
    ("train --data mine.empty", "'mine.empty'"),
    # Generating images.
    ("generate", "RUN|folder"),
    ("generate nope", "runs/nope|a, bare, damaged, plain"),
    ("generate damaged", "damaged"),
    ("generate a -n 0", "0 images|at least 1"),
    ("generate a -n x", "-n x|whole number"),
    ("generate a --seed -1", "-1|from 0"),
    ("generate a --label 3", "'3'|0, 1, 2"),
    ("generate a --label cat", "'cat'|0, 1, 2"),
    ("generate plain --label 1", "unconditional"),
    ("generate a --checkpoint 7", "'7'|16"),
    ("generate x.safetensors", "x.safetensors"),
    ("generate a -o x.gif", "x.gif|.png|.npz|folder"),
    ("generate a -o file/x.png", "file/x.png"),
    ("generate a -o file", "file|File exists"),
    ("generate a -n 5000 -o big.png", "5,000|4,096|.npz"),
    ("generate a --engine jx", "engine 'jx'"),
    ("generate a --truncation 0", "--truncation 0|at most 1"),
    ("generate a --truncation 1.5", "--truncation 1.5|above 0"),
    ("generate a --truncation -1", "--truncation -1"),
    ("generate a --truncation x", "--truncation x|number"),
    ("generate plain --every-label", "--every-label|labels"),
    ("generate a --every-label --label 1", "--every-label|--label"),
    ("generate a --every-label -n 0", "0 images"),
    ("generate a --every-label -n 2000", "6,000|.npz"),
    ("generate bare --checkpoint all", "checkpoint"),
    ("generate nope --checkpoint all", "runs/nope"),
    ("generate x.safetensors --checkpoint all", "x.safetensors"),
    ("generate a --checkpoint all -o new/x.gif", "x.gif|.png|.npz"),
    # Exporting.
    ("export", "RUN|folder"),
    ("export nope", "runs/nope|a, "),
    ("export damaged -o x.safetensors", "damaged|--checkpoint"),
    ("export bare", "checkpoint"),
    ("export a --checkpoint 7", "'7'|16"),
    ("export a --checkpoint best", "'best'|--evaluate-every"),
    ("export a -o x.pt", "x.pt|.onnx|.html|.safetensors|folder"),
    ("export a -o file/x.html", "file/x.html"),
    ("export a -o x.html --player discriminator", "generator"),
    ("export a --player critic", "player 'critic'|discriminator, generator"),
    ("export a --precision int8", "precision 'int8'|float16, float32"),
    ("export a -o file/x.safetensors", "file/x.safetensors"),
    ("export a -o file", "file|File exists"),
    ("export a -o full/x --player discriminator", "discriminator"),
    ("export x.safetensors -o y.safetensors", "x.safetensors"),
    # Films.
    ("morph", "RUN|folder"),
    ("morph nope", "runs/nope|a, "),
    ("morph a --path slrp", "path 'slrp'|'slerp'|classes, line"),
    ("morph a --path line --seeds 3", "line|at least 2 seeds|1"),
    ("morph a --path loop --seeds 3,4", "loop|3 seeds|--seeds 0,1,2"),
    ("morph a --path loop --seeds 3,3,4", "three different seeds"),
    ("morph a --path loop --bounce", "bounce|--bounce"),
    ("morph a --close --bounce", "bounce"),
    ("morph a --seeds 3,x", "--seeds x|whole number"),
    ("morph a --seeds 3,", "--seeds |whole number"),
    ("morph a --seeds 3,-1", "-1|from 0"),
    ("morph a --labels 0,1,2", "3 labels|2 seeds"),
    ("morph a --labels 0,7", "'7'|0, 1, 2"),
    ("morph a --path classes --labels 1", "at least two|--labels 0,1"),
    ("morph plain --labels 1", "unconditional"),
    ("morph plain --path classes", "two classes|0"),
    ("morph a --frames 1", "1|--frames|2"),
    ("morph a --frames x", "--frames x|whole number"),
    ("morph a --fps 0", "--fps 0|.gif|0.1 to 50"),
    ("morph a --fps 60", "--fps 60|.gif|0.1 to 50|.mp4"),
    ("morph a --fps x", "--fps x|number"),
    ("morph a --size 0", "--size 0|1 to 4,096"),
    ("morph a --size 9999999", "--size 9999999|1 to 4,096"),
    ("morph a -o x.avi", "x.avi|.gif, .mp4, .webp, .png|folder"),
    ("morph a -o full", "full"),
    ("morph a -o file", "file|Not a directory"),
    ("morph a -o file/x.gif", "file/x.gif"),
]


@pytest.mark.parametrize(("line", "parts"), CASES, ids=[line for line, _ in CASES])
def test_one_message_and_no_file_changed(here, line, parts):
    before = listing(here)
    assert_one_message(command(*shlex.split(GOOD.sub(G, line))), *parts.split("|"))
    assert listing(here) == before


# Sets that cannot be downloaded: the file that --data must be given, and the names it is found by.
CATS, CELEBA = "Cats faces 64x64", "img_align_celeba.zip (Liu et al. 2015)"
ABSENT = [
    ("train dcgan-cats", f"cat-faces|{CATS}|cat-faces-64.zip"),
    ("train --data cat-faces --steps 2", f"cat-faces|{CATS}|--data"),
    ("train dcgan-celeba", f"celeba|{CELEBA}|img_align_celeba.zip"),
    ("train dcgan-celeba --data-dir full", f"{CELEBA}|full"),
    ("data celeba", f"celeba|{CELEBA}|--data"),
    ("data cat-faces", f"cat-faces|{CATS}"),
]


@pytest.mark.parametrize(("line", "parts"), ABSENT, ids=[line for line, _ in ABSENT])
def test_sets_that_cannot_be_downloaded(here, monkeypatch, line, parts):
    monkeypatch.delenv("GANBARU_DATA", raising=False)
    test_one_message_and_no_file_changed(here, line, parts)


def test_an_own_process_prints_the_same_message(here):
    before = listing(here)
    said = process("generate", "damaged", cwd=here)
    assert_one_message(said)
    assert said == command("generate", "damaged") and listing(here) == before


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
        command(*G.split(), "--engine", name),
        f"The {name} engine",
        f"pip install 'ganbaru[{name}]'",
        "--engine numpy",
    )
    engines.load.cache_clear()


def test_missing_tensorboard_is_reported_before_anything_is_deleted(here, monkeypatch):
    find = importlib.util.find_spec
    absent = lambda name, *package: None if name == "tensorboardX" else find(name, *package)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    before = listing(here)
    assert_one_message(
        command(*G.split(), "--tensorboard", "--run", "a", "--overwrite"),
        "--tensorboard",
        "tensorboardX",
        "pip install 'ganbaru[tensorboard]'",
    )
    assert listing(here) == before


@needs_torch
@pytest.mark.parametrize("device", ["cuda:99", "foo"])
def test_device_that_is_not_there(here, device):
    said = command(*G.split(), "--engine", "torch", "--device", device)
    assert_one_message(said, f"'{device}'", "cpu")
