"""Zips and tar shards: labels beside the pictures, and every way to be damaged."""

import zipfile

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


def test_zip_member_of_zeros_is_not_unpacked(tmp_path):
    file = write_zip(tmp_path / "a.zip", picture_files(IMAGES) | {"a.txt": bytes(2**20)})
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(2**26 + 1))
    source = data.load(file)
    assert len(source.images) == len(IMAGES) and len(source.broken) == 1
    assert "67,108,865" in source.broken[0]


def test_truncated_zip(tmp_path):
    file = write_zip(tmp_path / "a.zip", picture_files(IMAGES))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"a\.zip is damaged or cut off: .*copy or download"):
        data.load(file)


def test_damaged_zip_member_counts_as_broken(tmp_path):
    file = write_zip(tmp_path / "a.zip", picture_files(IMAGES))
    raw = bytearray(file.read_bytes())
    raw[60] ^= 255
    file.write_bytes(raw)
    source = data.load(file)
    assert len(source.images) == 5 and "0.png (Bad CRC-32" in source.broken[0]


def test_zip_without_pictures(tmp_path):
    with pytest.raises(InputError, match=r"a\.zip holds 1 files, such as a.txt, but no pictures"):
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
    assert source.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert source.classes == ("0", "2", "4") and source.labels_from == ".cls files"
    assert source.notes == () and source.left_out == ()


def test_tar_with_some_labels_is_unlabelled(tmp_path):
    files = shard(0, 3) | shard(3, 3, labelled=False)
    source = data.load(write_tar(tmp_path / "a.tar", files))
    assert source.labels is None
    assert [found.code for found in source.warnings] == ["labels"]
    assert "3 of 6 pictures" in source.warnings[0].message
    assert [(found.kind, found.count) for found in source.left_out] == [("labels", 3)]


@pytest.mark.parametrize("text", [b"cat", b"-1", b"1.0", b"", b"70000"])
def test_tar_label_that_is_no_class(tmp_path, text):
    file = write_tar(tmp_path / "a.tar", shard(0, 3) | {"0001.cls": text})
    with pytest.raises(InputError, match=r"a\.tar/0001\.cls holds .* the number of a class"):
        data.load(file)


def test_truncated_and_empty_tar(tmp_path):
    file = write_tar(tmp_path / "a.tar", {"0.png": png(IMAGES[0]), "1.png": bytes(9000)})
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"a\.tar is damaged .*copy or download"):
        data.load(file)
    file = write_tar(tmp_path / "c.tar", picture_files(IMAGES))
    raw = bytearray(file.read_bytes())
    raw[1024 + 150] ^= 1  # within the second header's checksum
    file.write_bytes(raw)
    with pytest.raises(InputError, match=r"c\.tar is damaged .* 1,024 .*header"):
        data.load(file)
    with pytest.raises(InputError, match=r"b\.tar holds 1 files, such as b.tar/a.txt, but no"):
        data.load(write_tar(tmp_path / "b.tar", {"a.txt": b"x"}))


def test_packed_tar_of_pictures_says_to_unpack(tmp_path):
    file = write_tar(tmp_path / "a.tar.gz", shard(0, 3), "w:gz")
    with pytest.raises(InputError, match=r"a\.tar\.gz is in no known format .* Unpack it and give"):
        data.load(file)
