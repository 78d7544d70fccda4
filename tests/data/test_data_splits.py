"""Training, validation and test images by the names of folders."""

import dataclasses

import numpy as np
import pytest
from arrangement_helpers import WRITERS, arranged, kinds, several, sizes, used
from data_helpers import (
    cache,  # noqa: F401
    picture_files,
    random_images,
    write_folder,
    write_tar,
)
from train_helpers import trained

from ganbaru import data
from ganbaru.cli import main
from ganbaru.data.source import SplitError
from ganbaru.errors import InputError
from ganbaru.sampling import generators

pytestmark = pytest.mark.usefixtures("any_number")

IMAGES = random_images(24)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize(
    ("train", "test", "val"),
    [
        ("train", "test", "val"),
        ("training", "testing", "validation"),
        ("set/Train", "set/TEST", "set/Valid"),
        ("a/b/TRAINING", "a/b/Test", "a/b/dev"),
        ("train_images", "TestSet", "val2017"),
    ],
)
def test_splits_in_every_form(tmp_path, form, train, test, val):
    files = picture_files(IMAGES[:12], (f"{train}/a", f"{train}/b"))
    files |= picture_files(IMAGES[12:18], (f"{test}/a", f"{test}/b"))
    files |= picture_files(IMAGES[18:21], (f"{val}/a", f"{val}/b", f"{val}/b"))
    files |= {"readme": b"x", "docs/a.txt": b"x", ".git/x.png": b""}
    place = WRITERS[form](tmp_path / "x", files)
    found = {split: data.load(place, split=split) for split in ("auto", "test", "val", "none")}
    counts = {split: len(source.images) for split, source in found.items()}
    assert counts == {"auto": 12, "test": 6, "val": 3, "none": 21}
    assert sizes(found["auto"]) == {"a": 6, "b": 6} and sizes(found["test"]) == {"a": 3, "b": 3}
    assert train in found["auto"].split and not found["auto"].warnings
    assert kinds(found["auto"]) == {"hidden": 1, "unknown suffix": 2}


def test_validation_stands_in_for_a_test_split_and_is_never_trained_on():
    names = several("train", "val")
    assert used(names) == several("train") and used(names, "test") == several("val")
    assert "val for testing" in arranged(names).choice.split
    with pytest.raises(SplitError):
        used(several("train"), "test")


AMBIGUOUS = [
    several("train", "car", "bus"),
    several("set/train", "set/car"),
    several("test", "cat", "dog"),
    several("val", "test"),
    several("trainA", "trainB", "testA", "testB"),
    [*several("train"), *several("a", count=4), *several("test")],
    several("things/train", "things/car", "animals/cat"),
]


@pytest.mark.parametrize("names", AMBIGUOUS)
def test_ambiguous_folders_need_a_choice(names):
    with pytest.raises(InputError, match="--split") as found:
        used(names)
    assert not isinstance(found.value, SplitError)
    assert used(names, "none") == sorted(names)
    folder = names[0].split("/")[-2]
    if folder in ("train", "trainA"):
        assert used(names, folder) == [name for name in names if f"{folder}/" in name]


@pytest.mark.parametrize(
    ("names", "expected", "warned"),
    [
        (several("seg_train", "seg_test"), several("seg_train"), True),
        (
            several("cat/train", "cat/test", "dog/train", "dog/test"),
            several("cat/train", "dog/train"),
            False,
        ),
        ([*several("train", "test"), *several("extra", count=2)], several("train"), True),
        (several("test"), several("test"), True),
        (several("train/train", "train/test"), several("train/train"), False),
        (
            several("train/car", "train/train", "test/train"),
            several("train/car", "train/train"),
            False,
        ),
        (several("test tube", "test strip"), several("test strip", "test tube"), False),
        (several("training shoes", "sandals"), several("sandals", "training shoes"), False),
    ],
)
def test_guesses_are_said(names, expected, warned):
    assert used(names) == sorted(expected)
    assert [each.code for each in arranged(names).choice.warnings] == ["split"] * warned


def test_a_test_folder_of_one_class_keeps_its_label(tmp_path):
    files = picture_files(IMAGES[:6], ("train/cat", "train/dog"))
    root = write_folder(tmp_path / "x", files | picture_files(IMAGES[6:9], ("test/dog",)))
    assert sizes(data.load(root, split="test")) == {"dog": 3}


def test_shards_named_by_split(tmp_path):
    write_folder(tmp_path / "x", {"a.md": b""})
    for name, part in (("in-train-00", IMAGES[:8]), ("in-train-01", IMAGES[8:16])):
        write_tar(tmp_path / "x" / f"{name}.tar", picture_files(part, ("a", "b")))
    write_tar(tmp_path / "x" / "in-val-00.tar", picture_files(IMAGES[16:], ("a", "b")))
    assert sizes(data.load(tmp_path / "x")) == {"a": 8, "b": 8}
    assert sizes(data.load(tmp_path / "x", split="test")) == {"a": 4, "b": 4}


@pytest.mark.parametrize("classes", [("0", "1", "10", "2"), ("0", "1", "2", "3", "10")])
def test_labels_can_be_numbered_as_before(classes):
    """As of folders sorted as text, or with labels that no image has."""
    found = data.in_memory("x", IMAGES[:8])
    now = dataclasses.replace(
        found, labels=np.arange(8) % 4, classes=("0", "1", "2", "10"), fingerprint="f"
    )
    before = data.in_order(now, classes)
    assert before.classes == classes and before.fingerprint != now.fingerprint
    assert [before.classes[k] for k in before.labels] == [now.classes[k] for k in now.labels]
    assert data.in_order(before, before.classes) is before
    assert data.in_order(now, ("0", "1", "2")) is now  # a class that the run does not know


def test_the_choice_of_a_split_is_a_field_of_a_run(tmp_path, capsys):
    noise = random_images(24, 16, 16, 1)
    files = picture_files(noise, ("train", "car", "bus"))
    root = write_folder(tmp_path / "x", files)
    assert main.main(["train", "digits", "--data", str(root), "--steps", "1"]) == 2
    assert "--split" in capsys.readouterr().err
    run = trained(tmp_path, data=root, split="none", steps=1)
    assert generators.load(run).classes == ("bus", "car", "train")
    assert "split: none" in (run / "config.yaml").read_text()
    assert main.main(["data", str(root), "--split", "train", "-o", str(tmp_path / "a.png")]) == 0
    assert "8 images" in capsys.readouterr().out
