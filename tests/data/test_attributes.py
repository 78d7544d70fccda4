"""Attributes: read from every kind of table, checked, given by users, and through whole runs."""

import json

import numpy as np
import pytest
from data_helpers import cache, picture_files, png, random_images, write_zip  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st

from ganbaru import data
from ganbaru.data import attributes
from ganbaru.data.attributes import Attribute
from ganbaru.errors import InputError

IMAGES = random_images(12, 4, 4, 1)
NAMES = [f"{i:04}.png" for i in range(12)]
ANGLES = [round(-3 + 0.5 * i, 1) for i in range(12)]
COLUMNS = {"angle": ANGLES, "bold": [i % 3 == 0 for i in range(12)]}
BINARY = {"1": "0", "-1 1": "-1 1", "true": "false true", "yes": "no yes"}


def table(columns, header=True, mark=",") -> bytes:
    rows = [mark.join(map(str, row)) for row in zip(NAMES, *columns.values(), strict=True)]
    return "\n".join([mark.join(["file", *columns])] * header + rows).encode()


def celeba() -> bytes:
    rows = zip(NAMES, ANGLES, [2 * each - 1 for each in COLUMNS["bold"]], strict=True)
    return "\n".join(["12", "angle bold", *(" ".join(map(str, row)) for row in rows)]).encode()


def style_gan() -> bytes:
    rows = zip(ANGLES, map(int, COLUMNS["bold"]), strict=True)
    pairs = zip(NAMES, map(list, rows), strict=True)
    return json.dumps({"labels": [list(pair) for pair in pairs]}).encode()


def lines() -> bytes:
    rows = zip(NAMES, *COLUMNS.values(), strict=True)
    keys = ("file_name", *COLUMNS)
    return "\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in rows).encode()


TABLES = {
    "attributes.csv:angle,bold": table(COLUMNS),
    "attributes.csv:*": table(
        {**COLUMNS, "bold": ["yes" if each else "no" for each in COLUMNS["bold"]]}
    ),
    "metadata.jsonl:angle, bold": lines(),
    "list_attr.txt:*": celeba(),
    "dataset.json:*": style_gan(),
}


def archive(tmp_path, name, content):
    pictures = {n: png(image) for n, image in zip(NAMES, IMAGES, strict=True)}
    return write_zip(tmp_path / "set.zip", {**pictures, name: content})


@pytest.mark.parametrize("label_file", TABLES)
def test_tables_give_attributes(tmp_path, label_file):
    path = archive(tmp_path, label_file.partition(":")[0], TABLES[label_file])
    for _ in range(2):  # the second time from the cache
        found = data.load(path, label_file=label_file)
        angle, bold = found.attributes.columns
        assert (angle.kind, angle.low, angle.high, angle.usual) == ("number", -3, 2.5, -0.25)
        assert (bold.kind, bold.low, bold.high, bold.usual) == ("binary", 0, 1, 0)
        assert found.attributes.values[:, 0].tolist() == ANGLES
        assert found.conditions.min() == -1
        assert found.conditions.max() == 1
        assert (found.conditions[:, 1] > 0).tolist() == COLUMNS["bold"]
        assert found.labels is None
    report = data.inspect(found)
    assert [each["name"] for each in report.to_json()["attributes"]] == [angle.name, bold.name]


def test_attributes_are_part_of_the_fingerprint(tmp_path):
    path = archive(tmp_path, "a.csv", table(COLUMNS))
    marks = {
        data.load(path, label_file=f"a.csv:{text}").fingerprint
        for text in ("angle,", "angle,bold", "bold,angle")
    }
    assert len(marks) == 3


def test_a_column_of_numbers_alone_is_an_attribute(tmp_path):
    path = archive(tmp_path, "a.csv", table(COLUMNS))
    assert len(data.load(path, label_file="a.csv:angle").attributes.columns) == 1
    assert data.load(path, label_file="a.csv:bold").classes == ("False", "True")


WRONG = {
    "missing": ({**COLUMNS, "angle": [*ANGLES[:-1], ""]}, "angle,bold", ["angle", NAMES[-1]]),
    "nan": ({**COLUMNS, "angle": [*ANGLES[:-1], "nan"]}, "angle,bold", ["angle", NAMES[-1]]),
    "no number": ({**COLUMNS, "angle": [*ANGLES[:-1], "left"]}, "angle,bold", ["left", "angle"]),
    "constant": ({**COLUMNS, "angle": [0.5] * 12}, "angle,bold", ["0.5", "angle"]),
    "no column": (COLUMNS, "angel,bold", ["angel", "'angle'"]),
    "twice": (COLUMNS, "bold,bold", ["bold"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables_are_refused(tmp_path, case):
    columns, wanted, named = WRONG[case]
    path = archive(tmp_path, "a.csv", table(columns))
    with pytest.raises(InputError) as raised:
        data.load(path, label_file=f"a.csv:{wanted}")
    assert all(word in str(raised.value) for word in named)


def test_pictures_and_rows_without_the_other_are_counted(tmp_path):
    rows = table(COLUMNS).replace(b"0011.png", b"other.png")
    found = data.load(archive(tmp_path, "a.csv", rows), label_file="a.csv:angle,bold")
    left = {each.kind: each.count for each in found.left_out}
    assert (len(found.images), left["unlabelled"], left["rows"]) == (11, 1, 1)


# --- what users give ------------------------------------------------------------------------------

FOUND = (
    Attribute("smiling", "binary", 0, 1, 1, (0.0, 1.0)),
    Attribute("angle", "number", -2, 6, 1, (-2.0, 4.0)),
)


def test_rows_of_texts_and_dictionaries():
    for each in ("smiling=0,angle=4", {"smiling": 0, "angle": 4}, "angle=4,smiling=no"):
        assert attributes.row(FOUND, each).tolist() == [-1, 0.5]
    assert attributes.row(FOUND, "angle=6").tolist() == [1, 1]  # smiling at its usual value
    assert attributes.row(FOUND, {}).tolist() == [1, -0.25]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("angle=7", ["angle=7", "-2 to 6"]),
        ("angle=nan", ["nan", "-2 to 6"]),
        ("angle=left", ["left", "-2 to 6"]),
        ("smiling=0.5", ["0.5", "0 or 1"]),
        ("smilng=1", ["smilng", "'smiling'"]),
        ("3", ["'3'", "NAME=VALUE"]),
        ({"angle": None}, ["None", "-2 to 6"]),
    ],
)
def test_wrong_values_are_refused_with_what_is_allowed(given, named):
    with pytest.raises(InputError) as raised:
        attributes.row(FOUND, given)
    assert all(word in str(raised.value) for word in named)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20, unique=True))
def test_scaling_is_undone(values):
    cells = [[value, i % 2] for i, value in enumerate(values)]
    found = attributes.read(["a", "b"], cells, [str(i) for i in range(len(cells))])
    rows = found.rows
    assert np.abs(rows).max() <= 1
    spread = max(values) - min(values)
    back = attributes.unscaled(found.columns, rows)
    assert np.allclose(back, found.values, atol=1e-6 * max(spread, 1))


def test_contrasts_move_one_attribute():
    rows = attributes.contrasts(FOUND, range(3)).reshape(3, 2, 2, 2)  # seed, attribute, end, column
    for k in range(2):
        assert (rows[:, k, 0, k] == -1).all()
        assert (rows[:, k, 1, k] == 1).all()
        assert (rows[:, k, 0, 1 - k] == rows[:, k, 1, 1 - k]).all()
