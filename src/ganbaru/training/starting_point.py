"""Start a run from an existing model: a run, a checkpoint, a shared folder, or one of the hub.

Only weights are taken. What the model's file names is never imported: the networks are those of
the run's own configuration.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru.coerce import shown
from ganbaru.config import Config, flag
from ganbaru.data import Source, attributes
from ganbaru.errors import InputError
from ganbaru.gan import growing, models
from ganbaru.gan.batches import to_range
from ganbaru.gan.class_rows import Labels, carried_over, class_axes
from ganbaru.gan.growing import Reals
from ganbaru.gan.layer_matching import Arrays, Tensors, by_layer, layer_of, match
from ganbaru.training import checkpoint, hub, run_folder, shared_model
from ganbaru.training.checkpoint import Groups

# What determines the networks besides the images' shape, which a run takes from its model.
ARCHITECTURE = (
    "network",
    "width",
    "latent",
    "distribution",
    "conditioning",
    "norm",
    "spectral_norm",
    "minibatch_deviation",
)
# Of each player, the groups with its weights, the first one that a file has.
GROUPS = {"generator": ("ema", "generator"), "discriminator": ("discriminator",)}


@dataclass(frozen=True)
class Start:
    """Both players' first weights, and a sentence on what was taken from where."""

    weights: Groups
    note: str


@dataclass(frozen=True)
class _Model:
    """The model that a run starts from."""

    name: str
    fields: dict[str, Any]
    shape: models.Shape
    classes: list[str]  # that its networks take
    players: dict[str, Arrays]


def find(name: str) -> Path:
    """Return the checkpoint of a model's name; raises InputError if there is none.

    A run's is its newest. A name like ``user/model`` is one on the hub unless it is a path here.
    """
    path = Path(name).expanduser()
    here = path.exists() or path.parts[:1] == run_folder.RUNS.parts
    if (path / shared_model.CONFIG).exists() or (hub.is_name(name) and not here):
        return run_folder.single_file(name) or shared_model.find(name)
    return run_folder.find_checkpoint(name)


def architecture(name: str) -> tuple[Path, dict[str, Any]]:
    """Return a model's file, and the fields with which a configuration has its networks."""
    path = find(name)
    _, header = checkpoint.load(path, ())
    height, width, channels = header.data["shape"]
    fields = {each: header.config[each] for each in ARCHITECTURE if each in header.config}
    return path, {**fields, "image_size": f"{height}x{width}", "channels": channels}


def load(name: str, config: Config, source: Source, classes: tuple[str, ...]) -> Start:
    """Return the first weights of a run that starts from the model `name`.

    Layers are matched by name, then by order and shape; parts of classes by the classes' names; a
    smaller model is enlarged (`gan.growing`). Raises InputError for a missing or damaged file, and
    a model that does not fit.
    """
    model, shape = _read(name), source.images.shape[1:]
    if config.freeze_d and "discriminator" not in model.players:
        raise InputError(
            f"--freeze-d {config.freeze_d} keeps layers of a model's discriminator, and {name} has "
            f"none: leave it out, or start from a run or a checkpoint."
        )
    times = growing.doublings(model.shape, shape)
    if not times and model.shape[:2] != shape[:2]:
        sizes = [f"{model.shape[0] * n}x{model.shape[1] * n}" for n in (1, 2, 4)]
        raise InputError(
            f"{model.name} makes images of {sizes[0]}, and this run's are {shape[0]}x{shape[1]}: "
            f"take --image-size {sizes[0]}, or let it grow with {sizes[1]} or {sizes[2]}."
        )
    first = config
    if times:
        first = dataclasses.replace(config, width=model.fields.get("width", config.width))
        growing.check(config, first.width, str(model.fields.get("network")))
    weights, counts = _taken(model, first, (*model.shape[:2], shape[2]), classes)
    for doubled in range(1, times + 1):
        size = (model.shape[0] * 2**doubled, model.shape[1] * 2**doubled, shape[2])
        reals = _reals(source, 2 ** (times - doubled))
        present = {g: weights[g] for p in model.players for g in (p, f"{p}_buffers")}
        weights = growing.grown(config, present, size, len(classes), reals)
    return Start(weights, _note(model, shape, classes, counts, grown=times > 0))


def _read(name: str) -> _Model:
    path = find(name)
    groups, header = checkpoint.load(path)
    found = {
        player: next((each for each in names if groups.get(each)), "")
        for player, names in GROUPS.items()
    }
    players = {
        player: groups[group] | groups.get(f"{group}_buffers", {})
        for player, group in found.items()
        if group
    }
    conditional = header.config.get("conditioning", "none") != "none"
    names = [each.name for each in attributes.from_facts(header.data)]
    classes = (header.data["classes"] or names) if conditional else []
    return _Model(name, header.config, tuple(header.data["shape"]), classes, players)


def _taken(
    model: _Model, config: Config, shape: models.Shape, classes: tuple[str, ...]
) -> tuple[Groups, dict[str, str]]:
    """Return both players' weights at the model's size, and how many layers are the model's."""
    conditioning = model.fields.get("conditioning", "none")
    before = dataclasses.replace(config, conditioning=conditioning)
    sizes = models.tensor_shapes(before, shape, len(model.classes))
    old_axes = class_axes(before, shape, len(model.classes))
    new_axes = class_axes(config, shape, len(classes))
    made, counts = models.initial_parameters(config, shape, len(classes)), {}
    for player, arrays in model.players.items():
        buffers = f"{player}_buffers"
        known = sizes[player] | sizes[buffers]
        old, new = Labels(model.classes, old_axes[player]), Labels(classes, new_axes[player])
        target = made[player] | made[buffers]
        found = _matched(arrays, known, old, target, new)
        if isinstance(found, str):
            raise _misfit(model, player, config, found)
        for group in (player, buffers):
            made[group] = {name: found.get(name, x) for name, x in made[group].items()}
        new_alone = set() if {*classes} & {*model.classes} else new.own_layers(target)
        layers = by_layer(found).keys() - new_alone
        counts[player] = f"{len(layers)} of {len(by_layer(target))} layers"
    return made, counts


def _matched(
    arrays: Arrays, known: Tensors, old: Labels, target: Arrays, new: Labels
) -> Arrays | str:
    """Return what the model's arrays give of a player's tensors, or a sentence on what misfits."""
    same = {name: x for name, x in arrays.items() if x.shape == known.get(name)}
    taken = carried_over(same, old, target, new)
    whole = {layer for layer, names in by_layer(target).items() if names <= taken.keys()}
    found = {name: x for name, x in taken.items() if layer_of(name) in whole}
    spare, fresh = old.own_layers(same), new.own_layers(target)
    given = {name: x for name, x in arrays.items() if layer_of(name) not in whole}
    if [*old.names] != [*new.names]:  # by order, a class could get another one's part
        whole |= fresh
        of_classes = {layer_of(name) for name in old.axes}
        given = {name: x for name, x in given.items() if layer_of(name) not in of_classes}
    wanted = {name: x.shape for name, x in target.items() if layer_of(name) not in whole}
    fit = match(given, wanted, spare, fresh)
    return fit.misfit or {**found, **fit.arrays}


def _misfit(model: _Model, player: str, config: Config, misfit: str) -> InputError:
    """Build the error for a model that does not fit, with its options that the run lacks."""
    pairs = {name: model.fields[name] for name in ARCHITECTURE if name in model.fields}
    pairs["channels"] = model.shape[2]
    mine = {**vars(config), "channels": None}
    other = [f"{flag(n)} {shown(x)}" for n, x in pairs.items() if mine[n] not in (x, None)]
    fix = f"The model's own: {' '.join(other)}." if other else "Take a model of this network."
    return InputError(f"{model.name} does not fit this run's {player}: {misfit} {fix}")


def _reals(source: Source, factor: int) -> Reals:
    """Return some images of the data, made smaller by a factor, and their labels."""
    chosen = np.linspace(0, len(source.images) - 1, growing.SAMPLES).astype(int)
    images = to_range(source.images[chosen])
    count, channels, height, width = images.shape
    blocks = images.reshape(
        count, channels, height // factor, factor, width // factor, factor
    ).mean(axis=(3, 5))
    return Reals(blocks, None if source.conditions is None else source.conditions[chosen])


def _note(
    model: _Model,
    shape: models.Shape,
    classes: tuple[str, ...],
    counts: dict[str, str],
    grown: bool,
) -> str:
    """Return a sentence on what was taken from the model, and what was not."""
    absent = "initialised: the file has none"
    parts = [f"{player} {counts.get(player, absent)}" for player in GROUPS]
    if classes or model.classes:
        common = len({*classes} & {*model.classes})
        parts.append(f"{common} of {len(classes)} classes by name")
    if grown:
        height, width, _ = model.shape
        parts.append(f"grown from {height}x{width} to {shape[0]}x{shape[1]}")
    return f"Started from {model.name}: {', '.join(parts)}; the optimiser's moments are zero."
