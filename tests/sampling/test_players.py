"""Loading one player: its names and shapes by tracing, and no other tensors."""

from __future__ import annotations

import pytest
from native_helpers import RUNS, save
from train_helpers import tiny

from ganbaru import randomness
from ganbaru.gan import models
from ganbaru.nn import initializers
from ganbaru.sampling.players import load_player
from ganbaru.training import checkpoint

SHAPE = (16, 16, 1)


@pytest.mark.parametrize("name", RUNS)
def test_traced_tensors_have_the_names_and_shapes_of_the_initial_ones(tmp_path, name):
    of = tiny(tmp_path, **RUNS[name])
    classes = 0 if of.conditioning == "none" else 3
    initial = models.initial_parameters(of, SHAPE, classes)
    assert models.tensor_shapes(of, SHAPE, classes) == checkpoint.shapes(initial)


@pytest.mark.parametrize("player", ["generator", "unaveraged-generator", "discriminator"])
def test_loading_draws_no_random_weights_and_reads_one_group(tmp_path, monkeypatch, player):
    run = save(tmp_path)

    def draw(*arguments):
        raise AssertionError("random weights drawn")

    read = []
    load = checkpoint.load
    monkeypatch.setattr(randomness, "normal", draw)
    monkeypatch.setattr(initializers.Initialisation, "values", draw)
    monkeypatch.setattr(
        checkpoint, "load", lambda path, only, **how: read.append(only) or load(path, only, **how)
    )
    found = load_player(run.folder.path, player=player)
    group = {"generator": "ema", "unaveraged-generator": "generator"}.get(player, player)
    assert read == [(group, f"{group}_buffers")]
    assert found.parameters.keys() == run.state[group].keys()
