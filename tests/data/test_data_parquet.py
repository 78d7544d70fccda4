"""Parquet files of images and sets of the Hugging Face hub's library, whole and damaged."""

import json

import numpy as np
import pytest
from data_helpers import cache, png, random_images  # noqa: F401

from ganbaru import data
from ganbaru.cli import main
from ganbaru.errors import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.usefixtures("any_number")

IMAGES = random_images(12)
LABELS = [i % 3 for i in range(12)]
NAMES = ["cat", "dog", "owl"]
FILES = [{"bytes": png(image), "path": f"{i}.png"} for i, image in enumerate(IMAGES)]


@pytest.fixture
def place(tmp_path):
    """Return an empty folder beside the cache."""
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def write(path, columns=None, names=NAMES, rows=5):
    """Write a file as the hub has them: row groups of `rows`, and its features in the metadata."""
    table = pa.table(columns or {"image": FILES, "label": LABELS})
    features = {"image": {"_type": "Image"}}
    if names:
        features["label"] = {"names": names, "_type": "ClassLabel"}
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(table.replace_schema_metadata(about), path, row_group_size=rows)
    return path


TABLES = {
    "hub": ({"image": FILES, "label": LABELS}, NAMES, ("cat", "dog", "owl"), "label"),
    "bytes": ({"jpg": [f["bytes"] for f in FILES], "y": LABELS}, None, ("0", "1", "2"), "y"),
    "texts": (
        {"img": FILES, "class": [NAMES[k] for k in LABELS]},
        None,
        ("cat", "dog", "owl"),
        "class",
    ),
    "no labels": ({"picture": FILES, "caption": ["x"] * 12}, None, (), ""),
    "hidden labels": ({"image": FILES, "label": [-1] * 12}, NAMES, (), ""),
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_found(place, name):
    columns, names, classes, label = TABLES[name]
    source = data.load(write(place / "a.parquet", columns, names))
    assert (source.images == IMAGES).all() and source.classes == classes
    if label:
        assert source.labels.tolist() == LABELS and source.labels_from == f"column {label}"
    else:
        assert source.labels is None


def test_a_folder_with_splits(place):
    (place / "data").mkdir()
    for name, part in (("train", slice(0, 6)), ("train", slice(6, 10)), ("test", slice(10, 12))):
        columns = {"image": FILES[part], "label": LABELS[part]}
        write(place / "data" / f"{name}-{part.start // 6:05}-of-00002-ab.parquet", columns)
    assert (data.load(place).images == IMAGES[:10]).all()
    assert (data.load(place, split="test").images == IMAGES[10:]).all()
    assert (data.load(place / "data", split="none").images[2:] == IMAGES[:10]).all()


def test_damaged_and_unlabelled_rows_lose_only_themselves(place):
    bad = [{"bytes": b"x", "path": ""}, {"bytes": None, "path": "/etc/passwd"}]
    columns = {"image": [*FILES[:10], *bad], "label": [*LABELS[:9], None, 0, 1]}
    source = data.load(write(place / "a.parquet", columns))
    assert (source.images == IMAGES[:9]).all() and source.labels.tolist() == LABELS[:9]
    left = [(each.kind, each.count) for each in source.left_out]
    assert sorted(left) == [("unlabelled", 1), ("unreadable", 1), ("unreadable", 1)]


def test_a_damaged_row_group_loses_only_its_rows(place):
    path = write(place / "a.parquet")
    raw = bytearray(path.read_bytes())
    raw[40:400] = bytes(360)
    path.write_bytes(raw)
    source = data.load(path)
    assert (source.images == IMAGES[5:]).all() and source.labels.tolist() == LABELS[5:]
    assert sum(each.count for each in source.left_out) == 5


def test_key_names_columns(place):
    columns = {"a": FILES, "b": FILES[::-1], "n": LABELS}
    path = write(place / "a.parquet", columns, None)
    source = data.load(path, key="b,n")
    assert (source.images == IMAGES[::-1]).all() and source.classes == ("0", "1", "2")


def _cut(path):
    path.write_bytes(path.read_bytes()[:-30])


FAULTS = {
    "cut": (None, _cut, (), "a.parquet"),
    "two columns": ({"a": FILES, "b": FILES}, None, (), "--key"),
    "no such column": (None, None, ("--key", "imag"), "'image'"),
    "no pictures": ({"label": LABELS}, None, (), "--key"),
    "label out of names": ({"image": FILES, "label": [9] * 12}, None, (), "9"),
    "label file": (None, None, ("--label-file", "x.csv"), "x.csv"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_message(place, name, capsys):
    columns, damage, options, named = FAULTS[name]
    path = write(place / "a.parquet", columns)
    if damage:
        damage(path)
    assert main.main(["data", str(path), *options]) == 2
    assert named in capsys.readouterr().err


def test_files_of_other_columns_are_refused(place):
    write(place / "a.parquet")
    write(place / "b.parquet", {"image": FILES, "target": LABELS}, None)
    with pytest.raises(InputError, match=r"b\.parquet has the columns image, target"):
        data.load(place)


def test_a_set_by_the_hubs_library(place, monkeypatch, tmp_path):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    write(place / "train.parquet")
    write(place / "test.parquet", {"image": FILES[:4], "label": LABELS[:4]})
    source = data.load(f"hf:{place}")
    assert (source.images == IMAGES).all() and source.classes == tuple(NAMES)
    assert source.labels.tolist() == LABELS
    assert len(data.load(f"hf:{place}", split="test").images) == 4
    with pytest.raises(data.SplitError):
        data.load(f"hf:{place}", split="extra")
    with pytest.raises(InputError, match="Check the name"):
        data.load(f"hf:{place / 'none'}")
    assert np.asarray(source.images).shape == (12, 8, 8, 3)
