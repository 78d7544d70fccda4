"""Trained networks as PyTorch modules: typical uses."""

from __future__ import annotations

import copy
import shutil
from itertools import product

import numpy as np
import pytest
from native_helpers import PLAYERS, RUNS, inputs, save
from numpy.testing import assert_allclose
from train_helpers import newest

from ganbaru import native, nn, ops
from ganbaru.training import loop

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", params=RUNS)
def run(request, tmp_path_factory) -> loop.Run:
    return save(tmp_path_factory.mktemp(request.param), **RUNS[request.param])


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> loop.Run:
    """Return a run with labels."""
    return save(tmp_path_factory.mktemp("one"))


def module(run: loop.Run, player: str = "generator"):
    from ganbaru.native import torch as shells

    return shells.module(run.folder.path, player)


def tensors(run: loop.Run, player: str = "generator") -> list:
    return [torch.tensor(x) for x in inputs(run, player)]


@pytest.mark.parametrize("player", native.PLAYERS)
def test_state_dict_has_the_checkpoints_names(player, run, tmp_path):
    from safetensors.torch import load_file, save_file

    found, groups = module(run, player), newest(run.folder.path)[0]
    group, _ = native.PLAYERS[player]
    state = found.state_dict()
    assert state.keys() == {*groups[group], *groups[f"{group}_buffers"]}
    assert {name for name, _ in found.named_parameters()} == groups[group].keys()
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pth")
    for again in (load_file(tmp_path / "w.safetensors"), torch.load(tmp_path / "w.pth")):
        other = module(run, player)
        for tensor in other.state_dict().values():
            tensor.zero_()
        other.load_state_dict(again)
        assert torch.equal(other(*tensors(run, player)), found(*tensors(run, player)))


def test_can_be_moved_copied_and_frozen(one):
    found, (latents, labels) = module(one), tensors(one)
    assert not found.training
    wide = copy.deepcopy(found).to(torch.float64)
    y = wide(latents.double(), labels)
    assert y.dtype == torch.float64 and {x.dtype for x in wide.buffers()} == {torch.float64}
    assert_allclose(y.detach().numpy(), found(latents, labels).detach().numpy(), atol=1e-5)
    assert found(latents, labels.int()).dtype == torch.float32
    last = found.to(memory_format=torch.channels_last)(latents, labels.tolist())
    assert_allclose(last.detach().numpy(), y.detach().numpy(), atol=1e-5)
    found.requires_grad_(False)
    assert not found(latents, labels).requires_grad
    assert {x.device.type for x in found.to("meta").state_dict().values()} == {"meta"}


@pytest.mark.parametrize("player", PLAYERS)
def test_gradients_agree_with_the_numpy_engine(player, run):
    """In both modes, with respect to every parameter and the input."""
    group, kind = native.PLAYERS[player]
    for training_mode in (False, True):
        found, given = module(run, player).train(training_mode).double(), inputs(run, player)
        x = torch.tensor(given[0]).double().requires_grad_()
        (found(x, *map(torch.tensor, given[1:])) ** 2).sum().backward()
        wide = {n: a.astype(np.float64) for n, a in run.state[group].items()}

        def loss(p, given=given, mode=training_mode):
            buffers = {n: a.astype(np.float64) for n, a in run.state[f"{group}_buffers"].items()}
            parameters = {name: t for name, t in p.items() if name}
            network = getattr(run.gan, kind)
            y, _ = nn.apply(network, parameters, buffers, p[""], *given[1:], training=mode)
            return ops.sum(y**2), None

        _, _, slopes = ops.value_and_grad(loss, {**wide, "": given[0].astype(np.float64)})
        for name, slope in {**dict(found.named_parameters()), "": x}.items():
            scale = np.abs(slopes[name]).max()
            assert_allclose(slope.grad.numpy(), slopes[name], atol=1e-8 * max(1, scale))


def test_trains_in_a_plain_loop(one):
    """Adam, with two forward passes before one backward pass, reduces the loss."""
    found, given = module(one, "discriminator").train(), tensors(one, "discriminator")
    adam = torch.optim.Adam(found.parameters(), lr=1e-3)
    losses = []
    for _ in range(10):
        loss = torch.nn.functional.softplus(-found(*given)).mean()
        loss = loss + torch.nn.functional.softplus(found(given[0] * 0.1, given[1])).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


def test_hooks_see_every_layer(run):
    """In order, with input and output; a hook's return value replaces the output."""
    for player in PLAYERS:
        found, seen = module(run, player), {}
        handles = [
            layer.register_forward_hook(
                lambda layer, given, y, name=name, seen=seen: seen.update({name: (given[0], y)})
            )
            for name, layer in found.named_modules()
        ]
        y = found(*tensors(run, player))
        owners = {name.rpartition(".")[0] for name in found.state_dict()}
        assert owners <= seen.keys() and list(seen)[-1] == ""
        assert seen[""][1] is y
        for handle in handles:
            handle.remove()
    layer = found.get_submodule(next(iter(owners)))
    layer.register_forward_hook(lambda layer, given, y: y * 0)
    assert not torch.equal(found(*tensors(run, player)), y)


def test_hooks_see_what_a_layer_computes(one):
    found, seen = module(one), []
    found.up1.conv.register_forward_hook(lambda layer, given, y: seen.append((given[0], y)))
    found(*tensors(one))
    ((x, y),) = seen
    weight = found.state_dict()["up1.conv.weight"]
    other = torch.nn.functional.conv_transpose2d(x, weight, stride=2, padding=1)
    assert_allclose(y.detach().numpy(), other.detach().numpy(), atol=1e-6)


def test_repr_lists_the_layers(one):
    assert "(conv): Layer(weight (11, 8, 4, 4))" in repr(module(one))


def compiles(run: loop.Run, player: str, backend: str) -> None:
    torch._dynamo.reset()
    given = tensors(run, player)
    for training_mode in (False, True):
        plain, other = (module(run, player).train(training_mode) for _ in range(2))
        compiled = torch.compile(other, backend=backend, fullgraph=True)
        y, z = plain(*given), compiled(*given)
        assert_allclose(z.detach().numpy(), y.detach().numpy(), atol=1e-5)
        y.square().sum().backward()
        z.square().sum().backward()
        for one, two in zip(plain.parameters(), other.parameters(), strict=True):
            scale = max(1.0, one.grad.abs().max().item())
            assert_allclose(two.grad.numpy(), one.grad.numpy(), atol=1e-4 * scale)
        for one, two in zip(plain.buffers(), other.buffers(), strict=True):
            assert_allclose(two.numpy(), one.numpy(), atol=1e-5)


# Minibatch deviation changes the discriminator only.
COMPILED = [
    *product(["projection", "planes-patchgan", "class-norm-spectral"], PLAYERS),
    ("deviation", "discriminator"),
]


def forget_tensors(monkeypatch) -> None:
    """Restore the engines of tensor types to those of a process that has computed nothing yet."""
    own = {kind: e for kind, e in ops._engines.items() if kind.__module__.startswith("ganbaru.")}
    monkeypatch.setattr(ops, "_engines", own)


@pytest.mark.compiled
@pytest.mark.parametrize(("run", "player"), COMPILED, indirect=["run"])
def test_compiles_without_a_graph_break(player, run, monkeypatch):
    forget_tensors(monkeypatch)
    compiles(run, player, "aot_eager")


@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # PyTorch's own, of its compiler
def test_compiles_to_machine_code(one, monkeypatch):
    torch._dynamo.reset()
    forget_tensors(monkeypatch)
    given, found = tensors(one), module(one).requires_grad_(False)
    y = torch.compile(found, fullgraph=True)(*given)
    assert_allclose(y.numpy(), found(*given).numpy(), atol=1e-5)
