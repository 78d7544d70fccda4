"""Names of classes and files, labels beside pictures, and files in other forms."""

import gzip
import json
import struct
import unicodedata

import numpy as np
import pytest
from arrangement_helpers import WRITERS, kinds, sizes
from data_helpers import (
    cache,  # noqa: F401
    idx,
    picture_files,
    png,
    random_images,
    write_folder,
    write_idx,
    write_tar,
    write_zip,
)
from hypothesis import given
from hypothesis import strategies as st

from ganbaru import data
from ganbaru.data.formats.names import in_order, parts
from ganbaru.errors import InputError

pytestmark = pytest.mark.usefixtures("any_number")

IMAGES = random_images(24)


# --- names -------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**20), min_size=1, unique=True))
def test_whole_numbers_sort_as_numbers(numbers):
    assert in_order(map(str, numbers)) == tuple(map(str, sorted(numbers)))
    mixed = [*map(str, numbers), "a"]
    assert in_order(mixed) == tuple(sorted(mixed))


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\."), min_size=1)
)
def test_names_are_compared_in_composed_form(name):
    one, other = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert parts(f"{one}/a.png") == parts(f"{other}\\a.png")


def test_numbered_folders_are_in_order_of_numbers(tmp_path):
    names = tuple(map(str, range(12)))
    source = data.load(write_folder(tmp_path / "x", picture_files(IMAGES, names)))
    in_files = [name for name in sorted(names) for _ in range(2)]
    assert source.classes == names and source.labels.tolist() == [*map(int, in_files)]
    assert source.labels_from == "folders"


@pytest.mark.parametrize("form", WRITERS)
def test_composed_and_decomposed_names_are_one_class(tmp_path, form):
    folders = ("Caf\u00e9", "Cafe\u0301", "A\u0308pfel")
    source = data.load(WRITERS[form](tmp_path / "x", picture_files(IMAGES, folders)))
    assert sizes(source) == {"Caf\u00e9": 16, "\u00c4pfel": 8}


@pytest.mark.parametrize("form", WRITERS)
def test_backslashes_separate_folders(tmp_path, form):
    files = {f"set\\{'cd'[i % 2]}\\{i}.png": png(IMAGES[i]) for i in range(6)}
    assert sizes(data.load(WRITERS[form](tmp_path / "x", files))) == {"c": 3, "d": 3}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("cp932", ("猫", "ネコ表")),
        ("cp932", ("いぬ", "ソ連")),
        ("cp437", ("Äpfel", "Café")),
        ("cp437", ("Müller", "Größe")),
        ("utf-8", ("猫", "Äpfel")),
    ],
)
def test_zip_names_without_the_flag_of_unicode(tmp_path, code, names):
    """As Windows and macOS write them: the bytes are in the central table and before each file."""
    plain = write_zip(tmp_path / "a.zip", picture_files(IMAGES[:4], ("#" * 8, "@" * 8)))
    content = plain.read_bytes()
    for mark, name in zip((b"#" * 8, b"@" * 8), names, strict=True):
        encoded = name.encode(code)
        content = content.replace(mark, encoded + b"_" * (8 - len(encoded)))
    plain.write_bytes(content)
    source = data.load(plain)
    assert {name.rstrip("_") for name in source.classes} == set(names)
    assert len(source.notes) == 1 and code in source.notes[0]


def test_a_long_name_in_an_archive(tmp_path):
    files = picture_files(IMAGES[:4], ("あ" * 9000, "い" * 200))
    assert sizes(data.load(write_zip(tmp_path / "a.zip", files))).keys() == {
        "あ" * 9000,
        "い" * 200,
    }


# --- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([1, 2, 3], "1 2 3"), ([1990, 2005, 2024], "1990 2005 2024"), ([0, 10, 9], "0 9 10")],
)
def test_labels_that_occur_are_the_classes(tmp_path, labels, classes):
    given = np.array(labels * 8)
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=given)
    tar = {f"{i}.cls": str(label).encode() for i, label in enumerate(given)}
    write_idx(tmp_path / "i", "train", IMAGES[..., 0], given.astype(np.uint8))
    sources = [
        data.load(tmp_path / "a.npz"),
        data.load(write_tar(tmp_path / "a.tar", picture_files(IMAGES) | tar)),
        *([data.load(tmp_path / "i")] if max(labels) < 256 else []),
    ]
    for source, origin in zip(sources, ("npz labels", ".cls files", "IDX labels"), strict=False):
        assert source.classes == tuple(classes.split()) and source.labels_from == origin
        assert [int(source.classes[k]) for k in source.labels] == given.tolist()


def test_names_without_images_are_no_classes(tmp_path):
    names = np.array(["ant", "bee", "cat"])
    np.savez(tmp_path / "a.npz", images=IMAGES[:4], labels=[2, 0, 2, 2], class_names=names)
    assert sizes(data.load(tmp_path / "a.npz")) == {"ant": 1, "cat": 3}


def numbered(count=24) -> dict[str, bytes]:
    return {f"{i // 8:05}/img{i:08}.png": png(IMAGES[i]) for i in range(count)}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("around", ["", "set/"])
def test_labels_of_stylegan(tmp_path, form, around):
    files = numbered()
    labels = json.dumps({"labels": [[name, i % 3 + 4] for i, name in enumerate(files)]}).encode()
    files = {f"{around}{name}": content for name, content in files.items()}
    files[f"{around}dataset.json"] = labels
    source = data.load(WRITERS[form](tmp_path / "x", files))
    assert sizes(source) == {"4": 8, "5": 8, "6": 8} and source.labels_from == "dataset.json"
    assert not source.left_out and not source.warnings


@pytest.mark.parametrize(
    ("content", "classes", "warned", "unused"),
    [
        (b'{"labels": null}', (), [], {}),
        (b'{"labels": [["00000/img00000000.png", 1]]}', (), ["labels"], {"labels": 1}),
        (b'{"labels": [["00000/img00000000.png", [0.5]]]}', "folders", [], {"labels": 1}),
        (b'{"lab', "folders", [], {"labels": 1}),
        (b"[" * 100_000, "folders", [], {"labels": 1}),
    ],
)
def test_label_files_that_do_not_label(tmp_path, content, classes, warned, unused):
    files = numbered() | {"dataset.json": content}
    source = data.load(write_zip(tmp_path / "a.zip", files))
    assert source.classes == (("00000", "00001", "00002") if classes else ())
    codes = [found.code for found in source.warnings if found.code != "few-images"]
    assert codes == warned and kinds(source) == unused


def test_label_files_that_are_not_used_are_counted(tmp_path):
    files = {f"images/{i}.png": png(IMAGES[i]) for i in range(4)} | {"train.csv": b"id,label"}
    files |= {"metadata.jsonl": b"{}", "classes.txt": b"a", "readme.txt": b"b"}
    source = data.load(write_folder(tmp_path / "x", files))
    assert source.labels is None and kinds(source) == {"labels": 3, "unknown suffix": 1}


# --- IDX and others ----------------------------------------------------------------------------


def test_several_idx_sets_in_a_folder_need_a_choice(tmp_path):
    digits, labels = IMAGES[..., 0], np.arange(24, dtype=np.uint8) % 3 + 1
    for name in ("letters", "digits"):
        for split, count in (("train", 24), ("test", 12)):
            write_idx(tmp_path / "e", f"emnist-{name}-{split}", digits[:count], labels[:count])
    (tmp_path / "e" / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99")
    with pytest.raises(InputError, match=r"emnist-digits-train-images.*emnist-letters-train"):
        data.load(tmp_path / "e")
    file = tmp_path / "e" / "emnist-letters-train-images-idx3-ubyte.gz"
    source = data.load(file)
    assert sizes(source) == {"Aa": 8, "Bb": 8, "Cc": 8} and "upright" in source.notes[0]
    np.testing.assert_array_equal(source.images[..., 0], digits.transpose(0, 2, 1))
    chosen = data.load(tmp_path / "e", key="letters")
    assert chosen.fingerprint == source.fingerprint
    assert len(data.load(tmp_path / "e", key="letters", split="test").images) == 12
    with pytest.raises(InputError, match="'letter'.*Did you mean 'letters'"):
        data.load(tmp_path / "e", key="letter")
    assert len(data.load(file, split="test").images) == 12
    for other in (tmp_path / "e").glob("*digits*"):
        other.unlink()
    assert not data.load(tmp_path / "e").left_out


def test_labels_of_qmnist_are_the_first_of_their_columns(tmp_path):
    columns = np.arange(24 * 8).reshape(24, 8) % 5
    header = bytes([0, 0, 12, 2]) + struct.pack(">2I", 24, 8)
    labels = header + columns.astype(">i4").tobytes()
    for name, content in (("images-idx3-ubyte", idx(IMAGES[..., 0])), ("labels-idx2-int", labels)):
        (tmp_path / f"qmnist-train-{name}.gz").write_bytes(gzip.compress(content))
    source = data.load(tmp_path)
    assert [int(source.classes[k]) for k in source.labels] == columns[:, 0].tolist()
    assert "8 columns" in source.labels_from


@pytest.mark.parametrize("mark", [b"ARROW1", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a"])
def test_foreign_files_are_named_with_a_way_out(tmp_path, mark):
    (tmp_path / "a").write_bytes(mark + bytes(100))
    with pytest.raises(InputError, match=r"is an? (Arrow|7z|RAR) .*numpy\.savez"):
        data.load(tmp_path / "a")
