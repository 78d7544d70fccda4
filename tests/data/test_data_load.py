"""Finding images by name, path or module, and the message when there are none."""

import subprocess
import sys

import numpy as np
import pytest
from data_helpers import cache, picture_files, random_images, write_folder  # noqa: F401

from ganbaru import data, registry
from ganbaru.errors import InputError

IMAGES = random_images()


def python(code: str, **options) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout


def test_known_sets_are_the_public_files():
    assert registry.names("data") == [
        "cat-faces", "celeba", "cifar10", "digits", "fashion-mnist", "mnist", "stacked-mnist",
    ]  # fmt: skip


def test_importing_loads_nothing_heavy():
    heavy = "{'PIL', 'pooch', 'requests', 'sklearn', 'rich', 'scipy'}"
    found = python(f"import sys, ganbaru.data; print({heavy} & set(sys.modules))")
    assert found.strip() == "set()"


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    whole = load_digits()
    train, test = data.load("digits"), data.load("digits", split="test")
    assert (len(train.images), len(test.images)) == (1497, 300)
    assert (test.images[:, :, :, 0] == np.rint(whole.images[::6] * 255 / 16)).all()
    assert test.labels.tolist() == whole.target[::6].tolist()
    assert train.images.max() == 255 and train.classes == tuple("0123456789")
    together = np.sort(np.concatenate([train.labels, test.labels]))
    assert together.tolist() == sorted(whole.target.tolist())


def test_digits_import_scikit_learn_once():
    code = "import sys; from ganbaru import data; {}; print('sklearn' in sys.modules)"
    assert python(code.format("data.load('digits')")).strip() == "True"
    resized = "data.load('digits', image_size=(16, 16), split='test')"
    assert python(code.format(resized)).strip() == "False"


def test_digits_enlarge():
    source = data.load("digits", image_size=(32, 32), channels=3)
    assert source.images.shape == (1497, 32, 32, 3)
    assert (source.original_sizes == [8, 8]).all() and len(source.original_sizes) == 1497


def test_name_comes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "digits", picture_files(IMAGES))
    assert data.load("digits").images.shape == (1497, 8, 8, 1)
    assert len(data.load("./digits").images) == 6
    assert len(data.load(tmp_path / "digits").images) == 6


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "set", picture_files(IMAGES))
    assert len(data.load("~/set").images) == 6


def test_same_path_with_other_images_is_another_source(tmp_path):
    first = data.load(write_folder(tmp_path / "set", picture_files(IMAGES)))
    other = data.load(write_folder(tmp_path / "two", picture_files(IMAGES[::-1])))
    again = data.load(write_folder(tmp_path / "three", picture_files(IMAGES)))
    assert first.fingerprint != other.fingerprint
    assert first.fingerprint == again.fingerprint and len(first.fingerprint) == 64


def test_fingerprint_depends_on_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES)
    np.savez(tmp_path / "b.npz", images=IMAGES, labels=np.arange(6))
    np.savez(tmp_path / "c.npz", images=IMAGES, labels=np.arange(6)[::-1])
    assert len({data.load(tmp_path / f"{name}.npz").fingerprint for name in "abc"}) == 3


MODULE = """
import numpy as np
from ganbaru import data

def original(split, data_dir, progress):
    images = np.full((4, 6, 6, 1), {"train": 7, "test": 9}[split], np.uint8)
    return data.of_arrays("mine", images, labels=np.array([0, 1, 0, 1]), classes=("a", "b"))
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    package = tmp_path / "ownpackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "shapes.py").write_text(MODULE)
    (package / "bare.py").write_text("")
    (package / "wrong.py").write_text("def original(split, data_dir, progress):\n    return 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_module_of_ones_own(modules):
    source = data.load("ownpackage.shapes", image_size=(3, 3), channels=3)
    assert source.images.shape == (4, 3, 3, 3) and (source.images == 7).all()
    assert source.name == "mine" and source.classes == ("a", "b")
    assert (data.load("ownpackage.shapes", split="test").images == 9).all()
    assert not source.images.flags.writeable


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ownpackage.shades", "Cannot import 'ownpackage.shades'"),
        ("ownpackage.bare", "'ownpackage.bare' declares no data set. Declare DATASET = "),
        (
            "ownpackage.wrong",
            r"'original' of the data set ownpackage.wrong returned int. .*of_arrays",
        ),
    ],
)
def test_module_that_does_not_fit(modules, name, message):
    with pytest.raises(InputError, match=message):
        data.load(name)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("mnits", r"Unknown data 'mnits'. Did you mean 'mnist'.* Known: .*cifar10, digits, fash"),
        (
            "mnits",
            r"no file or folder of this name either: .*mnits. Give a known name, or the path",
        ),
        ("cts.zip", r"In \. there is 'cats.zip'"),
        ("deep/nowhere/x", "Unknown data 'deep/nowhere/x'.* no file or folder"),
        ("", "Unknown data ''"),
        ("__main__.x", "(Unknown data|Cannot import) '__main__.x'"),
    ],
)
def test_nothing_of_that_name(tmp_path, monkeypatch, what, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats.zip").write_bytes(b"")
    with pytest.raises(InputError, match=message):
        data.load(what)


def test_unknown_split():
    with pytest.raises(InputError, match="Unknown split 'tset'. Did you mean 'test'"):
        data.load("digits", split="tset")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x is empty. Copy or download it again"),
        (
            b"hello world, this is text",
            r"x is in no known format .*begins with 68 65 6c 6c .*expected a",
        ),
        (b"\x1f\x8bgarbage", "x is in no known format .* Unpack it and give the folder"),
    ],
)
def test_file_of_no_known_format(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=message):
        data.load(tmp_path / "x")


def test_progress_bar_is_silent_without_a_terminal(capsys):
    with data.progress_bar() as progress:
        source = data.load("digits", progress=progress)
    assert len(source.images) == 1497
    assert capsys.readouterr() == ("", "")


def test_progress_bar_shows_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with data.progress_bar() as progress:
        progress(0, 4, "decoding cats")
        progress(2, 4, "decoding cats")
    assert "decoding cats" in capsys.readouterr().err
