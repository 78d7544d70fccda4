"""Which engines there are: versions, what is missing, too old or broken, and what "auto" takes."""

from __future__ import annotations

import ctypes
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from train_helpers import command, pictures, process, trained

from ganbaru import Config, config, engines
from ganbaru.cli import options
from ganbaru.engines import LIBRARIES, gpu_driver, requirements
from ganbaru.errors import InputError
from ganbaru.training import setup

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [name for name in LIBRARIES if name != "numpy"]


@pytest.fixture
def lonely(monkeypatch):
    """Let no engine's library be installed but NumPy, and forget what was imported."""
    for name, library in LIBRARIES.items():
        if name != "numpy":
            monkeypatch.delitem(sys.modules, f"ganbaru.engines.{name}", raising=False)
            for loaded in [m for m in sys.modules if m.partition(".")[0] == library.module]:
                monkeypatch.delitem(sys.modules, loaded)
    gone = {library.module for name, library in LIBRARIES.items() if name != "numpy"}
    find = requirements.importlib.util.find_spec
    monkeypatch.setattr(
        requirements.importlib.util, "find_spec",
        lambda name, *rest: None if name in gone else find(name, *rest),
    )  # fmt: skip
    known = requirements.importlib.metadata.version

    def version(name: str) -> str:
        if any(name in LIBRARIES[other].distributions for other in OTHERS):
            raise requirements.importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(requirements.importlib.metadata, "version", version)
    engines.load.cache_clear()
    yield monkeypatch
    engines.load.cache_clear()


@pytest.fixture
def fake(lonely, tmp_path):
    """Return a function that installs a library: its source, and its version by metadata."""

    folder = tmp_path / "site"

    def install(name: str, source: str = "", version: str | None = None) -> None:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(source)
        if version:
            about = folder / f"{name}-{version}.dist-info"
            about.mkdir()
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", ""]
            (about / "METADATA").write_text("\n".join(lines))
        lonely.undo()  # what is really there comes after what is put before it
        for home in (name, f"ganbaru.engines.{name}"):
            lonely.delitem(sys.modules, home, raising=False)
        lonely.syspath_prepend(str(folder))
        engines.load.cache_clear()

    yield install
    for name in (path.name for path in folder.iterdir()):
        sys.modules.pop(name, None)
        sys.modules.pop(f"ganbaru.engines.{name}", None)


# --- missing, too old, broken -----------------------------------------------------------------


@pytest.mark.parametrize("name", OTHERS)
def test_one_that_is_missing_is_told_with_its_extra(lonely, name):
    said = command("train", "digits", "--engine", name)
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1
    module = LIBRARIES[name].module
    assert f"The {name} engine needs {module}, which is not installed." in said.err
    assert "--engine numpy" in said.err and said.err.endswith(f"pip install 'ganbaru[{name}]'\n")
    assert engines.available() == ["numpy"]


@pytest.mark.parametrize("name", OTHERS)
def test_one_that_is_too_old_is_not_even_imported(fake, name):
    fake(LIBRARIES[name].module, "raise SystemError('imported')", "0.1.9")
    least = LIBRARIES[name].least
    message = f"needs {LIBRARIES[name].module} {least} or newer, and 0.1.9 is installed. Update it"
    with pytest.raises(InputError, match=re.escape(message)):
        engines.load(name)


def test_a_version_without_metadata_is_told_by_the_module(fake):
    """As conda and builds from source leave it."""
    source = "__version__ = '1.9'\nndarray = None"
    fake("cupy", source)
    with pytest.raises(InputError, match="needs cupy 13.0 or newer, and 1.9 is installed"):
        engines.load("cupy")


@pytest.mark.parametrize(
    "source,words",
    [
        ("raise OSError('libcudart.so.12: cannot open shared object file.\\nmore')",
         "OSError: libcudart.so.12: cannot open shared object file. Uninstall it"),
        ("import a_part_that_is_absent", "ModuleNotFoundError: No module named"),
        ("1 +", "SyntaxError"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["cupy", "torch"])
def test_one_that_is_broken_is_told_in_its_own_first_words(fake, name, source, words):
    fake(name, source, "99.0")
    said = command("generate", "x", "--engine", name)
    assert said.code == 2  # of the run that is not there, before anything slow is imported
    with pytest.raises(InputError, match=f"The {name} engine cannot be used.*{words}") as caught:
        engines.load(name)
    assert "\n" not in str(caught.value) and "pip install" in str(caught.value)


def test_a_folder_of_its_name_is_no_library(lonely, tmp_path):
    lonely.undo()
    (tmp_path / "cupy").mkdir()
    lonely.syspath_prepend(str(tmp_path))
    lonely.delitem(sys.modules, "cupy", raising=False)
    if requirements.version(LIBRARIES["cupy"]):
        pytest.skip("CuPy is installed")
    assert not requirements.installed(LIBRARIES["cupy"])


@pytest.mark.parametrize(
    "text,numbers",
    [("2.13.0+cpu", (2, 13, 0)), ("2.4", (2, 4)), ("0.4.34.dev20240901", (0, 4, 34))],
)
def test_versions_are_read_by_their_first_numbers(text, numbers):
    assert requirements._numbers(text) == numbers


def test_ranges_of_the_package_are_those_of_the_engines():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for library in LIBRARIES.values():
        found = re.findall(rf'"(?:{"|".join(library.distributions)})>=([\d.]+)', text)
        assert found, library
        assert {requirements._numbers(f"{one}.0")[:2] for one in found} == {
            requirements._numbers(library.least)[:2]
        }


# --- the fastest ------------------------------------------------------------------------------


def pretend(monkeypatch, count: int, *on_gpu: str) -> None:
    """Let the driver lend GPUs, and only some engines compute on them."""
    monkeypatch.setattr(gpu_driver, "count", lambda: count)
    real = engines.imported("numpy")

    def imported(name: str, trust=None):
        if name == "numpy":
            return real
        if name not in (*on_gpu, "jax"):
            raise InputError("not installed")

        def check_device(device: str) -> None:
            if device == "mps" or (device.startswith("cuda") and name not in on_gpu):
                raise ValueError("only cpu")

        return SimpleNamespace(check_device=check_device)  # of an engine's class

    monkeypatch.setattr(engines, "imported", imported)


@pytest.mark.parametrize(
    "count,on_gpu,device,expected",
    [
        (0, ("torch",), "auto", "numpy"),  # nobody looks for a GPU that the driver does not lend
        (1, ("torch", "cupy"), "auto", "torch"),
        (2, ("cupy", "tensorflow"), "cuda:1", "tensorflow"),
        (1, ("cupy",), "auto", "cupy"),
        (1, (), "auto", "numpy"),
        (1, ("torch",), "cpu", "numpy"),
        (0, ("jax",), "cuda", "jax"),  # as on AMD's GPUs, of which NVIDIA's driver knows nothing
    ],
)
def test_auto_takes_the_first_that_computes_there(monkeypatch, count, on_gpu, device, expected):
    pretend(monkeypatch, count, *on_gpu)
    rule = engines.choose(device)
    assert rule.engine == expected
    assert rule in (rule for rules in engines.RULES.values() for rule in rules)


@pytest.mark.parametrize("device", ["cuda", "cuda:3", "mps"])
def test_auto_without_an_engine_for_the_device(monkeypatch, device):
    pretend(monkeypatch, 0)
    said = command("train", "digits", "--device", device)
    assert said.code == 2 and f"computes on device '{device}'" in said.err
    assert "--device cpu" in said.err and "ganbaru engines" in said.err


def test_auto_is_what_a_run_begins_with_and_the_name_is_what_it_keeps(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_driver, "count", lambda: 0)
    assert Config().engine == "auto" == config.from_preset("mnist").engine
    run = trained(tmp_path, engine="auto", steps=1)
    assert config.load_yaml(run / "config.yaml")["engine"] == "numpy"
    pretend(monkeypatch, 1, "torch")  # a GPU comes into the machine: the run stays what it was
    fields = options.config("train", "", ["--run", str(run), "--resume", "--steps", "2"])
    assert setup.build(fields).engine.name == "numpy"


def test_every_rule_names_an_engine():
    assert {rule.engine for rules in engines.RULES.values() for rule in rules} <= set(LIBRARIES)
    assert engines.RULES["cpu"][0].engine == "numpy"  # which is always there


@pytest.mark.parametrize("error,count,expected", [(0, 3, 3), (0, 0, 0), (100, 1, 0)])
def test_gpus_are_counted_by_the_driver(error, count, expected):
    def fill(pointer) -> int:
        pointer._obj.value = count
        return 0

    driver = SimpleNamespace(cuInit=lambda flags: error, cuDeviceGetCount=fill)
    assert gpu_driver._count(driver) == expected


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert gpu_driver.count.__wrapped__() == 0


# --- the command ------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.extended)])
def test_the_command_lists_all_engines_and_nothing_else(tmp_path, alone):
    """In a process of its own (7 s of imports) frameworks print what they print when imported."""
    said = process("engines", cwd=tmp_path) if alone else command("engines")
    assert said.code == 0 and said.err == "", said
    for name in LIBRARIES:
        assert re.search(rf"^{name} ", said.out, re.MULTILINE)
    assert "--engine auto takes " in said.out and "on a CPU (numpy here):" in said.out


def test_the_command_as_json(lonely):
    said = command("engines", "--json")
    told = json.loads(said.out)
    found = {one["engine"]: one for one in told["engines"]}
    assert found.keys() == LIBRARIES.keys()
    assert found["numpy"]["devices"] == ["cpu"] and found["numpy"]["takes"] == "cpu"
    assert found["numpy"]["version"] == __import__("numpy").__version__
    assert found["jax"]["version"] is None and "not installed" in found["jax"]["problem"]
    assert told["auto"]["cpu"]["engine"] == told["auto"]["auto"]["engine"] == "numpy"
    assert told["auto"]["cuda"] is None
    assert [rule["engine"] for rule in told["rules"]["cuda"]][0] == "torch"


def test_the_table_tells_what_is_wrong(fake):
    fake("cupy", "", "1.0")
    said = command("engines")
    row = next(line for line in said.out.splitlines() if line.startswith("cupy"))
    assert "1.0" in row and "pip install 'ganbaru[cupy]'" in row
    assert "needs cupy 13.0 or newer, and 1.0" in " ".join(said.out.split())


def test_a_word_too_many(tmp_path):
    pictures(tmp_path / "good.npz")
    said = command("engines", "torch")
    assert said.code == 2 and "'torch'" in said.err
