"""NumPy files: what is accepted, what is refused and why, and that large ones are only mapped."""

import numpy as np
import pytest
from data_helpers import cache, cache_path, random_images  # noqa: F401
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganbaru import data
from ganbaru.data.arrays import checked
from ganbaru.errors import InputError

IMAGES = random_images()
LABELS = np.array([0, 1, 2, 0, 1, 2])


def save(file, array):
    np.save(file, array)
    return file


def save_npz(file, **arrays):
    np.savez(file, **arrays)
    return file


def test_npz_with_everything(tmp_path):
    names = np.array(["ant", "bee", "cat"])
    file = save_npz(tmp_path / "a.npz", images=IMAGES, labels=LABELS, classes=names)
    source = data.load(file)
    assert (source.images == IMAGES).all() and source.labels.tolist() == LABELS.tolist()
    assert source.labels.dtype == np.int64 and source.classes == ("ant", "bee", "cat")


def test_npz_with_images_only_and_labels_without_names(tmp_path):
    bare = data.load(save_npz(tmp_path / "a.npz", images=IMAGES[..., 0]))
    assert bare.images.shape == (6, 8, 8, 1) and bare.labels is None and bare.classes == ()
    labelled = data.load(save_npz(tmp_path / "b.npz", images=IMAGES, labels=LABELS.astype("u1")))
    assert labelled.classes == ("0", "1", "2")


def test_npy_of_the_right_size_is_mapped_not_copied(tmp_path):
    source = data.load(save(tmp_path / "a.npy", IMAGES))
    assert (source.images == IMAGES).all()
    assert isinstance(source.images, np.memmap)
    assert not list(cache_path().rglob("images.npy"))
    assert source.fingerprint == data.load(save_npz(tmp_path / "a.npz", images=IMAGES)).fingerprint


@pytest.mark.parametrize("mode", ["r", "c"])
def test_maps_hold_the_same_while_what_was_read_is_let_go(tmp_path, monkeypatch, mode):
    monkeypatch.setattr("ganbaru.data.source.HELD", 0)
    images = np.load(save(tmp_path / "a.npy", random_images(600)), mmap_mode=mode)
    if mode == "c":
        images[0] = 7  # in memory alone
    expected = np.array(images)
    source = data.in_memory("a", np.asarray(images))
    assert (source.images == expected).all() and (np.asarray(images) == expected).all()


def test_npy_fingerprint_is_cached_and_follows_the_file(tmp_path, monkeypatch):
    file = save(tmp_path / "a.npy", IMAGES)
    first = data.load(file).fingerprint
    with monkeypatch.context() as patched:
        patched.setattr("ganbaru.data.cache.surveyed", None)
        assert data.load(file).fingerprint == first
    save(file, IMAGES[:5])
    assert data.load(file).fingerprint != first


def test_maps_given_as_arrays_have_fingerprints_of_their_own(tmp_path):
    maps = [np.load(save(tmp_path / f"{i}.npy", IMAGES + i), mmap_mode="r") for i in range(2)]
    one, other = (data.in_memory("a", images) for images in maps)
    assert one.fingerprint != other.fingerprint and (other.images == IMAGES + 1).all()


def test_npy_is_resized_into_the_cache(tmp_path):
    source = data.load(save(tmp_path / "a.npy", IMAGES), image_size=(4, 6), channels=1)
    assert source.images.shape == (6, 4, 6, 1)
    assert len(list(cache_path().rglob("images.npy"))) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(2, 4),
    height=st.integers(4, 9),
    width=st.integers(4, 9),
    channels=st.sampled_from([1, 3]),
)
def test_channels_are_found_first_or_last(count, height, width, channels):
    images = random_images(count, height, width, channels)
    last = checked("x", images).images
    first = checked("x", images.transpose(0, 3, 1, 2)).images
    assert (last == images).all() and (first == images).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (IMAGES.astype(np.complex64), "images are complex64; expected"),
        (IMAGES[0, 0], r"shape \(8, 3\); expected \(N, H, W, C\)"),
        (random_images(channels=5), r"shape \(6, 8, 8, 5\): no axis can be"),
        (random_images(3, 3, 8, 3), r"shape \(3, 3, 8, 3\): more than one axis"),
        (IMAGES[:1], "holds a single image; a GAN needs at least 2"),
        (IMAGES[:0], r"shape \(0, 8, 8, 3\)"),
    ],
)
def test_wrong_images_are_refused(tmp_path, array, message):
    for file in (save(tmp_path / "a.npy", array), save_npz(tmp_path / "a.npz", images=array)):
        with pytest.raises(InputError, match=rf"{file.name}: .*{message}"):
            data.load(file)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:5], r"labels are int64 of shape \(5,\); expected .* shape \(6,\)"),
        (LABELS / 2, "labels are float64"),
        (LABELS - 1, "labels run from -1 to 1; expected class numbers from 0"),
        (LABELS * 100_000, "label 200000 has no name"),
        (LABELS + 1, "label 3 has no name, since there are only 3 class names"),
    ],
)
def test_wrong_labels_are_refused(tmp_path, labels, message):
    names = np.array(["ant", "bee", "cat"])
    file = save_npz(tmp_path / "a.npz", images=IMAGES, labels=labels, classes=names)
    with pytest.raises(InputError, match=rf"a\.npz: {message}"):
        data.load(file)


def test_npz_without_images(tmp_path):
    with pytest.raises(InputError, match=r"a\.npz holds 'a', 'b', .*--key IMAGES.*'images'"):
        data.load(save_npz(tmp_path / "a.npz", a=IMAGES, b=LABELS))


def test_objects_are_never_unpickled(tmp_path):
    array = np.array([{"a": 1}, None], dtype=object)
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", images=array)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(InputError, match=f"{name} holds Python objects, which could run code"):
            data.load(tmp_path / name)


@pytest.mark.parametrize("length", [40, 200, 1000])
def test_truncated_files(tmp_path, length):
    for file in (
        save(tmp_path / "a.npy", random_images(50)),
        save_npz(tmp_path / "a.npz", images=random_images(50)),
    ):
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(InputError, match=f"{file.name} is damaged or cut off: .*again"):
            data.load(file)
