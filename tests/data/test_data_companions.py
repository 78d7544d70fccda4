"""Several pictures of one sample, and what is said of files that are left out."""

import zipfile

import pytest
from arrangement_helpers import WRITERS, arranged, kinds, several, used
from data_helpers import (
    cache,  # noqa: F401
    picture_files,
    png,
    random_images,
    write_tar,
    write_zip,
)

from ganbaru import data
from ganbaru.data import picture_file
from ganbaru.data.formats.arrangement import counted
from ganbaru.data.source import LeftOut
from ganbaru.errors import InputError

pytestmark = pytest.mark.usefixtures("any_number")

IMAGES = random_images(24)


# --- several pictures of one sample ------------------------------------------------------------

MASKED = {
    "folder beside": ("images/{}.jpg", "masks/{}.png"),
    "folder in a class": ("c/images/{}.jpg", "c/masks/{}.png"),
    "classes in folders": ("images/c/{}.jpg", "labels/c/{}.png"),
    "folder within": ("c/{}.png", "c/mask/{}.png"),
    "VOC": ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
    "of a split": ("train/{}.jpg", "train_masks/{}.gif"),
    "dot": ("{}.jpg", "{}.mask.png"),
    "both named": ("{}.image.png", "{}.mask.png"),
    "underscore": ("{}.jpg", "{}_mask.png"),
    "segmentation": ("ISIC_{}.jpg", "ISIC_{}_segmentation.png"),
    "number": ("benign ({}).png", "benign ({})_mask_1.png"),
    "prefix": ("image_{}.png", "mask_{}.png"),
    "dash": ("a/{}.png", "a/{}-seg.png"),
    "pairs": ("{}.input.png", "{}.target.png"),
    "thumbnail": ("{}.png", "{}_thumb.png"),
    "suffix": ("{}.jpg", "{}.png"),
}


@pytest.mark.parametrize("kind", MASKED)
@pytest.mark.parametrize("samples", [False, True])
def test_the_image_is_taken_and_its_companions_are_left_out(kind, samples):
    images, masks = ([form.format(f"{i:03}") for i in range(5)] for form in MASKED[kind])
    # A mask whose image is missing is no image.
    names = [*images[:-1], *masks] if kind != "suffix" else [*images, *masks]
    found = arranged(names, samples=samples)
    assert sorted(found.pictures) == sorted(set(names) & set(images))
    expected = "second picture" if kind in ("thumbnail", "suffix") else "mask"
    assert counted(found.others.values())[0].kind == expected and len(found.others) == 5


@pytest.mark.parametrize(
    "names",
    [
        several("mask", "no mask"),
        several("with_mask", "without_mask"),
        several("train/masks", "train/hats"),
        ["gas_mask.png", "face_mask.png", "hat.png"],
        ["depth1.png", "depth2.png"],
        several("images", "photos"),
        [f"cat.{i}.jpg" for i in range(9)] + [f"dog.{i}.jpg" for i in range(9)],
        ["a.jpg", "a.png", "b.png", "c.png", "d.png"],
    ],
)
@pytest.mark.parametrize("samples", [False, True])
def test_pictures_that_only_have_such_names_stay(names, samples):
    assert used(names, samples=samples) == sorted(names)


def test_samples_whose_image_is_not_certain_are_refused(tmp_path):
    files = {f"{i}.{field}.png": png(IMAGES[i]) for i in range(4) for field in ("left", "right")}
    with pytest.raises(InputError, match=r"\.left, \.right"):
        data.load(write_tar(tmp_path / "a.tar", files))
    assert len(data.load(write_zip(tmp_path / "a.zip", files)).images) == 8


def test_masks_of_webdataset_keep_the_labels_of_their_samples(tmp_path):
    files = {
        f"{i:05}.{field}.png": png(IMAGES[i + k])
        for i in range(12)
        for k, field in ((0, "image"), (12, "mask"))
    }
    files |= {f"{i:05}.cls": str(i % 3).encode() for i in range(12)}
    source = data.load(write_tar(tmp_path / "a.tar", files))
    assert (source.images == IMAGES[:12]).all() and source.labels.tolist() == [0, 1, 2] * 4
    assert kinds(source) == {"mask": 12} and not source.warnings


# --- what is left out --------------------------------------------------------------------------


@pytest.mark.parametrize("form", WRITERS)
def test_files_that_are_no_pictures_are_counted_by_kind(tmp_path, form, monkeypatch):
    monkeypatch.setattr(picture_file, "decodes_heic", lambda: False)
    files = picture_files(IMAGES[:4])
    files |= dict.fromkeys(("a.heic", "b.HEIF", "c.psd", "d.svg", "e.CR2"), b"x")
    files |= dict.fromkeys((".DS_Store", "__MACOSX/._0.png", "Thumbs.db", ".x/a.png"), b"x")
    files |= dict.fromkeys(("noending", "f.mp4", "g.txt"), b"x")
    source = data.load(WRITERS[form](tmp_path / "x", files))
    assert len(source.images) == 4
    assert kinds(source) == {"no decoder": 5, "hidden": 4, "unknown suffix": 3}
    assert all(isinstance(each, LeftOut) and each.reason for each in source.left_out)


def test_many_suffixes_are_counted_together():
    reasons = [("unknown suffix", f".x{i}") for i in range(1000)]
    found = counted(reasons)
    assert len(found) <= 21 and sum(each.count for each in found) == 1000


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_repeated_names_in_an_archive_are_counted(tmp_path):
    file = write_zip(tmp_path / "a.zip", picture_files(IMAGES[:4]))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("0.png", png(IMAGES[9]))
    source = data.load(file)
    assert len(source.images) == 4 and kinds(source) == {"repeated name": 1}
