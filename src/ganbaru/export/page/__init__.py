"""A generator as a page: one HTML file that draws its pictures itself, without server or network.

`plan` makes the network small enough to carry along, `packing` its weights, `kernel` the product of
matrices that the browser computes with; the page itself is the .html, .css and .js beside them.
"""

from __future__ import annotations

from pathlib import Path

from ganbaru import files
from ganbaru.errors import InputError
from ganbaru.export.page import directions, html, packing, plan
from ganbaru.export.weights import size
from ganbaru.sampling.players import Player

MOST_BYTES = 100_000_000  # of a page: a phone holds the text, its bytes and the numbers at once


def write(path: Path, player: Player, precision: str) -> list[str]:
    """Write a generator as a page; returns lines that tell of it."""
    page = text(player, precision)
    files.write_text(path, page)
    code = html.code_bytes()
    return [
        f"{path}: {size(path)}, of which code {code / 1e3:,.0f} kB; weights in "
        f"{packing.PACKINGS[precision].bits} bits",
        "open it in a browser, on a desktop or a phone: it needs no server and no network",
    ]


def text(player: Player, precision: str = "float16") -> str:
    """Return a generator as a page, HTML.

    `precision` float16 stores weights in 16 bits (whole numbers with a scale for each row),
    float32 as they are. Raises InputError for a discriminator, for a network with an operation
    that pages have not, and for a model too large.
    """
    if len(player.shape) != 1:
        raise InputError(
            f"A page draws pictures, which the {player.name} does not: export the generator, or "
            f"give a name ending in .onnx or .safetensors."
        )
    packer = packing.Packer(precision)
    _check_size(player, packer.bits)
    result = plan.traced(player)
    nodes = plan.plan(result, packer)
    found = directions.main(result, *player.shape)
    return html.page(player, nodes, bytes(packer.content), packer.bits, found)


def _check_size(player: Player, bits: int) -> None:
    """Raise InputError for weights that, written as text, leave no room in a page."""
    count = sum(array.size for array in player.parameters.values())
    expected = count * bits // 8 * 4 // 3  # base64: 4 letters for 3 bytes
    if expected > MOST_BYTES:
        raise InputError(
            f"The page would have {expected / 1e6:,.0f} MB ({count:,} weights in {bits} bits), and "
            f"browsers, phones above all, open up to {MOST_BYTES / 1e6:,.0f} MB well: take a name "
            f"ending in .onnx, ganbaru serve, or train with a smaller --width."
        )
