"""The cache of files that are expensive to make."""

import pytest
from data_helpers import cache  # noqa: F401

from ganbaru import files


@pytest.fixture
def made(cache):  # noqa: F811
    return []


def content(made, warnings=None):
    def make():
        made.append(1)
        return b"x" * 100

    return files.cached("kind/a", make, *([warnings.append] if warnings is not None else []))


def test_content_is_made_once(made):
    assert [content(made), content(made)] == [b"x" * 100] * 2
    assert len(made) == 1


@pytest.mark.parametrize("name", ["a", "a.sha256"])
@pytest.mark.parametrize("damage", [b"", b"x" * 99, b"y" * 100])
def test_damaged_content_is_made_again_with_a_warning(made, cache, name, damage):  # noqa: F811
    warnings = []
    content(made, warnings)
    (cache / "kind" / name).write_bytes(damage)
    assert content(made, warnings) == content(made, warnings) == b"x" * 100
    assert len(made) == 2 and len(warnings) == 1 and str(cache / "kind" / "a") in warnings[0]


def test_content_is_made_each_time_where_nothing_can_be_written(made, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANBARU_CACHE", str(tmp_path / "file"))
    warnings = []
    assert [content(made, warnings), content(made)] == [b"x" * 100] * 2
    assert len(made) == 2 and len(warnings) == 1 and str(tmp_path / "file") in warnings[0]
