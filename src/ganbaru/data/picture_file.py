"""Opening picture files: the one place where a file's bytes reach Pillow.

Formats are an explicit list: Pillow gives others to outside programs (PostScript to Ghostscript).
"""

from __future__ import annotations

import functools
import importlib.util
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru.data import claims

if TYPE_CHECKING:
    from PIL import Image  # 30 ms, and only needed where pictures are decoded

# By content, whatever the suffix. Pillow's older than 11.3 have no AVIF: see `open_picture`.
FORMATS = (
    *("PNG", "JPEG", "GIF", "BMP", "DIB", "PPM", "WEBP", "TIFF"),
    *("ICO", "TGA", "JPEG2000", "AVIF"),
)
OWN = ("PNG",)  # of a run's own pictures, which are read back for its report and films
OWN_BYTES = 2**30  # of an own picture's pixels: flat ones, of a collapsed run, pack very well
ICON, MAX_INNER = b"\0\0\1\0", 64
FTYP = b"ftyp"  # the mark of AVIF, HEIC and films
MAX_SIDE = 65_535  # a JPEG's
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # EXIF's field, and its values that swap the sides
NO_DECODER = "no decoder"  # begins the reason of a file in a format that Pillow lacks
# Of the formats that share a container, the words that follow its mark.
BRANDS = {"AVIF": ("avif", "avis"), "HEIC": ("heic", "heix", "hevc", "heim", "heis", "mif1")}


class UnreadableError(Exception):
    """A picture file cannot be decoded; the message is the reason in a few words."""


def open_picture(
    data: bytes, formats: tuple[str, ...] = FORMATS, free: int = claims.FREE
) -> Image.Image:
    """Return a picture in one of `formats`, whose pixels Pillow decodes when they are needed.

    Raises ClaimError if its pixels would take over `free` bytes that the file does not explain,
    and whatever Pillow raises for other damage.
    """
    from PIL import Image, UnidentifiedImageError

    if data.startswith(ICON) and "ICO" in formats:  # opening one decodes the pictures in it
        for inner in _inner_pictures(data):
            open_picture(inner, ("PNG", "DIB"), free)
    _also_white_is_zero()
    if data[4:8] == FTYP and formats is FORMATS and decodes_heic():
        formats = (*formats, "HEIF")
    stream = claims.Stream(data)
    try:
        image = Image.open(stream, formats=formats)
    except KeyError as error:  # the last format, AVIF, is unknown to this Pillow
        raise UnidentifiedImageError("not a picture") from error
    stream.left += len(data) // 128  # for pixels, in blocks of 255 bytes or more
    for width, height in (image.size, _tile(image)):
        if max(width, height) > MAX_SIDE:
            raise claims.ClaimError(f"is {width} x {height}, and {MAX_SIDE} is the most for a side")
        claims.require(width * height * (1 if image.mode in ("1", "L") else 4), len(data), free)
    return image


@functools.cache
def decodes_heic() -> bool:
    """Return whether pillow-heif is installed, and let Pillow open what it decodes."""
    if not importlib.util.find_spec("pillow_heif"):
        return False
    importlib.import_module("pillow_heif").register_heif_opener(thumbnails=False)
    return True


@functools.cache
def _also_white_is_zero() -> None:
    """Add a kind of TIFF that Pillow lacks: 16 bits in the other order of bytes, 0 being white."""
    from PIL.TiffImagePlugin import MM, OPEN_INFO

    OPEN_INFO.setdefault((MM, 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))


def shown_size(image: Image.Image) -> tuple[int, int]:
    """Return the height and width of an open picture as it is shown, by its EXIF orientation."""
    # Pillow decodes a PNG to look for EXIF data after the pixels.
    exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
    width, height = image.size
    return (width, height) if exif.get(ORIENTATION) in TURNED else (height, width)


def later_frames(image: Image.Image) -> int:
    """Return how many pages or frames follow the one that was decoded; 0 if they are damaged."""
    try:
        return max(0, int(getattr(image, "n_frames", 1)) - 1)
    # Pillow finds them by reading on, and raises anything for damage.
    except Exception:
        return 0


def _inner_pictures(data: bytes) -> list[bytes]:
    """Return the files in an icon, each a PNG or a BMP without its first header."""
    count = int.from_bytes(data[4:6], "little")
    if count > MAX_INNER:
        raise claims.ClaimError(f"is an icon of {count:,} pictures")
    places = (struct.unpack_from("<2I", data, 14 + 16 * k) for k in range(count))
    return [data[start : start + size] for size, start in places]


def _tile(image: Image.Image) -> tuple[int, int]:
    """Return the size of a TIFF's tiles, which are decoded whole; (0, 0) without tiles."""
    from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    return int(tags.get(TILEWIDTH, 0)), int(tags.get(TILELENGTH, 0))


def own_picture(path: Path) -> tuple[Image.Image, bytes]:
    """Return a picture that a run wrote, decoded, and the file's content.

    Raises UnreadableError, whatever is wrong with the file.
    """
    try:
        data = claims.read_regular(path)
        picture = open_picture(data, OWN, OWN_BYTES)
        picture.load()  # all of it, so that a file cut short raises here
        return picture, data
    except Exception as error:
        raise UnreadableError(reason(error)) from error


def brief(error: Exception) -> str:
    """Return the first words of an error, since some libraries quote half the file."""
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    text = getattr(error, "strerror", None) or str(error)
    return str(text).rstrip(".")[:80] or type(error).__name__


def reason(error: Exception, data: bytes = b"") -> str:
    """Return why the picture file `data` cannot be decoded, in a few words."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        brand = data[8:12].decode("latin-1") if data[4:8] == FTYP else ""
        name = next((name for name, brands in BRANDS.items() if brand in brands and brand), "")
        if name == "HEIC" and decodes_heic():
            return "damaged"
        extra = ", which the extra ganbaru[heic] has" * (name == "HEIC")
        return f"{NO_DECODER} for {name}{extra}" if name else "not a picture"
    if isinstance(error, Image.DecompressionBombError):
        return "more pixels than a picture may have"
    return brief(error)
