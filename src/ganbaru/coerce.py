"""Conversion of text, YAML and Python values to the types of options."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ganbaru.errors import InputError, shortened


def _whole(value: Any) -> int:
    text = str(value)
    number = int(text) if text.lstrip("+-").isdigit() else float(text)  # 1e5 is whole too
    if number != number // 1:  # nan as well
        raise ValueError(text)
    return int(number)


def _number(value: Any) -> float:
    number = float(str(value))  # as text, so that True is not a number
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    if not isinstance(value, (str, int, float, Path)) or isinstance(value, bool):
        raise TypeError(value)
    return str(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _pair(value: Any) -> tuple[float, float]:
    first, second = value
    return _number(first), _number(second)


Interval = tuple[float, float]  # the lowest and the highest value
AUTO = "auto"


def parse_size(text: str) -> tuple[int, int]:
    """Turn "64" or "48x64" into (height, width)."""
    if not is_size(text):
        raise InputError(f"--image-size {text} is out of range: give {SIZE}.")
    height, _, width = text.lower().partition("x")
    return int(height), int(width or height)


MAX_SIDE = 65_536
SIZE = "a side such as 64, or height and width such as 48x64"


def is_size(text: str) -> bool:
    """Return whether a text is a side, or height and width."""
    sides = text.lower().split("x")
    return len(sides) in (1, 2) and all(
        side.isdecimal() and len(side) < 6 and 0 < int(side) <= MAX_SIDE for side in sides
    )


RANGE = "auto, or the values of black and white such as 0:4095"


def parse_range(text: str) -> Interval | None:
    """Turn "0:4095" into (0.0, 4095.0), and "auto" into None."""
    if text == AUTO:
        return None
    try:
        low, high = map(_number, text.split(":"))
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise InputError(f"--range {shown(text)} is out of range: give {RANGE}.")
    return low, high


def is_range(text: str) -> bool:
    """Return whether a text is a range of values."""
    try:
        parse_range(text)
    except InputError:
        return False
    return True


def range_text(interval: Interval) -> str:
    """Return a range as `parse_range` reads it, without loss."""
    return ":".join(repr(value).removesuffix(".0") for value in interval)


class Mode(NamedTuple):
    """How images of some number of channels are called, by us and in files."""

    name: str
    pillow: str  # the mode of Pillow's
    png: int  # the colour type of PNG


MODES = {
    1: Mode("grey", "L", 0),
    3: Mode("colour", "RGB", 2),
    4: Mode("colour with transparency", "RGBA", 6),
}
COLOUR = "a colour such as white, black or #1a2b3c"


def parse_colour(text: str) -> tuple[int, int, int]:
    """Turn a name or #rrggbb into red, green and blue, 0 to 255."""
    from PIL import ImageColor  # 30 ms, and only needed where a colour is given

    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
        if alpha or max(red, green, blue) > 255:
            raise ValueError(text)
    except ValueError as error:
        raise InputError(f"--background {shown(text)} is unknown: give {COLOUR}.") from error
    return red, green, blue


def check_background(background: str | None, channels: int | None) -> None:
    """Raise InputError for an unknown colour, and for one behind images that keep transparency."""
    if background is not None:
        parse_colour(background)
        if channels == 4:
            raise InputError(
                f"--channels 4 keeps transparency and --background {shown(background)} fills it: "
                f"give one of them."
            )


# The conversion to each type, and the type's name in messages.
TYPES: dict[Any, tuple[Callable[[Any], Any], str]] = {
    int: (_whole, "a whole number"),
    float: (_number, "a number"),
    str: (_text, "a text"),
    bool: (_switch, "true or false"),
    tuple[float, float]: (_pair, "two numbers"),
}


def convert(of: Any, name: str, value: Any) -> Any:
    """Return a value converted to type `of`, or raise an InputError that names it `name`."""
    converted, type_name = TYPES[of]
    try:
        return converted(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} {shown(value)} is not {type_name}.") from error


def shown(value: Any) -> str:
    """Return a value as it is written on the command line, at most 80 characters of it."""
    text = " ".join(map(str, value[:20])) if isinstance(value, (tuple, list)) else str(value)
    return shortened(text)


# --- ranges -----------------------------------------------------------------------------------

Allowed = tuple[str, Callable[[Any], bool]]  # what is allowed, in words, and whether a value is

# Upper bounds are far above what is useful: a damaged file must not ask for the machine's memory.
MOST = 10**15


def at_least(least: int, most: int = MOST) -> Allowed:
    """Return the range of whole numbers from `least` to `most`."""
    above = f" to {most:,}" if most < MOST else ""
    return f"a whole number from {least}{above}", lambda value: least <= value <= most


ANY: Allowed = ("anything", lambda value: True)
COUNT, WHOLE = at_least(0), at_least(1)
POSITIVE: Allowed = ("a number above 0, up to 1e30", lambda value: 0 < value <= 1e30)
CHANNELS: Allowed = ("1 (grey), 3 (RGB) or 4 (RGBA)", lambda value: value in MODES)
PART: Allowed = ("a number from 0 to below 1", lambda value: 0 <= value < 1)
