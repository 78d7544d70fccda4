"""Sets with quirks as published: arrays by key, MATLAB, HDF5, CIFAR-100, STL-10, IDX's types."""

import pickle
import struct
import sys

import numpy as np
import pytest
from arrangement_helpers import kinds, sizes
from data_helpers import cache, idx, random_images, write_tar  # noqa: F401
from scipy.io import savemat

from ganbaru import data
from ganbaru.config import from_preset
from ganbaru.data import SplitError
from ganbaru.errors import InputError
from ganbaru.gan.dataset import load_data, load_test_data

IMAGES = random_images(12, 8, 6, 3)
LABELS = np.arange(12) % 3


def npz(path, arrays):
    np.savez(path, **{key.replace("/", "_"): array for key, array in arrays.items()})


def hdf5(path, arrays):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file.create_dataset(key, data=array, compression="gzip" if array.size > 50 else None)


WRITE = {".npz": npz, ".h5": hdf5}
PAIRS = {
    "keras": ("x_train", "y_train", "x_test", "y_test"),
    "medmnist": ("train_images", "train_labels", "test_images", "test_labels"),
    "groups": ("train/images", "train/labels", "test/images", "test/labels"),
}


@pytest.mark.parametrize("suffix", WRITE)
@pytest.mark.parametrize("form", PAIRS)
def test_splits_are_found_by_keys(tmp_path, suffix, form):
    x, y, test_x, test_y = PAIRS[form]
    one_hot = np.eye(3, dtype=int)[LABELS]
    labels = {"keras": one_hot, "medmnist": LABELS[:, None], "groups": LABELS.astype(float)}[form]
    arrays = {x: IMAGES, y: labels, test_x: IMAGES[:4] // 2, test_y: labels[:4]}
    WRITE[suffix](tmp_path / f"a{suffix}", arrays)
    config = from_preset("digits", data=str(tmp_path / f"a{suffix}"), image_size=None)
    source = load_data(config)
    test = load_test_data(config, source, None)
    assert sizes(source) == dict.fromkeys("012", 4) and kinds(source) == {"array": 2}
    assert len(source.images) == 12 and len(test.images) == 4
    with pytest.raises(SplitError):
        data.load(tmp_path / f"a{suffix}", split="val")


@pytest.mark.parametrize("suffix", WRITE)
def test_keys_that_are_given(tmp_path, suffix):
    arrays = {"faces": IMAGES, "age": LABELS, "x_train": IMAGES[:6], "y_train": LABELS[:6]}
    arrays |= {"x_test": IMAGES[:3], "y_test": LABELS[:3]}
    WRITE[suffix](tmp_path / f"a{suffix}", arrays)

    def load(key, **how):
        return data.load(tmp_path / f"a{suffix}", key=key, **how)

    assert load("faces").labels is None
    for key in ("faces,age", "faces/age"):
        np.testing.assert_array_equal(load(key).labels, LABELS)
        np.testing.assert_array_equal(load(key).images, IMAGES)
    np.testing.assert_array_equal(load("x_train").labels, LABELS[:6])
    assert len(load("x_train", split="test").images) == len(load("x_test").images) == 3
    for key, parts in (("face", "'faces'"), ("faces,ag", "'age'"), ("a,b,c", "'a'")):
        with pytest.raises(InputError, match=parts):
            load(key)


def test_matlab_files_of_svhn_count_zero_as_ten(tmp_path):
    labels = np.arange(1, 13)[:, None] % 10
    labels[labels == 0] = 10
    turned = random_images(12, 32, 32).transpose(1, 2, 3, 0)
    savemat(tmp_path / "train_32x32.mat", {"X": turned, "y": labels}, do_compression=True)
    savemat(tmp_path / "test_32x32.mat", {"X": turned[..., :5], "y": labels[:5]})
    source = data.load(tmp_path / "train_32x32.mat")
    np.testing.assert_array_equal(source.images, turned.transpose(3, 0, 1, 2))
    assert source.classes == tuple("0123456789")
    np.testing.assert_array_equal(source.labels, labels[:, 0] % 10)
    assert len(data.load(tmp_path / "train_32x32.mat", split="test").images) == 5
    content = (tmp_path / "train_32x32.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(content[:3000])
    with pytest.raises(InputError, match="damaged"):
        data.load(tmp_path / "cut.mat")


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n" + bytes(100), b"MATLAB 7.3" + bytes(600)])
def test_damaged_hdf5_and_a_missing_library_are_one_message(tmp_path, content, monkeypatch):
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(InputError, match="damaged|h5py"):
        data.load(tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'ganbaru\[hdf5\]'"):
        data.load(tmp_path / "a.h5")


def test_hdf5_reads_no_other_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = IMAGES
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["images"] = h5py.ExternalLink("other.h5", "images")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(IMAGES.shape, "u1")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "images", IMAGES.shape)
        file.create_virtual_dataset("images", layout)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        raw = [(str(tmp_path / "other.h5"), 0, IMAGES.size)]
        file.create_dataset("images", IMAGES.shape, "u1", external=raw)
    with h5py.File(tmp_path / "claim.h5", "w") as file:
        file.create_dataset("images", (2**20, 64, 64, 3), "u1", chunks=(1, 64, 64, 3))
    for name in ("link", "virtual", "raw", "claim"):
        with pytest.raises(InputError, match=rf"{name}\.h5"):
            data.load(tmp_path / f"{name}.h5")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", ["binary", "python"])
def test_cifar_100_has_fine_and_coarse_labels(tmp_path, form, packed):
    images = random_images(6, 32, 32)
    rows, fine, coarse = images.transpose(0, 3, 1, 2).reshape(6, -1), [5, 99, 0] * 2, [3, 19, 3] * 2
    batch = {"data": rows, "fine_labels": fine, "coarse_labels": coarse}
    names = {f"{k}_label_names": [f"{k}{i}" for i in range(n)] for k, n in (("fine", 100),)}
    names["coarse_label_names"] = [f"coarse{i}" for i in range(20)]
    if form == "python":
        files = {split: pickle.dumps(batch, 2) for split in ("train", "test")}
        files["meta"] = pickle.dumps(names, 2)
    else:
        records = np.concatenate([np.array([coarse, fine], np.uint8).T, rows], axis=1).tobytes()
        files = {"train.bin": records, "test.bin": records}
        files |= {f"{name}.txt": "\n".join(each).encode() for name, each in names.items()}
    path = tmp_path / f"cifar-100-{form}"
    if packed:
        inside = {f"cifar-100-{form}/{name}": content for name, content in files.items()}
        path = write_tar(tmp_path / "c.tar.gz", inside, "w:gz")
    else:
        path.mkdir()
        for name, content in files.items():
            (path / name).write_bytes(content)
    source = data.load(path)
    np.testing.assert_array_equal(source.images, images)
    assert [source.classes[k] for k in source.labels] == [f"fine{k}" for k in fine]
    source = data.load(path, key="coarse")
    assert [source.classes[k] for k in source.labels] == [f"coarse{k}" for k in coarse]
    assert "coarse" in source.labels_from and len(data.load(path, split="test").images) == 6
    with pytest.raises(InputError, match="'corse'.*'coarse'"):
        data.load(path, key="corse")


def test_stl_10_is_read_upright(tmp_path):
    images, labels = random_images(3, 96, 96), np.array([1, 10, 1], np.uint8)
    columns = images.transpose(0, 3, 2, 1).tobytes()
    for split in ("train", "unlabeled"):
        (tmp_path / f"{split}_X.bin").write_bytes(columns)
    (tmp_path / "train_y.bin").write_bytes(labels.tobytes())
    source = data.load(tmp_path)
    np.testing.assert_array_equal(source.images, images)
    assert [source.classes[k] for k in source.labels] == ["airplane", "truck", "airplane"]
    assert data.load(tmp_path, split="unlabeled").labels is None
    with pytest.raises(SplitError):
        data.load(tmp_path, split="test")
    for name, content in (("train_y.bin", b"\x0b\1\1"), ("train_X.bin", columns[:-1])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            data.load(tmp_path)


@pytest.mark.parametrize("code", [8, 9, 11, 12, 13, 14])
def test_idx_labels_of_every_type_beside_packed_images(tmp_path, code):
    kind = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}[code]
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES[..., 0]))
    head = bytes([0, 0, code, 1]) + struct.pack(">I", 12)
    (tmp_path / "train-labels-idx1-x").write_bytes(head + LABELS.astype(kind).tobytes())
    np.testing.assert_array_equal(data.load(tmp_path).labels, LABELS)


@pytest.mark.parametrize("how", [{"key": "x"}, {"label_file": "x.csv"}])
@pytest.mark.parametrize("what", ["digits", "a.npy"])
def test_options_that_a_set_does_not_have(tmp_path, what, how):
    np.save(tmp_path / "a.npy", IMAGES)
    with pytest.raises(InputError, match="leave .*out"):
        data.load(tmp_path / what if "." in what else what, **how)
