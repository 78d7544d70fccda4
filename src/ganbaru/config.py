"""The configuration of a run: one typed dataclass with a help sentence for each field."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Collection, Mapping
from dataclasses import InitVar, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ganbaru import coerce, records, registry
from ganbaru.coerce import parse_size as parse_size
from ganbaru.errors import InputError, command_line, did_you_mean, unknown
from ganbaru.formatting import call, differing, document, field_table
from ganbaru.presets import PRESETS
from ganbaru.registry import Trust


def _option(default: Any, sentence: str) -> Any:
    """Return a field; {known} in its sentence stands for the names that it may have."""
    return dataclasses.field(default=default, metadata={"help": sentence})


@dataclass(frozen=True)
class Config:
    """What a run trains, on which data, for how long and where; each field is a flag of `train`.

    `origin` is no field: it marks a configuration that was read from a file, and
    `dataclasses.replace` keeps it.
    """

    preset: str = _option("", "the preset that this configuration is based on")
    data: str = _option(
        "digits", "a path (folder, zip, npz, ...), shards, hf:NAME or a known set: {known}"
    )
    data_dir: str | None = _option(None, "the folder where named sets are searched first")
    split: str = _option(
        "auto", "what to train on: auto (train/), none (all as one set), or the name of a folder"
    )
    label_file: str | None = _option(
        None,
        "FILE or FILE:COLUMN (A,B: attributes) with labels, folders, or none; else found",
    )
    key: str | None = _option(
        None, "which arrays of a file (IMAGES,LABELS), set of a folder (letters) or labels (coarse)"
    )
    replacement: bool = _option(False, "sample images with replacement instead of by epochs")
    balance: bool = _option(False, "show D all classes equally often, however many images each has")
    short_batch: bool = _option(False, "also use the last, short batch of each epoch")
    image_size: str | None = _option(None, "side N or HxW of the images; if not given, unchanged")
    channels: int | None = _option(
        None, "1 for grey, 3 for colour, 4 with transparency; else as it is"
    )
    background: str | None = _option(None, "the colour behind transparent parts; else white")
    fit: str = _option("crop", "how images get other proportions: crop, pad (black) or stretch")
    range: str | None = _option(
        None, "LOW:HIGH, the values of black and white; auto: the data's; else their type's"
    )
    network: str = _option("dcgan", "the architecture: {known} or a dotted path to your own module")
    width: int = _option(64, "feature maps at the image; up to 8 times as many in deeper layers")
    latent: int = _option(100, "size of a latent vector")
    distribution: str = _option("normal", "of latents: normal, uniform (-1 to 1) or unit (0 to 1)")
    conditioning: str = _option(
        "none", "how labels enter: none, class-norm, embedding, planes, projection or softmax"
    )
    fake_labels: str = _option(
        "shares", "labels that fakes get in training: shares (of the data's classes) or uniform"
    )
    spectral_norm: str = _option("none", "networks with spectral normalization: none, d, g or both")
    minibatch_deviation: bool = _option(False, "give D the batch's standard deviation as a feature")
    norm: str = _option("auto", "D's normalisation: none, batch, instance, layer, rms or auto")
    initialisation: str = _option("auto", "initial weights: {known}; auto is the network's own")
    start_from: str | None = _option(None, "a model to begin with: run, file, zoo: or hub's name")
    objective: str = _option("non-saturating", "the loss of both players: {known} or a dotted path")
    penalty: str = _option(
        "none",
        "gradient penalty on D: none, {known} or a dotted path; r1+r2 is both; r1:gamma=9,end=1 "
        "changes gamma over --burn-in",
    )
    augment: str = _option("none", "transforms of what D sees: none, auto or {known} (a+b:p=0.5)")
    d_steps: int = _option(1, "D updates for each G update, each on a new batch")
    freeze_d: int = _option(0, "how many of D's layers, from the image inwards, are not updated")
    order: str = _option("d-first", "which player a step updates first: d-first or g-first")
    share: str = _option("nothing", "shared by a step's two updates: nothing, latents or fakes")
    clip: float | None = _option(None, "clip D's weights to plus and minus this (WGAN)")
    batch: int = _option(64, "batch size, in images, of all processes together")
    accumulate: int = _option(1, "micro-batches of an update, one after the other: less memory")
    lr: float = _option(2e-4, "learning rate of both players")
    lr_g: float | None = _option(None, "learning rate of G, if it differs")
    lr_d: float | None = _option(None, "learning rate of D, if it differs")
    schedule: str = _option(
        "constant",
        "of learning rates: {known}; linear:start=N,end=N,floor=0.1 in images (else to the total)",
    )
    optimiser: str = _option("adam", "{known}; adam:epsilon=1e-7 gives an option")
    betas: tuple[float, float] = _option(
        (0.5, 0.999), "Adam's beta1 and beta2; RMSprop's momentum and decay"
    )
    beta2_end: float | None = _option(None, "what beta2 changes to over --burn-in")
    ema: float = _option(0.999, "decay per step of G's running average, the EMA generator")
    ema_images: int | None = _option(None, "half-life of the average in images, in place of --ema")
    burn_in: int | None = _option(None, "images in which gamma, beta2, EMA change; else the total")
    seed: int = _option(0, "seed of all random numbers in the run")
    engine: str = _option("auto", "auto (fastest: see `ganbaru engines`), {known} or a dotted path")
    device: str = _option("auto", "cpu, cuda, cuda:1 or mps; auto is the best that the engine has")
    devices: int = _option(1, "devices that divide each batch in one process, of JAX")
    precision: str = _option(
        "auto",
        "float32, float64 or bf16 (convolutions and matrix products in bfloat16, all else in "
        "float32); auto is bf16 with --fast on a GPU that supports it, else float32",
    )
    fast: bool = _option(
        True,
        "on a GPU: CUDA graphs of whole steps, batch prefetching, the data set in device memory, "
        "TF32; --no-fast for float32 that is exact and repeatable",
    )
    steps: int | None = _option(None, "G updates (steps)")
    images: int | None = _option(None, "real images shown to D")
    epochs: float | None = _option(None, "passes over the data")
    minutes: float | None = _option(None, "minutes of training")
    run: str | None = _option(None, "the run's folder or name below runs/; else preset and date")
    resume: bool = _option(False, "resume from the run's newest checkpoint")
    overwrite: bool = _option(False, "delete the run that is in the folder and start again")
    log_every: int = _option(2_000, "images between two log lines")
    sample_every: int = _option(20_000, "images between two sample grids")
    checkpoint_every: int = _option(100_000, "images between two checkpoints")
    keep: int = _option(3, "how many of the newest checkpoints to keep")
    held_out: int = _option(1_000, "held-out images for losses at each grid; 0 for none")
    evaluate_every: int = _option(0, "images between evaluations of the EMA generator; 0 for none")
    evaluate_images: int = _option(2_000, "number of images in such an evaluation, at most")
    patience: int = _option(0, "early stopping: evaluations without a better MIND; 0 for never")
    on_trouble: str = _option("report", "what the doctor's findings do: report, rollback or stop")
    tensorboard: bool = _option(False, "also write TensorBoard logs (needs ganbaru[tensorboard])")
    callbacks: str = _option(
        "none", "trackers (wandb, trackio, mlflow) and callbacks of installed packages: NAME+NAME"
    )
    origin: InitVar[Trust | None] = None

    def __post_init__(self, origin: Trust | None) -> None:
        """Convert every field to its type and check its range: text, YAML and Python alike."""
        object.__setattr__(self, "origin", origin)
        for field in dataclasses.fields(self):
            value = typed(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            allowed, fits = _RANGES.get(field.name, coerce.ANY)
            if value is not None and not fits(value):
                raise InputError(
                    f"{flag(field.name)} {coerce.shown(value)} is out of range: give {allowed}."
                )
        coerce.check_background(self.background, self.channels)
        if self.resume and self.overwrite:
            raise InputError("--resume and --overwrite exclude each other: give one of them.")

    def __repr__(self) -> str:
        """Return the call that makes it, with the fields that differ from the preset's."""
        if self.preset in PRESETS:
            return call("from_preset", differing(self, from_preset(self.preset)), self.preset)
        return call("Config", differing(self, _DEFAULTS))

    def _repr_html_(self) -> str:
        """Return a table of the fields that differ from their defaults, for notebooks."""
        return field_table(self, _DEFAULTS)

    @property
    def trust(self) -> Trust | None:
        """What the names in it may import; None: anything, since the user wrote them."""
        found: Trust | None = vars(self)["origin"]
        return found

    @property
    def size(self) -> tuple[int, int] | None:
        """The images' height and width, or None to leave them as they are."""
        return None if self.image_size is None else parse_size(self.image_size)

    @property
    def rates(self) -> tuple[float, float]:
        """The learning rates of G and of D."""
        g, d = self.lr_g, self.lr_d
        return self.lr if g is None else g, self.lr if d is None else d

    def done(self, step: float, images: float, seconds: float, count: int) -> float:
        """Return the progress of a run: the largest fraction of any of its totals.

        `count` is the number of images in the data, 0 if unknown.
        """
        totals = (
            (step, self.steps),
            (images, self.images),
            (images, (self.epochs or 0) * count),
            (seconds, 60 * (self.minutes or 0)),
        )
        return max((so_far / total for so_far, total in totals if total), default=0.0)


TOTALS = ("steps", "images", "epochs", "minutes")


@functools.cache
def kind(name: str) -> tuple[Any, bool]:
    """Return the type of a field, and whether it may be None."""
    # Not get_type_hints(Config): Python 3.10 refuses the InitVar.
    types = {field.name: field.type for field in dataclasses.fields(Config)}
    if name not in types:
        raise unknown("field", str(name), types)
    holder = SimpleNamespace(__annotations__={name: types[name]})
    hint = typing.get_type_hints(holder, globals())[name]
    inner = [each for each in typing.get_args(hint) if each is not type(None)]
    optional = type(None) in typing.get_args(hint)
    return (inner[0], True) if optional else (hint, False)


def typed(name: str, value: Any) -> Any:
    """Return a value converted to its field's type, or raise InputError."""
    if name == "image_size" and isinstance(value, (tuple, list)):
        value = "x".join(map(str, value))
    of, optional = kind(name)
    return None if value is None and optional else coerce.convert(of, flag(name), value)


# --- ranges -----------------------------------------------------------------------------------


_COUNTS = ("held_out", "evaluate_every", "patience", "freeze_d")
_WHOLES = ("steps", "images", "ema_images", "burn_in", "log_every", "sample_every", "keep")
_RANGES: dict[str, coerce.Allowed] = {
    "image_size": (coerce.SIZE, coerce.is_size),
    "fit": ("crop, pad or stretch", lambda value: value in ("crop", "pad", "stretch")),
    "on_trouble": ("report, rollback or stop", lambda x: x in ("report", "rollback", "stop")),
    "range": (coerce.RANGE, coerce.is_range),
    "channels": coerce.CHANNELS,
    "seed": ("a whole number from 0 to 2**63 - 1", lambda value: 0 <= value < 2**63),
    "batch": (
        "a whole number from 2 (batch norm needs two images) to 1,000,000",
        lambda value: 2 <= value <= 10**6,
    ),
    "width": coerce.at_least(1, 65_536),
    "latent": coerce.at_least(1, 10**6),
    **dict.fromkeys(("d_steps", "accumulate", "devices"), coerce.at_least(1, 10_000)),
    "betas": ("two numbers from 0 to below 1", lambda pair: all(0 <= beta < 1 for beta in pair)),
    **dict.fromkeys(("ema", "beta2_end"), coerce.PART),
    "evaluate_images": coerce.at_least(50),
    **dict.fromkeys(("lr", "lr_g", "lr_d", "clip", "epochs", "minutes"), coerce.POSITIVE),
    **dict.fromkeys(_COUNTS, coerce.COUNT),
    **dict.fromkeys((*_WHOLES, "checkpoint_every"), coerce.WHOLE),
}


def flag(field: str) -> str:
    """Return a field's flag on the command line."""
    return f"--{field.replace('_', '-')}"


# --- from presets, fields and files -----------------------------------------------------------


def from_preset(name: str, **options: Any) -> Config:
    """Build the configuration of a preset, with `options` in place of its fields.

    A total (steps, images, epochs or minutes) among them replaces the preset's.
    """
    return from_fields(merged(preset_fields(name), options), None)


def preset_fields(name: str) -> dict[str, Any]:
    """Return the fields that a preset sets."""
    if name not in PRESETS:  # too many to list in a message
        raise InputError(
            f"Unknown preset {name!r}.{did_you_mean(name, PRESETS)} To list them: "
            f"{command_line('presets')}"
        )
    return {**PRESETS[name].options, "preset": name}


def merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Merge fields, `after` over `before`; any total in `after` replaces all earlier totals."""
    if any(after.get(name) is not None for name in TOTALS):
        before = {**before, **dict.fromkeys(TOTALS)}
    return {**before, **after}


def from_fields(fields: Mapping[str, Any], trust: Trust | None) -> Config:
    """Build a configuration from fields by name; the others keep their defaults.

    `trust` is None for fields that the user wrote, and limits what those of a file may import.
    """
    for name in fields:
        kind(name)  # or the error for an unknown field
    return Config(**fields, origin=trust)


def from_file(fields: Mapping[str, Any], file: object, trust: Collection[str] = ()) -> Config:
    """Build a configuration from the fields in a file, whose names import `trust` alone."""
    return from_fields(fields, registry.trusting(file, trust))


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration's fields from YAML."""
    found = records.read_yaml(path, "Write lines such as `batch: 64`.")
    try:
        return {name: typed(name, value) for name, value in found.items()}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def to_yaml(config: Config) -> str:
    """Return a configuration as YAML."""
    import yaml

    fields = {**dataclasses.asdict(config), "betas": list(config.betas)}
    return str(yaml.safe_dump(fields, sort_keys=False))


_DEFAULTS = Config()
document(Config)
