"""Names read from files import no module unless the user names it: every field, every reader.

A module named in a file writes a marker when it is imported, and so does its package.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import dataclasses
import functools
import hashlib
import importlib
import io
import itertools
import json
import pickle
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from bench import size
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from train_helpers import (
    ENGINES,
    Said,
    assert_same_state,
    command,
    pictures,
    process,
    run_with,
    said,
    tiny,
    trained,
)

import ganbaru
from ganbaru import InputError, callbacks, config, data, engines, native, registry
from ganbaru.cli import main, options, run_summary
from ganbaru.comparison import scheduling
from ganbaru.config import Config, from_file, load_yaml, to_yaml
from ganbaru.gan import build
from ganbaru.gan.objectives import Objective
from ganbaru.gan.penalties import PENALTIES
from ganbaru.registry import FIELDS, Trust
from ganbaru.training import checkpoint, setup
from ganbaru.training.run import Run

MODULE = """
import pathlib
pathlib.Path({marker!r}).touch()
from ganbaru.networks.dcgan import discriminator, generator
from ganbaru.engines.numpy import Engine
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES
from ganbaru.data import Dataset
from ganbaru.data.formats import open_path
loss, drift = OBJECTIVES["hinge"], PENALTIES["r1"]
DATASET = Dataset("p", lambda split, folder, progress: open_path(pathlib.Path({data!r}), split))
"""
numbers = itertools.count()


class Module(NamedTuple):
    """A module that no process has imported yet, and what is there once it has been."""

    package: str
    marker: Path

    @property
    def name(self) -> str:
        return f"{self.package}.mine"

    def value(self, field: str) -> str:
        """Return what a file holds to have it imported."""
        return {"objective": f"{self.name}.loss", "penalty": f"r2+{self.name}.drift:gamma=1"}.get(
            field, self.name
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Return a run of 200 pictures, which are enough to score, with its weights exported."""
    home = tmp_path_factory.mktemp("trust")
    pictures(home / "pictures.npz", count=200)
    made = trained(home, steps=2, held_out=0)
    groups, _ = checkpoint.load(checkpoint.found(made / "checkpoints")[-1])
    save_file({**groups["ema"], **groups["ema_buffers"]}, home / "g.safetensors")
    ganbaru.save_pretrained(made, home / "shared")
    return made


@pytest.fixture
def place(run, tmp_path, monkeypatch) -> Path:
    """Copy the run into the current folder, the place of modules too, and off the path."""
    shutil.copytree(run.parent, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", ".")])
    monkeypatch.setattr(registry._Search, "current_folder", False)
    return tmp_path


@pytest.fixture
def module(place) -> Iterator[Module]:
    made = Module(f"bag{next(numbers)}", place / "imported")
    folder = place / made.package
    folder.mkdir()
    code = MODULE.format(marker=str(made.marker), data=str(place / "pictures.npz"))
    (folder / "mine.py").write_text(code)
    (folder / "__init__.py").write_text(code.partition("from")[0])
    yield made
    for name in (made.package, made.name):
        sys.modules.pop(name, None)


# --- every reader -----------------------------------------------------------------------------


def rewritten(path: Path, **fields: str) -> Path:
    """Change fields of a checkpoint's configuration."""
    groups, header = checkpoint.load(path)
    header = dataclasses.replace(header, config={**header.config, **fields})
    checkpoint.save(path, groups, header)
    return path


def in_checkpoint(place: Path, **fields: str) -> None:
    rewritten(checkpoint.found(place / "run" / "checkpoints")[-1], **fields)


def in_config(place: Path, **fields: str) -> None:
    path = place / "run" / "config.yaml"
    path.write_text(to_yaml(Config(**{**load_yaml(path), **fields})))


def in_shared(place: Path, **fields: str) -> None:
    weights, about = rewritten(place / "shared" / "model.safetensors", **fields), {}
    about = json.loads((place / "shared" / "config.json").read_text())
    about["file_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (place / "shared" / "config.json").write_text(json.dumps(about))


def in_tournament(place: Path, **fields: str) -> None:
    one = dataclasses.asdict(tiny(place, evaluate_every=24, images=48, steps=None))
    about = {"format": 1, "ganbaru": "", "seeds": 1, "data": ""}
    about["contestants"] = {"a": {**one, **fields}, "b": {**one, "width": 3, **fields}}
    (place / "contest").mkdir()
    (place / "contest" / "tournament.json").write_text(json.dumps(about))


def by_command(text: str, trust: list[str]) -> Said:
    """Run a command as a user would, who trusts modules."""
    flags = [word for each in trust for word in ("--trust", each)]
    return command(*text.split(), *flags)


def by_function(call: Callable, trust: list[str]) -> Said:
    """Call a function; an InputError is exit code 2."""
    try:
        with contextlib.suppress(SystemExit):
            call(trust=trust)
    except InputError as error:
        return said(2, "", str(error))
    return said(0, "", "")


class Reader(NamedTuple):
    """A command or function that reads a file, and the fields whose names it resolves."""

    write: Callable[..., None]
    call: str | Callable
    uses: tuple[str, ...]

    def read(self, trust: list[str]) -> Said:
        how = by_command if isinstance(self.call, str) else by_function
        return how(self.call, trust)


FLAGS = "--data pictures.npz --batch 8 --steps 1"
SAMPLED, SCORED, TRAINED = ("network",), ("network", "data"), FIELDS
READERS = [
    Reader(in_checkpoint, "generate run -n 2", SAMPLED),
    Reader(in_checkpoint, "morph run --frames 2 --size 16", SAMPLED),
    Reader(in_checkpoint, "export run -o gan.safetensors", SAMPLED),
    Reader(in_checkpoint, "evaluate run --scorer random -n 50", SCORED),
    Reader(in_checkpoint, "authenticity run -n 100", SCORED),
    Reader(in_checkpoint, "serve run", SAMPLED),
    Reader(in_checkpoint, "conformance --run run --engines numpy",
           ("network", "objective", "penalty")),
    Reader(in_config, "report run", ()),
    Reader(in_config, "train --run run --resume --steps 3", TRAINED),
    Reader(in_config, "train --config run/config.yaml --run other", TRAINED),
    Reader(in_config, "import g.safetensors --config run/config.yaml --run other", TRAINED),
    Reader(in_config, "describe --config run/config.yaml", SCORED),
    Reader(in_checkpoint, f"train --start-from run {FLAGS}", SAMPLED),
    Reader(in_shared, f"train --start-from shared {FLAGS}", SAMPLED),
    Reader(in_tournament, "compare -o contest", TRAINED),
    Reader(in_checkpoint, functools.partial(ganbaru.load, "run"), SAMPLED),
    Reader(in_checkpoint, functools.partial(ganbaru.save_pretrained, "run", "other"), SAMPLED),
    Reader(in_checkpoint, functools.partial(native.load_player, "run"), SAMPLED),
    Reader(in_checkpoint, functools.partial(ganbaru.evaluate, "run", scorer="random", number=50),
           SCORED),
    Reader(in_shared, functools.partial(ganbaru.from_pretrained, "shared"), SAMPLED),
    Reader(in_shared, "generate shared/model.safetensors -n 2", SAMPLED),
]  # fmt: skip


def named(reader: Reader) -> str:
    """Return a name without addresses, which differ between the processes of a test run."""
    call = reader.call if isinstance(reader.call, str) else reader.call.func.__name__
    return f"{reader.write.__name__}-{call}"


NAMED = [pytest.param(each, id=named(each)) for each in READERS]
CASES = [
    pytest.param(each, field, id=f"{named(each)}-{field}")
    for each in READERS
    for field in each.uses
]


@pytest.fixture
def quick(monkeypatch):
    """End what takes time, with success, once the names are resolved."""
    from ganbaru import conformance
    from ganbaru.metrics import evaluation, memorization
    from ganbaru.serve import server
    from ganbaru.training import loop

    def end(*given, **options):
        raise SystemExit(0)

    def first_run(todo, *rest):
        setup.build(todo[0].config)
        end()

    def cases(plan, *rest):
        for spec in plan.objectives:
            build.objective(spec, plan.trust)
        for spec, subject in plan.penalties:
            build.penalties(spec, subject.config.trust)
        end()

    monkeypatch.setattr(scheduling, "run_all", first_run)
    monkeypatch.setattr(conformance, "check", cases)
    for place, name in ((evaluation, "make_evaluator"), (memorization, "_examine"),
                        (server, "serve"), (loop, "loop")):  # fmt: skip
        monkeypatch.setattr(place, name, end)


def untouched(module: Module) -> bool:
    return not module.marker.exists() and module.package not in sys.modules


@pytest.fixture
def on_path(place, monkeypatch):
    """Put the current folder on the path, as a program's own may be; commands need no such."""
    return lambda reader: isinstance(reader.call, str) or monkeypatch.syspath_prepend(str(place))


@pytest.mark.parametrize(("reader", "field"), CASES)
def test_a_name_in_a_file_imports_nothing(place, module, quick, on_path, reader, field):
    on_path(reader)
    reader.write(place, **{field: module.value(field)})
    found = reader.read([])
    assert untouched(module) and found.code == 2
    assert len(found.err.strip().splitlines()) == 1
    assert f"--trust {module.name}" in found.err  # in Python's terms: test_python_errors
    # Nor does trust in another module, or in one whose name only begins alike.
    assert reader.read(["examples", module.name[:-1]]).code == 2 and untouched(module)


@pytest.mark.parametrize("reader", NAMED)
def test_names_that_are_not_resolved_do_not_matter(place, module, quick, reader):
    others = [field for field in FIELDS if field not in reader.uses]
    reader.write(place, **{field: module.value(field) for field in others})
    found = reader.read([])
    assert (found.code, found.err) == (0, "") and untouched(module)


@pytest.mark.parametrize("reader", NAMED)
def test_trusted_modules_are_imported(place, module, quick, on_path, reader):
    on_path(reader)
    reader.write(place, **{field: module.value(field) for field in reader.uses})
    found = reader.read(["examples", module.package])  # a package covers its modules
    assert (found.code, found.err) == (0, "")
    assert module.marker.exists() == bool(reader.uses)


@pytest.mark.parametrize("name", ENGINES[1:])
def test_native_modules_import_what_is_trusted(place, module, on_path, name):
    in_checkpoint(place, network=module.name)
    framework = importlib.import_module(f"ganbaru.native.{name}")
    call = framework.function if name == "jax" else framework.module
    reader = Reader(in_checkpoint, functools.partial(call, "run"), SAMPLED)
    on_path(reader)
    assert reader.read([]).code == 2 and untouched(module)
    assert reader.read([module.name]).code == 0 and module.marker.exists()


@pytest.mark.parametrize("name", ["", ".", "a b", "a/b.py", "a..b", "--run"])
def test_trust_in_what_is_no_module_is_refused(place, name):
    found = command("generate", "run", f"--trust={name}")
    assert found.code == 2 and repr(name) in found.err


# --- modules that are imported already --------------------------------------------------------

FILE = registry.trusting("a file")
LIBRARIES = ("builtins", "os", "posix", "shutil", "subprocess", "sys", "importlib", "runpy",
             "numpy", "pathlib", "ganbaru", "ganbaru.api", "ganbaru.cli.main", "ganbaru.nn",
             "ganbaru.gan.penalties", "ganbaru.gan.objectives", __name__)  # fmt: skip


def resolved(call: Callable, *given: object, **options: object) -> object:
    """Return what a name resolves to, None if it is refused."""
    try:
        return call(*given, **options)
    except InputError:
        return None


def test_nothing_but_objectives_and_penalties_is_taken_from_imported_modules():
    names = [f"{m}.{a}" for m in LIBRARIES if m in sys.modules for a in vars(sys.modules[m])]
    taken = {name for name in names if resolved(build.penalties, name, FILE)}
    assert {"os.remove", "builtins.eval", "ganbaru.train"}.isdisjoint(taken)
    assert "ganbaru.gan.penalties.r1" in taken
    for name in taken:
        module, _, attribute = name.rpartition(".")
        assert vars(sys.modules[module])[attribute] in PENALTIES.values()
    for name in names:
        found = resolved(build.objective, name, FILE)
        assert found is None or isinstance(found[0], Objective)


def test_no_imported_module_is_what_it_does_not_declare():
    before = set(sys.modules)
    for name in (*LIBRARIES, *sorted(before)[::5]):  # a fifth, which takes 0.2 s
        network = resolved(registry.module, "networks", name, FILE)
        assert network is None or callable(network.generator) and callable(network.discriminator)
        engine = resolved(engines.imported, name, FILE) if "." in name else None
        assert engine is None or issubclass(engine, engines.Engine)
        data = resolved(registry.module, "data", name, FILE)
        assert data is None or "DATASET" in vars(data)
    assert set(sys.modules) == before


@given(st.text("ab._-/~:=,+\0é ", max_size=12) | st.sampled_from(["a" * 300, "a." * 3000 + "a"]))
def test_any_text_is_a_name_or_refused(text):
    before = set(sys.modules)
    for trust in (FILE, registry.trusting("a file", ["c"])):
        assert resolved(build.objective, text, trust) is None
        assert not resolved(build.penalties, text, trust)
        assert resolved(registry.module, "networks", text, trust) is None
        assert resolved(data.declared, text, trust) is None
        assert resolved(engines.load, text, "cpu", trust=trust) is None
    assert {name for name in sys.modules if not name.startswith("ganbaru.")} <= before


@pytest.mark.parametrize("name", ["~no-such-user/x", "a" * 5000, "a\0b", "a/" * 3000])
def test_data_that_cannot_be_a_path_is_refused(name):
    with pytest.raises(InputError):
        data.load(name, trust=FILE)


def test_a_module_that_the_program_imported_needs_no_trust(place, module, monkeypatch):
    monkeypatch.syspath_prepend(str(place))
    own = importlib.import_module(module.name)
    in_checkpoint(place, network=module.name)
    assert ganbaru.load("run").sample(1).shape == (1, 16, 16, 1)
    own.plain = lambda inputs: 0.0  # without @ganbaru.penalty
    with pytest.raises(InputError, match=f"--trust {module.name}"):
        build.penalties(f"{module.name}.plain", FILE)
    assert build.penalties(f"{module.name}.plain", registry.trusting("a file", [module.package]))


# --- the user's own words ---------------------------------------------------------------------


def forget(module: Module) -> None:
    """Forget a module, as a new process would."""
    for name in (module.package, module.name):
        sys.modules.pop(name, None)


def train(*words: str) -> Run:
    """Train the run of a command line to its end, without what a display or a report needs."""
    return run_with(options.config("train", "", words), callbacks.Checkpoints())


def test_a_run_of_own_modules_is_resumed_bit_for_bit(place, module):
    registry.search_current_folder()
    own = [word for field in FIELDS for word in (f"--{field}", module.value(field))]
    start = ["digits", "--width", "4", "--batch", "8", "--latent", "8", *own]
    whole = train(*start, "--run", "whole", "--steps", "3")
    for folder in ("trusted", "named"):
        cut = train(*start, "--run", folder, "--steps", "1")
    _, _, *printed = shlex.split(run_summary.resuming(cut))  # what a command prints at its end
    assert run_summary.generating(cut).endswith(f" --trust {module.name}")
    resume = ["--run", "trusted", "--resume", "--steps"]
    forget(module)
    with pytest.raises(InputError, match=f"runs/trusted/config.yaml.*--trust {module.name}"):
        train(*resume, "2")
    train(*resume, "2", "--trust", module.package)
    forget(module)
    train(*resume, "3", *own)  # flags are the user's own words
    forget(module)
    train(*printed, "--steps", "3")
    for folder in ("trusted", "named"):
        assert_same_state(whole.folder.path, place / "runs" / folder)


def test_printed_commands_trust_no_more_than_they_need(place):
    plain = tiny(place, objective="hinge:margin=1e+0", penalty="r1:gamma=2+r2")
    assert run_summary.trusted(plain) == "" == run_summary.trusted(Config())
    mixed = dataclasses.replace(plain, objective="a.b.c:x=1", penalty="r1+a.b.d+e.f:gamma=1")
    assert run_summary.trusted(mixed) == " --trust a.b --trust e"


@pytest.mark.parametrize("field", FIELDS)
def test_a_flag_vouches_for_its_own_field_alone(place, module, field):
    given = ["--config", "run/config.yaml", f"--{field}", module.value(field)]
    own = options.config("train", "", given)
    assert own.trust.covers(field, module.name)
    assert not any(own.trust.covers(each, module.name) for each in FIELDS if each != field)
    assert options.config("train", "", [f"--{field}", module.value(field)]).trust is None


@given(
    st.sampled_from(["a", "a.b", "a.bc", "b.a", "a.b.c", "ab"]), st.sets(st.text("ab.", max_size=4))
)
def test_trust_covers_a_module_and_those_below_it(name, modules):
    below = {".".join(name.split(".")[:n]) for n in range(1, 4)}
    assert Trust("", frozenset(modules)).covers("network", name) == bool(below & modules)


def test_the_mark_stays_and_is_no_field():
    one = from_file({"network": "a.b", "width": 3}, "x.yaml", ["q"])
    changed = dataclasses.replace(one, width=5)
    for other in (changed, pickle.loads(pickle.dumps(changed)), copy.copy(changed)):
        assert other.trust == Trust("x.yaml", frozenset({"q"}))
    assert "origin" not in to_yaml(one) + repr(one) + json.dumps(dataclasses.asdict(one))
    assert Config().trust is None is config.from_preset("digits").trust
    with pytest.raises(InputError, match="'origin'"):
        from_file({"origin": None}, "x.yaml")


def test_no_source_takes_the_names_of_a_file_for_the_users_own():
    """Only `config` calls the class with unknown fields, and few callers say that they are own."""
    own = []
    for path in size.SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        suspect = re.search(r"Config\(|from_fields|load\(\w+\.", text)
        for node in ast.walk(ast.parse(text)) if suspect else ():
            if not isinstance(node, ast.Call):
                continue
            called, names = (
                ast.unparse(node.func).rpartition(".")[2],
                {k.arg for k in node.keywords},
            )
            first, last = (ast.unparse(node.args[i]) if node.args else "" for i in (0, -1))
            # `data.load` and `engines.load` are a user's too, so that their trust has a default.
            named = called == "load" and first.rpartition(".")[2] in FIELDS and "." in first
            if (called == "Config" and None in names or called == "from_fields" and last == "None"
                    or named and "trust" not in names):  # fmt: skip
                own.append(path.stem)
    assert sorted(own) == ["config", "config", "fixtures", "recommendation", "tournament"]


# --- the current folder -----------------------------------------------------------------------


def test_the_current_folder_is_searched_for_named_modules_alone(place, module):
    with contextlib.redirect_stdout(io.StringIO()):
        for words in ("generate run -n 1", "describe digits", "export run -o g.onnx"):
            main.main(words.split())
            assert str(place) not in sys.path
        main.main(["describe", "digits", "--network", module.name])
    assert sys.path[-1] == str(place) and module.marker.exists()


def test_files_named_like_libraries_are_not_imported_from_the_current_folder(place):
    marker = place / "imported"
    for name in ("typing", "json", "argparse", "numpy", "yaml", "rich", "torch", "onnxruntime"):
        (place / f"{name}.py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")
    done = process("describe", "digits", cwd=place)
    assert (done.code, done.err) == (0, "") and not marker.exists()
