"""What is known of the licence that a run's weights and images are under."""

from __future__ import annotations

from ganbaru import registry
from ganbaru.config import Config


def note(config: Config) -> str:
    """Say what Ganbaru's licence covers, and what is known of the data's."""
    own = "Ganbaru is under the MIT licence, which says nothing of weights and images."
    if config.data in registry.names("data"):
        module = registry.module("data", config.data)
        if known := vars(module).get("LICENCE"):
            return f"{own} The data: {known}."
    return f"{own} Look up what the data's own licence allows before you pass them on."
