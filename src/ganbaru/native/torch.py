"""PyTorch shells: a trained network as a `torch.nn.Module`; and PyTorch's files of weights."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import native, nn, ops
from ganbaru.errors import InputError
from ganbaru.nn import Scope
from ganbaru.sampling.players import Player, load_player

try:
    import torch
except ImportError as error:
    raise native.missing("torch") from error


class Layer(torch.nn.Module):
    """The parameters of a layer, or the layers below it; hooks see what the layer is given."""

    def forward(self, x: torch.Tensor, *, compute: Callable) -> torch.Tensor:
        """Compute what the network has this layer compute of x."""
        result: torch.Tensor = compute(x)
        return result

    def extra_repr(self) -> str:
        """Say what the layer holds."""
        own = (*self._parameters.items(), *self._buffers.items())
        return ", ".join(f"{name} {tuple(x.shape)}" for name, x in own if x is not None)


class Network(torch.nn.Module):
    """A generator or discriminator; the keys of its `state_dict` are the checkpoint's names.

    In training mode batch norm uses the batch's statistics and moves the running ones, in
    evaluation mode it uses the running ones.
    """

    def __init__(self, player: Player) -> None:
        super().__init__()
        self._player = player
        for kind in (torch.Tensor, torch.nn.Parameter):
            ops.engine(kind())  # now, or torch.compile would meet the engine's import and stop
        # In plain order, not channels-last as in the engine: safetensors save nothing else.
        for path, array in player.parameters.items():
            layer, name = self._place(path)
            layer.register_parameter(name, torch.nn.Parameter(torch.tensor(array)))
        for path, array in player.buffers.items():
            layer, name = self._place(path)
            layer.register_buffer(name, torch.tensor(array))

    def _place(self, path: str) -> tuple[torch.nn.Module, str]:
        """Return the layer that holds a tensor, made if need be, and the tensor's name there."""
        *parents, name = path.split(".")
        layer: torch.nn.Module = self
        for parent in parents:
            if parent not in layer._modules:
                layer.add_module(parent, Layer())
            layer = getattr(layer, parent)
        return layer, name

    def forward(self, x: torch.Tensor, labels: Any = None) -> torch.Tensor:
        """Turn latents (N, Z) into images (N, C, H, W) in [-1, 1], or images into scores.

        `labels` are whole numbers (N,) or weights of the classes (N, classes).
        """
        given = None if labels is None else _labels(labels, x)
        now = None if given is None or torch.compiler.is_compiling() else given.detach().cpu()
        native.check_inputs(self._player, x.shape, None if given is None else given.shape, now)
        layers = {name: layer for name, layer in self.named_modules() if name}

        def intercept(scope: Scope, compute: Callable, x: torch.Tensor) -> torch.Tensor:
            layer = layers.get(scope.path)
            return compute(x) if layer is None else layer(x, compute=compute)

        buffers = dict(self.named_buffers())
        result, moved = nn.apply(
            self._player.network, dict(self.named_parameters()), buffers, x, given,
            training=self.training, hooks=nn.LayerHooks(intercept=intercept),
        )  # fmt: skip
        with torch.no_grad():
            for name in moved if self.training else ():
                buffers[name].copy_(moved[name])
        return result


def _labels(labels: Any, like: torch.Tensor) -> torch.Tensor:
    """Return labels as a tensor beside `like`, whole numbers as int64."""
    given = torch.as_tensor(labels, device=like.device)
    return given.to(like.dtype) if given.is_floating_point() else given.long()


def module(run: str | Path, player: str = "generator", which: str = "newest") -> Network:
    """Load a run's network as a `torch.nn.Module`, on the CPU and in evaluation mode.

    `run` and `which` are as in `ganbaru.load`; `player` is one of `ganbaru.native.PLAYERS`. Raises
    InputError for what is unknown, missing or damaged.
    """
    return Network(load_player(run, which, player)).eval()


# --- files ------------------------------------------------------------------------------------


def read(path: Path) -> Any:
    """Read what `torch.save` wrote, tensors as NumPy arrays; nothing in the file is executed."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds Python objects and not only tensors, perhaps a whole pickled module: "
            f"reading it could run any code, so it is refused. In the program that made it, save "
            f"the weights alone: torch.save(model.state_dict(), 'weights.pth')."
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f"Cannot read {path} as a file of PyTorch's: {str(error).splitlines()[0]}."
        ) from error
    return _arrays(found)


def _arrays(found: Any) -> Any:
    """Turn the tensors in nested dictionaries into arrays, short floating types into float32."""
    if isinstance(found, Mapping):
        return {key: _arrays(value) for key, value in found.items()}
    if not isinstance(found, torch.Tensor):
        return found
    short = found.is_floating_point() and found.itemsize < np.dtype("float32").itemsize
    array: np.ndarray = (found.float() if short else found).detach().numpy()
    return array
