"""Training, validation and test images by the names of folders."""

import pytest
from arrangement_helpers import WRITERS, arranged, kinds, several, sizes, used
from data_helpers import (
    cache,  # noqa: F401
    picture_files,
    random_images,
    write_folder,
    write_tar,
)

from ganbaru import data
from ganbaru.cli import main
from ganbaru.data.source import SplitError
from ganbaru.errors import InputError

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


def test_the_choice_of_a_split_is_a_field_of_a_run(tmp_path, monkeypatch, capsys):
    files = picture_files(IMAGES, ("train", "car", "bus"))
    root = write_folder(tmp_path / "x", files)
    monkeypatch.chdir(tmp_path)
    run = ["train", "dcgan", "--data", str(root), "--width", "2", "--batch", "4", "--steps", "1"]
    run += ["--conditioning", "projection", "--run", "a", "--engine", "numpy"]
    assert main.main(run) == 2 and "--split" in capsys.readouterr().err
    assert main.main([*run, "--split", "none"]) == 0
    assert "split: none" in (tmp_path / "runs" / "a" / "config.yaml").read_text()
