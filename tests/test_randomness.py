"""Random numbers against the recipe and the test vectors of docs/randomness.md."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import NUMPY32, table
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import randomness

PAGE = (Path(__file__).parent.parent / "docs" / "randomness.md").read_text(encoding="utf-8")
RECIPE: dict = {}
exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL).group(1), RECIPE)  # noqa: S102  our own page

VECTORS = re.findall(r"^\| `(\w+)\((.*?)\)` \| (.*) \|$", PAGE, re.MULTILINE)
PUBLISHED = re.findall(r"^\| `(0x.*?)` \| `(0x.*?)` \| (0x.*) \|$", PAGE, re.MULTILINE)
SEEDS = st.integers(0, 2**64 - 1)
PURPOSES = st.text(alphabet="az 09_éλ字", max_size=12)


def _numbers(text: str) -> list[int]:
    return [int(number, 16) for number in text.split()]


def _arguments(text: str) -> list:
    return [item[1:-1] if item[0] == '"' else int(item) for item in text.split(", ")]


def test_the_page_has_all_vectors():
    called = {(kind, _arguments(arguments)[0]) for kind, arguments, _ in VECTORS}
    assert {
        (kind, seed) for kind in ("words", "uniform", "normal") for seed in (0, 1, 123)
    } <= called
    assert len(PUBLISHED) == 3


@pytest.mark.parametrize("key,counter,expected", PUBLISHED)
def test_recipe_matches_the_published_vectors_of_philox(key, counter, expected):
    assert RECIPE["philox"](_numbers(key), _numbers(counter)) == _numbers(expected)


@pytest.mark.parametrize("kind,arguments,expected", VECTORS)
def test_vectors(kind, arguments, expected):
    found = getattr(randomness, kind)(*_arguments(arguments))
    if kind == "words":
        assert found.tolist() == RECIPE["words"](*_arguments(arguments)) == _numbers(expected)
    elif kind == "normal":
        assert found.dtype == np.float32
        assert_allclose(found, [float(number) for number in expected.split()], rtol=0, atol=1e-6)
    else:
        assert_array_equal(found, [float(number) for number in expected.split()])


@given(SEEDS, PURPOSES, SEEDS, st.integers(0, 11))
def test_words_are_those_of_the_recipe(seed, purpose, index, count):
    found = randomness.words(seed, purpose, index, count)
    assert found.dtype == np.uint64
    assert found.tolist() == RECIPE["words"](seed, purpose, index, count)


@given(SEEDS, st.integers(1, 40))
def test_normal_numbers_are_box_and_mullers(seed, count):
    u = np.array(RECIPE["words"](seed, "test", 0, count + 1), dtype=object)
    u = np.array([float(word >> 11) / 2**53 for word in u])
    expected = []
    for first, second in zip(u[::2], u[1::2], strict=False):
        radius = np.sqrt(-2 * np.log(1 - first))
        expected += [radius * np.cos(2 * np.pi * second), radius * np.sin(2 * np.pi * second)]
    found = randomness.normal(seed, "test", 0, count)
    assert found.shape == (count,)
    assert_allclose(found, expected[:count], rtol=0, atol=1e-6)


@given(SEEDS, st.integers(1, 30), st.integers(1, 30))
def test_larger_counts_extend_smaller_ones(seed, fewer, more):
    for draw in (randomness.words, randomness.uniform, randomness.normal):
        short, long = (draw(seed, "test", 1, count) for count in (fewer, fewer + more))
        assert_array_equal(long[:fewer], short)


@given(SEEDS, st.integers(1, 2**53))
def test_integers_are_below_their_bound(seed, below):
    drawn = randomness.integers(seed, "test", 0, 20, below)
    assert drawn.dtype == np.int64
    assert 0 <= drawn.min() <= drawn.max() < below


@pytest.mark.parametrize("below", [1, 3, 10, 2**53 - 1, 2**53])
def test_largest_word_is_below_the_bound(below, monkeypatch):
    monkeypatch.setattr(randomness, "words", lambda *_: np.full(2, 2**64 - 1, np.uint64))
    assert randomness.integers(0, "test", 0, 2, below).tolist() == [below - 1] * 2
    assert np.isfinite(randomness.normal(0, "test", 0, 2)).all()


@given(SEEDS, st.integers(1, 200))
def test_permutation_has_every_number_once(seed, length):
    assert_array_equal(np.sort(randomness.permutation(seed, "test", 0, length)), np.arange(length))


def test_numbers_have_the_named_distribution():
    """Means, deviations and tails of 200,000, at five standard errors."""
    count = 200_000
    u, n = randomness.uniform(0, "test", 0, count), randomness.normal(0, "test", 1, count)
    error = 5 / np.sqrt(count)
    assert abs(u.mean() - 0.5) < error * np.sqrt(1 / 12)
    assert abs(n.mean()) < error
    assert abs(n.std() - 1) < error / np.sqrt(2)
    assert abs(np.mean(np.abs(n) > 1.959964) - 0.05) < error * np.sqrt(0.05 * 0.95)
    assert abs(np.mean(n[::2] * n[1::2])) < error
    counts = np.bincount(randomness.integers(0, "test", 2, count, 7), minlength=7)
    assert (np.abs(counts / count - 1 / 7) < error * np.sqrt(6 / 49)).all()


def test_words_depend_on_seed_purpose_and_index():
    where = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]
    firsts = {int(randomness.words(*key, 1)[0]) for key in where}
    assert len(firsts) == 4


def test_the_page_lists_every_purpose(monkeypatch):
    used, words = set(), randomness.words

    def recording(seed, purpose, index, count):
        used.add(purpose)
        return words(seed, purpose, index, count)

    monkeypatch.setattr(randomness, "words", recording)
    for objective in ("non-saturating", "rsgan"):
        gan = table(NUMPY32, objective=objective, conditioning="planes")
        gan.step(0)
        gan.sampler().sample(1)
    section = PAGE.partition("## Purposes")[2].partition("## Test vectors")[0]
    assert used == set(re.findall(r"^\| `(.*?)` \|", section, re.MULTILINE))
