"""Folders of pictures: order, labels, sizes, and what becomes of the unreadable ones."""

import os

import numpy as np
import pytest
from data_helpers import (
    cache,  # noqa: F401
    picture_files,
    png,
    random_images,
    write_folder,
    write_tar,
    write_zip,
)

from ganbaru import data
from ganbaru.errors import InputError

pytestmark = pytest.mark.usefixtures("any_number")

IMAGES = random_images()


def test_folder_comes_back_pixel_by_pixel_in_order_of_names(tmp_path):
    root = write_folder(tmp_path / "set", picture_files(IMAGES))
    source = data.load(str(root))
    assert (source.images == IMAGES).all() and source.images.dtype == np.uint8
    assert (source.name, source.labels, source.classes, source.notes) == ("set", None, (), ())


def test_folder_zip_and_tar_hold_the_same(tmp_path):
    files = picture_files(IMAGES, ("dog", "cat"))
    sources = [
        data.load(write_folder(tmp_path / "set", files)),
        data.load(write_zip(tmp_path / "set.zip", files)),
        data.load(write_tar(tmp_path / "set.tar", files)),
    ]
    # The names in an archive are sorted, in a tar they stay in order, so compare as sets.
    order = [np.argsort(source.images.reshape(6, -1)[:, 0]) for source in sources]
    for source, chosen in zip(sources, order, strict=True):
        assert source.classes == ("cat", "dog")
        assert (source.images[chosen] == sources[0].images[order[0]]).all()
        assert source.labels[chosen].tolist() == sources[0].labels[order[0]].tolist()
    assert sources[0].fingerprint == sources[1].fingerprint


def test_sub_folders_become_classes(tmp_path):
    root = write_folder(tmp_path / "set", picture_files(IMAGES, ("dog/a", "cat", "dog/b")))
    source = data.load(root)
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert (source.images == IMAGES[[1, 4, 0, 3, 2, 5]]).all()


def test_one_folder_around_everything_is_no_class(tmp_path):
    inside = write_zip(tmp_path / "a.zip", picture_files(IMAGES, ("cats",)))
    assert data.load(inside).classes == ()
    deeper = write_zip(tmp_path / "b.zip", picture_files(IMAGES, ("set/cat", "set/dog")))
    assert data.load(deeper).classes == ("cat", "dog")


def test_pictures_beside_sub_folders_mean_no_classes(tmp_path):
    files = picture_files(IMAGES, ("cat", "dog")) | {"extra.png": png(IMAGES[0])}
    source = data.load(write_folder(tmp_path / "set", files))
    assert source.labels is None and len(source.images) == 7
    assert [found.code for found in source.warnings] == ["labels"]
    assert "1 of 7 pictures" in source.warnings[0].message


def test_train_and_test_folders_are_splits(tmp_path):
    files = picture_files(IMAGES[:4], ("train/cat", "train/dog"))
    root = write_folder(tmp_path / "set", files | {"test/cat/9.png": png(IMAGES[5])})
    write_folder(root, {"test/dog/9.png": png(IMAGES[4])})
    assert len(data.load(root).images) == 4
    assert (data.load(root, split="test").images == IMAGES[[5, 4]]).all()


def test_undivided_folder_has_no_test_split(tmp_path):
    root = write_folder(tmp_path / "set", picture_files(IMAGES))
    with pytest.raises(InputError, match="not divided .* 'test' split.*'train' and 'test'"):
        data.load(root, split="test")


def test_broken_files_are_named_and_left_out(tmp_path):
    files = picture_files(IMAGES)
    files |= {"a.png": b"hello", "b.jpg": b"", "c.png": png(IMAGES[0])[:60]}
    source = data.load(write_folder(tmp_path / "set", files))
    assert (source.images == IMAGES).all()
    assert len(source.broken) == 3
    note = source.notes[0]
    assert note.startswith(
        "3 of 9 files could not be read and were left out: a.png (not a picture)"
    )
    assert "b.jpg (the file is empty)" in note and "c.png (" in note


def test_only_the_first_broken_files_are_named(tmp_path):
    files = picture_files(IMAGES) | {f"x{i}.png": b"text" for i in range(8)}
    source = data.load(write_folder(tmp_path / "set", files))
    assert source.notes[0].endswith("x4.png (not a picture) and 3 more.")
    assert len(source.broken) == 8


def test_labels_stay_with_their_pictures_when_some_are_broken(tmp_path):
    files = picture_files(IMAGES, ("cat", "dog")) | {"cat/0.png": b"?", "ant/1.png": b"?"}
    source = data.load(write_folder(tmp_path / "set", files))
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [0, 0, 1, 1, 1]
    assert source.notes[1] == "Classes without a readable picture: ant."


def test_all_broken_is_an_error_with_names(tmp_path):
    root = write_folder(tmp_path / "set", {"a.png": b"text", "b.png": b"text"})
    with pytest.raises(InputError, match=r"None of the 2 .* a\.png \(not a picture\), b\.png"):
        data.load(root)


def test_empty_folder_is_an_error(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="none is empty. Put pictures .*png"):
        data.load(tmp_path / "none")


def test_folder_without_pictures_is_an_error(tmp_path):
    root = write_folder(tmp_path / "set", {"notes.txt": b"hello", "z.csv": b"1"})
    with pytest.raises(InputError, match=r"2 files, such as notes\.txt, but no pictures.*\.jpg"):
        data.load(root)


def test_single_picture_is_too_few(tmp_path):
    root = write_folder(tmp_path / "set", {"a.png": png(IMAGES[0]), "b.png": b"text"})
    with pytest.raises(InputError, match=r"a single readable picture; .* at least 2; .* b\.png"):
        data.load(root)
    with pytest.raises(
        InputError, match=r"a\.png is a single image; .* at least 2. Give the folder"
    ):
        data.load(root / "a.png")


def test_other_files_are_ignored(tmp_path):
    files = picture_files(IMAGES) | {
        ".DS_Store": b"x",
        "Thumbs.db": b"x",
        "readme.txt": b"x",
        ".hidden.png": b"x",
        ".cache/9.png": b"x",
        "__MACOSX/._0.png": b"x",
    }
    for place in (write_folder(tmp_path / "set", files), write_zip(tmp_path / "a.zip", files)):
        source = data.load(place)
        assert len(source.images) == 6 and source.notes == () and source.classes == ()


def test_mixed_sizes_ask_for_a_size(tmp_path):
    files = {"a.png": png(random_images(1, 8, 6)[0]), "b.png": png(random_images(1, 9, 7)[0])}
    root = write_folder(tmp_path / "set", files)
    with pytest.raises(InputError, match=r"a\.png is 6x8, b\.png is 7x9 .*--image-size 64"):
        data.load(root)
    source = data.load(root, image_size=(4, 4))
    assert source.images.shape == (2, 4, 4, 3)
    assert source.original_sizes.tolist() == [[8, 6], [9, 7]]


def test_grey_pictures_stay_grey_until_a_coloured_one_comes(tmp_path):
    grey = random_images(300, channels=1)
    files = {f"{i:03}.png": png(image) for i, image in enumerate(grey)}
    root = write_folder(tmp_path / "set", files)
    assert (data.load(root).images == grey).all()
    assert data.load(root, channels=3).images.shape == (300, 8, 8, 3)
    write_folder(root, {"300.png": png(IMAGES[0]), "301.png": png(grey[7])})
    mixed = data.load(root).images
    assert mixed.shape == (302, 8, 8, 3)
    assert (mixed[:300] == grey).all() and (mixed[300] == IMAGES[0]).all()
    assert (mixed[301] == grey[7]).all()


def test_links_to_folders_are_followed_and_loops_end(tmp_path):
    root = write_folder(tmp_path / "set", picture_files(IMAGES[:4], ("cat",)))
    elsewhere = write_folder(tmp_path / "elsewhere", picture_files(IMAGES[4:]))
    os.symlink(elsewhere, root / "dog")
    os.symlink(root, root / "cat" / "loop")
    os.symlink(tmp_path / "gone.png", root / "cat" / "gone.png")
    source = data.load(root)
    assert source.classes == ("cat", "dog") and len(source.images) == 6
    assert source.broken[0].startswith("cat/gone.png (")


def test_progress_counts_the_files(tmp_path):
    seen = []
    root = write_folder(tmp_path / "set", picture_files(IMAGES))
    data.load(root, progress=lambda *step: seen.append(step))
    assert seen == [(6, 6, "decoding set")]
