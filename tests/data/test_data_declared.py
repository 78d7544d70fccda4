"""Declared data sets: the recipe of CONTRIBUTING.md in every command, and faulty declarations."""

import re
import sys

import numpy as np
import pytest
from data_helpers import cache, random_images  # noqa: F401
from train_helpers import ROOT, command

from ganbaru import InputError, data
from ganbaru.data import sets

NAMES = ["kmnist", "ownsets.kmnist"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write the recipe's code, as a file of `ganbaru.data.sets` and as a user's, and its data."""
    root = tmp_path_factory.mktemp("recipe")
    code = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)[1]
    for package in ("sets", "ownsets"):
        (root / package).mkdir()
        (root / package / "kmnist.py").write_text(code)
    for seed, (split, count) in enumerate((("train", 120), ("test", 60))):
        images = random_images(count, 28, 28, 1, seed)[..., 0]
        np.savez(root / f"kmnist-{split}-imgs.npz", images)
        np.savez(root / f"kmnist-{split}-labels.npz", np.arange(count, dtype=np.uint8) % 10)
    return root


@pytest.fixture
def recipe(folder, monkeypatch):
    monkeypatch.setattr(sets, "__path__", [*sets.__path__, str(folder / "sets")])
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("GANBARU_DATA", str(folder))
    yield folder
    for name in ("ganbaru.data.sets.kmnist", "ownsets.kmnist", "ownsets"):
        sys.modules.pop(name, None)


def tiny(name: str) -> list[str]:
    return ["train", "digits", "--data", name, "--image-size", "16", "--width", "4", "--batch", "8",
            "--latent", "8", "--steps", "4", "--engine", "numpy", "--run", "run"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_works_in_every_command(recipe, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    described = command("describe", "mnist", "--data", name, "--width", "4")
    assert described.code == 0 and "1x28x28" in described.out
    looked = command("data", name, "-o", "sheet.png")
    assert looked.code == 0 and "kmnist: 120 images, 28 high x 28 wide, grey" in looked.out
    assert "10 classes: o 12, ki 12," in looked.out
    assert command(*tiny(name)).code == 0
    scored = command("evaluate", "run", "--scorer", "random", "-n", "50", "--json")
    assert scored.code == 0, scored.err
    assert command("report", "run").code == 0
    assert ("CC BY-SA 4.0" in (tmp_path / "runs" / "run" / "report.html").read_text()) == (
        name == "kmnist"
    )


def test_the_recipe_is_listed(recipe):
    for arguments in (["train", "--help"], ["data"]):
        said = command(*arguments)
        assert said.code == 0 and "kmnist, mnist" in " ".join(said.out.split())


def test_describe_loads_no_image_of_a_declared_set(recipe, monkeypatch):
    monkeypatch.delenv("GANBARU_DATA")
    assert command("describe", "digits", "--data", "kmnist").code == 0


MODULES = {
    "unknown_shape": "DATASET = Dataset('mine', original)",
    "function_only": "",
    "wrong_type": "DATASET = 3",
    "wrong_shape": "DATASET = Dataset('mine', original, shape=(28, 28))",
    "no_function": "DATASET = Dataset('mine', 'original')",
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    for name, declaration in MODULES.items():
        (tmp_path / f"{name}.py").write_text(
            "import numpy as np\n"
            "from ganbaru.data import Dataset, of_arrays\n"
            "def original(split, data_dir, progress):\n"
            "    images = np.arange(6 * 256, dtype=np.int64).astype(np.uint8)\n"
            "    return of_arrays('mine', images.reshape(6, 16, 16), np.arange(6) % 3)\n"
            f"{declaration}\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["unknown_shape", "function_only"])
def test_describe_loads_a_set_of_unknown_shape(modules, name):
    said = command("describe", "mnist", "--data", name, "--width", "4")
    assert said.code == 0 and "1x16x16" in said.out
    assert data.declared(name, None).classes is None


@pytest.mark.parametrize(
    ("name", "found"),
    [("wrong_type", "Dataset"), ("wrong_shape", r"\(28, 28\)"), ("no_function", "'original'")],
)
def test_faulty_declarations(modules, name, found):
    with pytest.raises(InputError, match=found):
        data.load(name)
    assert command("describe", "digits", "--data", name).code == 2


def test_other_names_declare_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json").mkdir()  # a path comes before a module of the same name
    assert [data.declared(name, None) for name in ("", "json", "no.such.module", "a/b.zip")] == [
        None
    ] * 4
