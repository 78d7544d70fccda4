"""Self-attention against its equations in NumPy, and where the network `sagan` applies it."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import normal
from native_helpers import save
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

from ganbaru import InputError, export, nn
from ganbaru.config import Config
from ganbaru.gan import models
from ganbaru.nn.initializers import INITIALISATIONS

HE = INITIALISATIONS["he"]


def test_softmax_does_not_overflow():
    x = normal(3, 5) * 1e4
    assert_allclose(nn.softmax(x), softmax(x, axis=-1), atol=1e-15)


@pytest.mark.parametrize("shape", [(2, 16, 4, 6), (2, 3, 3, 4)])
def test_attention_is_its_equations(shape):
    """Zhang et al. 2019, eq. 1 to 3, a position at a time; pooled where both sides are even."""
    n, channels, height, width = shape
    x = normal(*shape)
    parameters, _ = nn.initialise(nn.self_attention, shape, seed=0, initialisation=HE)
    assert parameters["gamma"] == 0
    same, _ = nn.apply(nn.self_attention, parameters, {}, x, training=True)
    assert_array_equal(same, x)
    parameters["gamma"] = np.array([0.7])
    found, _ = nn.apply(nn.self_attention, parameters, {}, x, training=True)

    def projected(name):
        return np.einsum("oc,nchw->nohw", parameters[f"{name}.weight"][:, :, 0, 0], x)

    query, key, value = map(projected, ("query", "key", "value"))
    assert query.shape[1] == key.shape[1] == max(1, channels // 8)
    if height % 2 == 0 and width % 2 == 0:
        key, value = (
            y.reshape(n, -1, height // 2, 2, width // 2, 2).max(axis=(3, 5)) for y in (key, value)
        )
    for i, row, column in np.ndindex(n, height, width):
        similar = np.einsum("c,chw->hw", query[i, :, row, column], key[i])
        beta = softmax(similar)
        attended = parameters["output.weight"][:, :, 0, 0] @ np.einsum("hw,chw->c", beta, value[i])
        expected = x[i, :, row, column] + 0.7 * attended
        assert_allclose(found[i, :, row, column], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("size", "attended"),
    [((16, 16), (8, 8)), ((28, 28), (14, 14)), ((256, 256), (32, 32)), ((24, 256), (12, 128))],
)
def test_both_networks_attend_at_one_size(size, attended):
    config, shape = Config(network="sagan", width=8), (*size, 3)
    for network, shapes in zip(
        models.networks(config, shape, 0), models.input_shapes(config, shape, 0), strict=True
    ):
        _, records = nn.trace(network, *shapes)
        at = [r.shape[2:] for r in records if any("query" in name for name in r.parameters)]
        assert at == [attended]


def test_a_page_refuses_attention_and_names_onnx(tmp_path):
    run = save(tmp_path, network="sagan", conditioning="none")
    with pytest.raises(InputError, match=r"page cannot.*\.onnx"):
        export.write(run.folder.path, tmp_path / "page.html")
