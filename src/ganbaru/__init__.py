"""Ganbaru: write a GAN once, run it on any array engine, and trust what comes out.

The public Python API is what `__all__` lists; everything is loaded when first used. Start with:

    run = ganbaru.train(ganbaru.from_preset("digits", minutes=1))  # the run's folder
    images = ganbaru.load(run).sample(16)  # uint8 (16, H, W, C)

Each command has a function of the same name in `ganbaru.api`.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:  # `python -m ganbaru` would import typing.py of the current folder
    from types import ModuleType
    from typing import Any

__version__ = "0.1.0"

# Where each public name lives. Importing ganbaru loads none of them, nor any framework.
_HOMES = {
    "Config": "config",
    "InputError": "errors",
    "RunError": "errors",
    "PRESETS": "presets",
    "anomaly": "latents.anomaly",
    "authenticity": "metrics.memorization",
    "compare": "comparison",
    "describe": "api",
    "directions": "latents.named",
    "doctor": "metrics.diagnosis",
    "edit": "latents.edits",
    "embed": "latents.embedding",
    "evaluate": "metrics.evaluation",
    "explain": "labs.one_step",
    "from_pictures": "gan.recommendation",
    "from_preset": "config",
    "from_pretrained": "export.pretrained",
    "generate": "api",
    "Generator": "sampling.generators",
    "import_weights": "api",
    "lab": "labs",
    "load": "sampling.generators",
    "morph": "api",
    "objective": "gan.objectives",
    "penalty": "gan.penalties",
    "plan": "planning.plan",
    "project": "latents.projected",
    "push_to_hub": "export.hub",
    "save_pretrained": "export.pretrained",
    "train": "api",
    "utility": "metrics.utility",
}
# Packages and modules that are there without an import of their own.
_PACKAGES = ("api", "callbacks", "data")

# Former names of modules that examples and the README imported.
_RENAMED = {
    "film": "sampling.video",
    "importing": "export.pytorch_import",
    "media": "sampling.image_io",
}

__all__ = [  # __init__.pyi has the same, with types, for type checkers and editors
    "PRESETS",
    "Config",
    "Generator",
    "InputError",
    "RunError",
    "__version__",
    "anomaly",
    "api",
    "authenticity",
    "callbacks",
    "compare",
    "data",
    "describe",
    "directions",
    "doctor",
    "edit",
    "embed",
    "evaluate",
    "explain",
    "from_pictures",
    "from_preset",
    "from_pretrained",
    "generate",
    "import_weights",
    "lab",
    "load",
    "morph",
    "objective",
    "penalty",
    "plan",
    "project",
    "push_to_hub",
    "save_pretrained",
    "train",
    "utility",
]


def __getattr__(name: str) -> Any:
    if name in _RENAMED or name in _PACKAGES:
        return importlib.import_module(f"ganbaru.{_RENAMED.get(name, name)}")
    if name not in _HOMES:
        raise AttributeError(f"module 'ganbaru' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ganbaru.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Renamed:
    """Finder and loader of the modules' former names, as in `import ganbaru.importing`."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        former = name.removeprefix("ganbaru.")
        loader: Any = _Renamed
        return ModuleSpec(name, loader) if former != name and former in _RENAMED else None

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Let Python make the module that the present one replaces."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        sys.modules[module.__name__] = __getattr__(module.__name__.removeprefix("ganbaru."))


_finder: Any = _Renamed
sys.meta_path.append(_finder)
