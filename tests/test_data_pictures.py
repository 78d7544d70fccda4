"""Folders, zips and tar shards of pictures: every mode, every way to be broken."""

import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from data_helpers import (
    cache,  # noqa: F401
    encoded,
    picture_files,
    png,
    random_images,
    write_folder,
    write_tar,
    write_zip,
)
from PIL import Image

from ganbaru import data
from ganbaru.data._picture import decode
from ganbaru.data._source import Want
from ganbaru.errors import InputError

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
    assert source.notes == (
        "1 of 7 pictures lie beside the sub-folders, so the sub-folders are not taken as classes.",
    )


def test_train_and_test_folders_are_splits(tmp_path):
    files = picture_files(IMAGES[:4], ("train/cat", "train/dog"))
    root = write_folder(tmp_path / "set", files | {"test/cat/9.png": png(IMAGES[5])})
    write_folder(root, {"test/dog/9.png": png(IMAGES[4])})
    assert len(data.load(root).images) == 4
    assert (data.load(root, split="test").images == IMAGES[[5, 4]]).all()


def test_undivided_folder_has_no_test_part(tmp_path):
    root = write_folder(tmp_path / "set", picture_files(IMAGES))
    with pytest.raises(InputError, match="not divided .* 'test' part.*'train' and 'test' sub-fold"):
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
    assert source.classes == ("ant", "cat", "dog")
    assert source.labels.tolist() == [1, 1, 2, 2, 2]
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
    assert source.sizes == data.Sizes((8, 8, 9), (6, 6, 7), portrait=2, landscape=0, square=0)


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


def decoded(image: Image.Image, form: str, want=Want(), **options) -> np.ndarray:  # noqa: B008
    shot = decode(encoded(image, form, **options), want)
    assert shot.reason == ""
    return shot.pixels


def test_palette_and_one_bit():
    colours = Image.fromarray(IMAGES[0]).quantize(16)
    assert (decoded(colours, "PNG") == np.asarray(colours.convert("RGB"))).all()
    greys = Image.fromarray(random_images(1, channels=1)[0][..., 0]).quantize(8)
    assert decoded(greys, "PNG").shape == (8, 8, 1)
    dots = Image.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("1")
    assert (decoded(dots, "PNG")[..., 0] == np.eye(8) * 255).all()


def test_transparency_lies_over_white():
    red = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (decoded(red, "PNG") == 255).all()
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 51))
    assert decoded(half, "PNG")[0, 0].tolist() == [255, 204, 204]
    grey = decoded(Image.new("LA", (4, 4), (0, 51)), "PNG")
    assert grey.shape == (4, 4, 1) and (grey == 204).all()
    keyed = Image.new("RGB", (4, 4), (9, 9, 9))
    assert (decoded(keyed, "PNG", transparency=(9, 9, 9)) == 255).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    assert (decoded(palette, "PNG", transparency=1) == 255).all()


def test_sixteen_bits_are_scaled_not_clipped():
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert decoded(Image.fromarray(values), "PNG").ravel().tolist() == [0, 1, 128, 255]
    assert decoded(Image.fromarray(values), "TIFF").ravel().tolist() == [0, 1, 128, 255]


def test_pixels_without_a_fixed_range_are_refused():
    for values, reason in (
        (np.full((4, 4), 0.5, np.float32), "floating-point"),
        (np.full((4, 4), 70_000, np.int32), "exceed 16 bits"),
    ):
        assert reason in decode(encoded(Image.fromarray(values), "TIFF"), Want()).reason


def test_cmyk():
    ink = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    assert np.abs(decoded(ink, "TIFF")[0, 0].astype(int) - [255, 0, 0]).max() <= 1


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    moving = decoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (moving == [255, 0, 0]).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_orientation_from_the_camera_is_applied(form):
    """Tag 6: the first row of the file is the right-hand side of the picture."""
    picture = np.full((16, 32, 3), 255, np.uint8)
    picture[:8] = 0
    lying = Image.fromarray(picture)
    exif = Image.Exif()
    exif[0x0112] = 6
    shot = decode(encoded(lying, form, exif=exif), Want())
    assert shot.pixels.shape == (32, 16, 3) and (shot.height, shot.width) == (32, 16)
    assert shot.pixels[:, 9:].mean() < 5 and shot.pixels[:, :7].mean() > 250


def test_large_jpeg_shrinks_early_to_nearly_the_same_pixels():
    smooth = Image.fromarray(random_images(1, 6, 9)[0]).resize((900, 600), Image.Resampling.BICUBIC)
    file = encoded(smooth, "JPEG", quality=95)
    shot = decode(file, Want((32, 32)))
    whole = smooth.resize((32, 32), Image.Resampling.LANCZOS, box=(150, 0, 750, 600))
    assert (shot.height, shot.width) == (600, 900)
    assert np.abs(shot.pixels.astype(int) - np.asarray(whole)).mean() < 2


def bomb() -> bytes:
    """Return a PNG of 60,000 x 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_decompression_bombs_count_as_broken(tmp_path):
    source = data.load(write_zip(tmp_path / "a.zip", picture_files(IMAGES) | {"a.png": bomb()}))
    assert source.broken == ("a.png (more pixels than a picture may have)",)


def test_zip_member_that_claims_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("ganbaru.data._zip.MOST_BYTES", 1000)
    files = picture_files(IMAGES) | {"a.png": bytes(1001)}
    source = data.load(write_zip(tmp_path / "a.zip", files))
    assert source.broken == ("a.png (would unpack to 1,001 bytes)",)


def test_truncated_zip(tmp_path):
    file = write_zip(tmp_path / "a.zip", picture_files(IMAGES))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"a\.zip begins like a zip .* cut off. Copy or download"):
        data.load(file)


def test_damaged_zip_member_counts_as_broken(tmp_path):
    file = write_zip(tmp_path / "a.zip", picture_files(IMAGES))
    raw = bytearray(file.read_bytes())
    raw[60] ^= 255
    file.write_bytes(raw)
    source = data.load(file)
    assert len(source.images) == 5 and "0.png (Bad CRC-32" in source.broken[0]


def test_zip_without_pictures(tmp_path):
    with pytest.raises(InputError, match=r"a\.zip holds 1 files, but no pictures"):
        data.load(write_zip(tmp_path / "a.zip", {"a.txt": b"x"}))
    with zipfile.ZipFile(tmp_path / "b.zip", "w"):
        pass
    with pytest.raises(InputError, match=r"b\.zip holds 0 files, but no pictures"):
        data.load(tmp_path / "b.zip")


def shard(start: int, count: int, labelled=True) -> dict[str, bytes]:
    files = {}
    for i in range(start, start + count):
        files[f"{i:04}.seg.png"] = png(IMAGES[i])
        if labelled:
            files[f"{i:04}.cls"] = f"{i % 3 * 2}\n".encode()
    return files


def test_tar_shards_with_labels(tmp_path):
    write_folder(tmp_path / "set", {"about.json": b"{}"})
    write_tar(tmp_path / "set" / "b.tar", shard(4, 2))
    write_tar(tmp_path / "set" / "a.tar", shard(0, 4))
    source = data.load(tmp_path / "set")
    assert (source.images == IMAGES).all()
    assert source.labels.tolist() == [0, 2, 4, 0, 2, 4]
    assert source.classes == ("0", "1", "2", "3", "4")
    assert source.notes == ("Classes without a readable picture: 1, 3.",)


def test_tar_with_some_labels_is_unlabelled(tmp_path):
    files = shard(0, 3) | shard(3, 3, labelled=False)
    source = data.load(write_tar(tmp_path / "a.tar", files))
    assert source.labels is None
    assert source.notes == (
        "3 of 6 pictures have no .cls file, so the set is taken as unlabelled.",
    )


@pytest.mark.parametrize("text", [b"cat", b"-1", b"1.0", b"", b"70000"])
def test_tar_label_that_is_no_class(tmp_path, text):
    file = write_tar(tmp_path / "a.tar", shard(0, 3) | {"0001.cls": text})
    with pytest.raises(InputError, match=r"a\.tar/0001\.cls holds .* the number of a class"):
        data.load(file)


def test_truncated_and_empty_tar(tmp_path):
    file = write_tar(tmp_path / "a.tar", {"0.png": png(IMAGES[0]), "1.png": bytes(9000)})
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"a\.tar is damaged: .*copy or download"):
        data.load(file)
    with pytest.raises(InputError, match=r"b\.tar holds no pictures"):
        data.load(write_tar(tmp_path / "b.tar", {"a.txt": b"x"}))


def test_packed_tar_of_pictures_says_to_unpack(tmp_path):
    file = write_tar(tmp_path / "a.tar.gz", shard(0, 3), "w:gz")
    with pytest.raises(InputError, match=r"a\.tar\.gz is in no format .* Unpack it and give"):
        data.load(file)


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
    assert seen == [(6, 6, f"decoding {root}")]
