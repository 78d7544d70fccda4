"""Labels beside pictures: every form of table, in every place, chosen, found or refused."""

import json

import numpy as np
import pytest
from arrangement_helpers import WRITERS, kinds, sizes
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

IMAGES = random_images(12, 4, 4, 1)
KINDS = ["ant", "bee", "cat"]
NAMES = [f"{i:04}" for i in range(12)]
PAIRS = [(f"{name}.png", KINDS[i % 3]) for i, name in enumerate(NAMES)]
EXPECTED = dict.fromkeys(KINDS, 4)


def files(folder: str = "") -> dict[str, bytes]:
    return {f"{folder}{name}.png": png(image) for name, image in zip(NAMES, IMAGES, strict=True)}


def table(mark: str, header: list[str], rows) -> bytes:
    return "\n".join(mark.join(map(str, row)) for row in [header, *rows] if row).encode()


FOUND = {
    "dataset.json": json.dumps({"labels": [[name, kind] for name, kind in PAIRS]}).encode(),
    "metadata.jsonl": b"\n".join(
        json.dumps({"file_name": n, "label": kind, "text": n}).encode() for n, kind in PAIRS
    ),
    "metadata.csv": table(",", ["file_name", "label"], PAIRS),
    "train.csv": table(",", ["id", "breed"], [(name[:-4], kind) for name, kind in PAIRS]),
    "labels.tsv": table("\t", ["kind", "image"], [(kind, f"images/{n}") for n, kind in PAIRS]),
    "semicolons.csv": b"\xef\xbb\xbf"
    + table(";", ["Path", "Class Name", "x"], [(f"./{n}", k, i) for i, (n, k) in enumerate(PAIRS)]),
    "quoted.csv": table(",", ["file", '"label"'], [(f'"{n}"', f'"{k}"') for n, k in PAIRS]),
    "no_header.csv": table(",", [], PAIRS),
    "utf16.csv": table(",", ["file", "label"], PAIRS).decode().encode("utf-16"),
    "extra.csv": table(",", ["id", "label"], [*PAIRS, ("gone.png", "dog")]),
}
NAMED = {
    "val.txt": (table(" ", [], PAIRS), ""),
    "attributes.txt": (
        b"12\nsmile kind\n" + table(" ", [], [(n, 1, k) for n, k in PAIRS]),
        ":kind",
    ),
    "other.csv": (
        table(",", ["label", "file", "kind"], [(i, n, k) for i, (n, k) in enumerate(PAIRS)]),
        ":kind",
    ),
    "map.json": (json.dumps(dict(PAIRS)).encode(), ""),
    "records.json": (
        json.dumps([{"name": n, "kind": k, "x": 1} for n, k in PAIRS]).encode(),
        ":kind",
    ),
    "nested.json": (json.dumps({n: {"kind": k, "x": 1} for n, k in PAIRS}).encode(), ":kind"),
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("name", FOUND)
def test_tables_beside_pictures_label_them(tmp_path, form, name):
    place = WRITERS[form](tmp_path / "x", {**files("images/"), name: FOUND[name]})
    source = data.load(place)
    assert sizes(source) == EXPECTED and source.labels_from.startswith(name)
    assert [KINDS[k] for k in source.labels] == [kind for _, kind in PAIRS]
    assert kinds(source) == ({"rows": 1} if name == "extra.csv" else {})


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("name", NAMED)
def test_label_files_that_are_named(tmp_path, form, name, monkeypatch):
    content, column = NAMED[name]
    place = WRITERS[form](tmp_path / "x", {**files(), name: content})
    assert data.load(place).labels is None or name == "other.csv"
    write_folder(tmp_path / "here", {name: content})
    monkeypatch.chdir(tmp_path / "here")
    source = data.load(place, label_file=name + column)
    assert sizes(source) == EXPECTED and source.labels_from.startswith(name)
    if form == "zip":
        monkeypatch.chdir(tmp_path)
        assert data.load(place, label_file=name + column).fingerprint == source.fingerprint


def test_pictures_without_a_label_are_left_out_if_the_file_is_named(tmp_path):
    few = table(",", ["id", "label"], [*PAIRS[:9], ("0010.png", ""), ("none.png", "cat")])
    place = write_folder(tmp_path / "x", {**files(), "labels.csv": few})
    found = data.load(place)
    assert found.labels is None and len(found.images) == 12
    assert "labels" in [each.code for each in found.warnings]
    source = data.load(place, label_file="labels.csv")
    assert sizes(source) == dict.fromkeys(KINDS, 3)
    assert kinds(source) == {"unlabelled": 3, "rows": 1}
    (place / "labels.csv").write_bytes(few + b"\n0011.png,cat")
    assert len(data.load(place, label_file="labels.csv").images) == 10


def test_sources_that_disagree_are_a_choice(tmp_path):
    place = picture_files(IMAGES, tuple(KINDS))
    same = table(",", ["file", "label"], [(f"{i}.png", i % 3) for i in range(12)])
    other = table(",", ["file", "label"], [(f"{i}.png", i % 2) for i in range(12)])
    agreed = data.load(write_zip(tmp_path / "a.zip", {**place, "a.csv": same}))
    assert sizes(agreed) == EXPECTED and agreed.labels_from == "folders" and not agreed.left_out
    split = write_zip(tmp_path / "b.zip", {**place, "b.csv": other})
    with pytest.raises(InputError, match=r"-file folders .*-file b\.csv:label.* none"):
        data.load(split)
    assert sizes(data.load(split, label_file="b.csv")) == {"0": 6, "1": 6}
    assert sizes(data.load(split, label_file="folders")) == EXPECTED
    assert data.load(split, label_file="none").labels is None


@pytest.mark.parametrize(
    ("content", "label_file", "parts"),
    [
        (FOUND["train.csv"], "x.csv:bred", ["'bred'", "Did you mean 'breed'", "id, breed"]),
        (FOUND["train.csv"], "y.csv", ["y.csv", "Did you mean 'x.csv'"]),
        (b"id,label\na.png,cat\nb.png,dog", "x.csv", ["none of the pictures"]),
        (b"id,label\n0000.png,cat\n0000.png,dog", "x.csv", ["0000.png", "'cat'", "'dog'"]),
        (b"id,label\n0000.png,cat,dog", "x.csv", ["row 2", "2 columns"]),
        (b"id,label\n\xff\xfe.png,cat", "x.csv", ["cannot be read"]),
        (b"id,a,b\n0000.png,1,2", "x.csv", ["id, a, b"]),
        (b"", "x.csv", ["none of the pictures"]),
        (b'id,label\n"' + b"a" * 2**18, "x.csv", ["cannot be read"]),
        (b"", "folders", ["beside the sub-folders"]),
    ],
)
def test_label_files_that_are_refused(tmp_path, content, label_file, parts):
    place = write_folder(tmp_path / "x", {**files(), "x.csv": content})
    with pytest.raises(InputError) as error:
        data.load(place, label_file=label_file)
    assert all(part in str(error.value) for part in [*parts, "--label-file"])


@pytest.mark.parametrize("content", [b"[" * 10**5, b'{"labels": [[1]]}', b'{"labels": 5}', b"\0\1"])
def test_damaged_json_is_not_used_and_refused_if_named(tmp_path, content):
    place = write_folder(tmp_path / "x", {**files(), "dataset.json": content})
    source = data.load(place)
    assert source.labels is None and kinds(source) == {"labels": 1}
    with pytest.raises(InputError, match=r"dataset\.json"):
        data.load(place, label_file="dataset.json")


def test_tables_belong_to_the_split_that_names_or_holds_them(tmp_path):
    train, test = files("train/"), files("test/")
    rows = [(name[:-4], kind) for name, kind in PAIRS]
    tables = {"train.csv": table(",", ["id", "label"], rows)}
    tables["test.csv"] = table(",", ["id", "label"], [(n, "dog") for n, _ in rows])
    place = write_folder(tmp_path / "x", {**train, **test, **tables})
    assert sizes(data.load(place)) == EXPECTED
    assert sizes(data.load(place, split="test")) == {"dog": 12}
    named = data.load(place, split="test", label_file="train.csv")
    assert named.labels is None and len(named.images) == 12
    inside = {f"{name[:-4]}/metadata.csv": content for name, content in tables.items()}
    place = write_folder(tmp_path / "y", {**train, **test, **inside})
    assert sizes(data.load(place)) == EXPECTED
    assert sizes(data.load(place, split="test")) == {"dog": 12}


@pytest.mark.parametrize(
    ("suffix", "content", "choice"),
    [
        (".json", lambda i: json.dumps({"label": KINDS[i % 3], "key": i}), ".json:label"),
        (".txt", lambda i: KINDS[i % 3], ".txt"),
        (".cls", lambda i: str(i % 3), ".cls"),
    ],
)
def test_samples_of_webdataset_have_labels(tmp_path, suffix, content, choice):
    labels = {f"{name}{suffix}": content(i).encode() for i, name in enumerate(NAMES)}
    place = write_tar(tmp_path / "a.tar", {**files(), **labels})
    source = data.load(place)
    assert [*sizes(source).values()] == [4, 4, 4] and source.labels_from.startswith(
        f"{suffix} files"
    )
    assert not source.left_out
    assert data.load(place, label_file=choice).fingerprint == source.fingerprint
    captions = {f"{name}.txt": name.encode() for name in NAMES}
    assert data.load(write_tar(tmp_path / "b.tar", {**files(), **captions})).labels is None


def test_labels_are_numbered_in_the_order_of_their_names(tmp_path):
    rows = [(name, float(10 - i % 3)) for i, (name, _) in enumerate(PAIRS)]
    place = write_folder(tmp_path / "x", {**files(), "a.csv": table(",", ["id", "y"], rows)})
    source = data.load(place)
    assert source.classes == ("8", "9", "10")
    np.testing.assert_array_equal(source.labels, [2 - i % 3 for i in range(12)])


def test_a_known_set_of_local_files_takes_a_label_file(tmp_path):
    write_zip(tmp_path / "img_align_celeba.zip", files("img_align_celeba/"))
    rows = [(name, i % 2 * 2 - 1, 1) for i, (name, _) in enumerate(PAIRS)]
    csv = tmp_path / "a.csv"
    csv.write_bytes(table(",", ["image_id", "Smiling", "Male"], rows))
    source = data.load("celeba", data_dir=tmp_path, label_file=f"{csv}:Smiling")
    assert sizes(source) == {"-1": 6, "1": 6}
    assert data.load("celeba", data_dir=tmp_path).labels is None
