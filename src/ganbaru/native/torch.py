"""Trained networks in PyTorch, as a `torch.nn.Module`; reads PyTorch's weight files."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ganbaru import native, nn, ops
from ganbaru.nn import Scope
from ganbaru.sampling.players import Player, load_player

try:
    import torch
except ImportError as error:
    raise native.missing("torch") from error


class Layer(torch.nn.Module):
    """A layer's parameters and sublayers; forward hooks see its input and output."""

    def forward(self, x: torch.Tensor, *, compute: Callable) -> torch.Tensor:
        """Return ``compute(x)``, the network's own computation for this layer."""
        result: torch.Tensor = compute(x)
        return result

    def extra_repr(self) -> str:
        """Return the names and shapes of the layer's tensors."""
        own = (*self._parameters.items(), *self._buffers.items())
        return ", ".join(f"{name} {tuple(x.shape)}" for name, x in own if x is not None)


class Network(torch.nn.Module):
    """A generator or discriminator; the keys of its `state_dict` are the checkpoint's names.

    In training mode batch norm uses the batch's statistics and updates the running ones, in
    evaluation mode it uses the running ones.
    """

    def __init__(self, player: Player) -> None:
        super().__init__()
        self._player = player
        for kind in (torch.Tensor, torch.nn.Parameter):
            ops.engine(kind())  # imports the engine now, since torch.compile cannot trace an import
        # Contiguous, not channels-last as in the engine: safetensors saves nothing else.
        for path, array in player.parameters.items():
            layer, name = self._place(path)
            layer.register_parameter(name, torch.nn.Parameter(torch.tensor(array)))
        for path, array in player.buffers.items():
            layer, name = self._place(path)
            layer.register_buffer(name, torch.tensor(array))

    def _place(self, path: str) -> tuple[torch.nn.Module, str]:
        """Return the layer of a tensor, created if necessary, and the tensor's name in it."""
        *parents, name = path.split(".")
        layer: torch.nn.Module = self
        for parent in parents:
            if parent not in layer._modules:
                layer.add_module(parent, Layer())
            layer = getattr(layer, parent)
        return layer, name

    def forward(self, x: torch.Tensor, labels: Any = None) -> torch.Tensor:
        """Map latents (N, Z) to images (N, C, H, W) in [-1, 1], or images to scores.

        `labels` are integers (N,) or class weights (N, classes).
        """
        given = None if labels is None else _labels(labels, x)
        now = None if given is None or torch.compiler.is_compiling() else given.detach().cpu()
        native.check_inputs(self._player, x.shape, None if given is None else given.shape, now)
        layers = {name: layer for name, layer in self.named_modules() if name}

        def intercept(scope: Scope, compute: Callable, x: torch.Tensor) -> torch.Tensor:
            layer = layers.get(scope.path)
            return compute(x) if layer is None else layer(x, compute=compute)

        buffers = dict(self.named_buffers())
        result, updated = nn.apply(
            self._player.network,
            dict(self.named_parameters()),
            buffers,
            x,
            given,
            training=self.training,
            hooks=nn.LayerHooks(intercept=intercept),
        )
        with torch.no_grad():
            for name in updated if self.training else ():
                buffers[name].copy_(updated[name])
        return result


def _labels(labels: Any, like: torch.Tensor) -> torch.Tensor:
    """Return labels as a tensor on the device of `like`, integers as int64."""
    given = torch.as_tensor(labels, device=like.device)
    return given.to(like.dtype) if given.is_floating_point() else given.long()


def module(
    run: str | Path,
    player: str = "generator",
    which: str = "auto",
    *,
    trust: Collection[str] = (),
) -> Network:
    """Load a run's network as a `torch.nn.Module`, on the CPU and in evaluation mode.

    `run`, `which` and `trust` are as in `ganbaru.load`; `player` is one of
    `ganbaru.native.PLAYERS`. Raises InputError for an unknown player or a missing or damaged
    checkpoint.
    """
    return Network(load_player(run, which, player, trust)).eval()
