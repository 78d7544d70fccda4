"""The licence that a run's weights and images are under, as far as it is known."""

from __future__ import annotations

from ganbaru import registry
from ganbaru.config import Config
from ganbaru.data.dataset import declared


def note(config: Config) -> str:
    """Return what Ganbaru's licence covers, and the licence of a known data set."""
    own = "Ganbaru is under the MIT licence, which says nothing of weights and images."
    # A module of the user's own is not imported for this: the name may be from another's file.
    if config.data in registry.names("data"):
        dataset = declared(config.data)
        if dataset and dataset.licence:
            return f"{own} The data: {dataset.licence}."
    return f"{own} Look up what the data's own licence allows before you pass them on."
