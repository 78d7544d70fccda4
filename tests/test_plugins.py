"""Installed packages give their objectives, penalties, networks and the rest short names."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from train_helpers import tiny

import ganbaru
from ganbaru import config as settings
from ganbaru import data, registry
from ganbaru.cli import options
from ganbaru.gan import build
from ganbaru.metrics import evaluation
from ganbaru.registry import Trust

CODE = '''
import numpy as np
import ganbaru
from ganbaru import ops
from ganbaru.callbacks import Callback
from ganbaru.data import Dataset, of_arrays
from ganbaru.networks.dcgan import discriminator, generator

@ganbaru.objective()
class toy_loss:
    """A loss."""
    def d(real, fake): return ops.mean(fake) - ops.mean(real)
    def g(real, fake): return ops.mean(fake) * -1.0

def toy_penalty(inputs, *, gamma=1.0):
    return ops.mean(inputs.real) * gamma

def original(split, data_dir, progress):
    return of_arrays("toy", np.arange(64 * 256, dtype=np.uint8).reshape(64, 16, 16, 1))

DATASET = Dataset("toy", original)
STEPS = []

class Counting(Callback):
    def step(self, run, metrics): STEPS.append(run.step)

def scorer(source, progress): return "a scorer"
def broken(): 1 / 0
'''
ENTRIES = """
[ganbaru.objectives]
toy-loss = toy_plugin:toy_loss
hinge = toy_plugin:toy_loss
[ganbaru.penalties]
toy-penalty = toy_plugin:toy_penalty
r1 = toy_plugin:toy_penalty
[ganbaru.networks]
toy-net = toy_plugin
dcgan = toy_plugin
missing = no_such_module_of_the_toy
[ganbaru.data]
toy-data = toy_plugin
mnist = toy_plugin
[ganbaru.scorers]
toy-scorer = toy_plugin:scorer
random = toy_plugin:scorer
[ganbaru.callbacks]
counting = toy_plugin:Counting
twice = toy_plugin:Counting
"""


def _clear():
    registry._entries.cache_clear()
    registry.plugin_names.cache_clear()


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A package as an installer leaves it: its module and a dist-info folder on the path."""
    (tmp_path / "toy_plugin.py").write_text(CODE)
    for name, entries in (("toy", ENTRIES), ("rival", "[ganbaru.callbacks]\ntwice = other:X\n")):
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(tmp_path)
    _clear()
    yield importlib.import_module("toy_plugin")
    _clear()
    build.OBJECTIVES.pop("toy-loss", None)
    sys.modules.pop("toy_plugin", None)


FILE = Trust("config.yaml")  # names from a file, none of whose modules is trusted


def test_each_family_takes_the_names_of_an_installed_package(toy):
    assert build.objective("toy-loss", FILE)[0] is toy.toy_loss
    assert build.penalties("toy-penalty:gamma=2", FILE)[0].func is toy.toy_penalty
    assert registry.module("networks", "toy-net", FILE) is toy
    assert data.declared("toy-data", FILE) is toy.DATASET
    assert data.load("toy-data").images.shape == (64, 16, 16, 1)
    assert evaluation.maker("toy-scorer", None, None, "numpy", "cpu")(None, None) == "a scorer"
    for field in ("objective", "penalty", "network", "data"):
        assert any(name.startswith("toy-") for name in options.known(field))
        named = next(name for name in options.known(field) if name.startswith("toy-"))
        assert registry.own_modules(field, named) == []  # needs no trust


def test_a_name_that_is_built_in_stays_so(toy, caplog):
    assert build.objective("hinge", None)[0] is not toy.toy_loss
    assert build.penalties("r1", None)[0].func is not toy.toy_penalty
    assert registry.module("networks", "dcgan", None).__name__ == "ganbaru.networks.dcgan"
    assert data.declared("mnist", None) is not toy.DATASET
    assert evaluation.maker("random", None, None, "numpy", "cpu") is not toy.scorer
    assert registry.names("networks").count("dcgan") == 1
    assert [r.levelname for r in caplog.records if "'dcgan'" in r.getMessage()] == ["WARNING"]


@pytest.mark.parametrize("call", [
    lambda: registry.plugin("callbacks", "twice"),  # of two packages
    lambda: registry.module("networks", "missing", None),  # whose module is not there
    lambda: registry.member("callbacks", "callback", "countng", {}),
])  # fmt: skip
def test_what_cannot_be_used_is_refused(toy, call):
    with pytest.raises(ganbaru.InputError, match=r"toy|counting"):
        call()


def test_a_run_of_them_trains_and_loads(toy, tmp_path):
    names = {
        "objective": "toy-loss",
        "network": "toy-net",
        "data": "toy-data",
        "conditioning": "none",
    }
    config = tiny(tmp_path, steps=2, callbacks="counting", held_out=0, batch=8, **names)
    run = ganbaru.train(config)
    assert toy.STEPS == [1, 2]
    assert ganbaru.load(run).sample(2).dtype == np.uint8
    assert settings.load_yaml(run / "config.yaml")["callbacks"] == "counting"
