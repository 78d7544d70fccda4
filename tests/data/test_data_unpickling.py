"""Loading data never executes code from a pickle."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from ganbaru import InputError, data


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["cats_datasets_npy.pickle", "data_batch_1", "images.npy"])
def test_loading_data_runs_no_code(tmp_path, name):
    sprung = tmp_path / "sprung"
    trap = np.array([Trap(sprung)], dtype=object)
    if name.endswith("npy"):
        np.save(tmp_path / name, trap, allow_pickle=True)
    else:
        (tmp_path / name).write_bytes(pickle.dumps({"data": trap, "labels": [0]}))
    with pytest.raises(InputError):
        data.load(tmp_path / name)
    assert not sprung.exists()
    with (tmp_path / name).open("rb") as file:  # the trap does work
        np.load(file, allow_pickle=True) if name.endswith("npy") else pickle.load(file)
    assert sprung.exists()
