"""Export a generator as a page: one HTML file that runs it in the browser, without a server.

`plan` turns the network into a list of operations, `packing` encodes the weights, `html` puts both
into the page; multiply.wat is the matrix product in WebAssembly, and the runtime is JavaScript.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganbaru import files
from ganbaru.errors import InputError
from ganbaru.export.page import directions as sliders
from ganbaru.export.page import html, packing, plan
from ganbaru.export.page.html import SeedMap
from ganbaru.export.weights import size
from ganbaru.report import frame
from ganbaru.report.credits import UNSAID, Credits
from ganbaru.sampling import directions as stored
from ganbaru.sampling.directions import Directions
from ganbaru.sampling.players import Player

HEADER = frame.header()
MAX_BYTES = 100_000_000  # a phone holds the page's text, its bytes and the numbers at once


def write(
    path: Path, player: Player, precision: str, credits: Credits = UNSAID, **parts: Any
) -> list[str]:
    """Write a generator as a page; returns a summary. `parts` are further arguments of `text`."""
    page = text(player, precision, credits, **parts)
    files.write_text(path, page)
    code = html.code_bytes()
    return [
        f"{path}: {size(path)}, of which code {code / 1e3:,.0f} kB; weights in "
        f"{packing.PACKINGS[precision].bits} bits",
        "open it in any browser, on a desktop or a phone: it needs no server and no network",
    ]


def text(
    player: Player,
    precision: str = "float16",
    credits: Credits = UNSAID,
    header: str = HEADER,
    directions: Directions | None = None,
    seed_map: SeedMap | None = None,
    projections: str = "",
) -> str:
    """Return a generator as HTML, with the run's name as title if `credits` have none.

    `precision` float16 stores weights as 16-bit integers with a scale for each row, float32
    unchanged. `directions` get sliders with their names (None: all of the run's), `seed_map` shows
    where seeds are, and `projections` is the address to which a service takes pictures. Raises
    InputError for a discriminator, an operation that pages lack, and a model that is too large.
    """
    if len(player.shape) != 1:
        raise InputError(
            f"A page generates images, which the {player.name} cannot: export the generator, or "
            f"give a name ending in .onnx or .safetensors."
        )
    packer = packing.Packer(precision)
    _check_size(player, packer.bits)
    result = plan.traced(player)
    nodes = plan.plan(result, packer)
    named = stored.of(player) if directions is None else directions
    model = {
        "nodes": nodes,
        "bits": packer.bits,
        **sliders.listed(sliders.main(result, *player.shape), named),
        "map": None if seed_map is None else html.mapped(seed_map),
        "projections": projections,
    }
    return html.page(player, model, bytes(packer.content), credits, header)


def _check_size(player: Player, bits: int) -> None:
    """Raise InputError for weights that are too large for a page, encoded as base64."""
    count = sum(array.size for array in player.parameters.values())
    expected = count * bits // 8 * 4 // 3  # base64: 4 characters for 3 bytes
    if expected > MAX_BYTES:
        raise InputError(
            f"The page would have {expected / 1e6:,.0f} MB ({count:,} weights in {bits} bits), and "
            f"the limit is {MAX_BYTES / 1e6:,.0f} MB for the sake of phones: export to .onnx, use "
            f"`ganbaru serve`, or train with a smaller --width."
        )
