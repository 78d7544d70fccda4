"""What the originals of a set hold: the findings that follow, and what of them is not used."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

import numpy as np

from ganbaru.coerce import Interval, range_text
from ganbaru.data.picture import cropped_share
from ganbaru.data.picture_file import NO_DECODER
from ganbaru.data.source import Finding, LeftOut, RangeError, Sizes, Target
from ganbaru.data.values import FLOAT, INTEGER, ROUNDING, Facts, described, full_range
from ganbaru.errors import InputError

SMALL_PART = 0.25  # of the range: 14 bits in 16
FEW_IMAGES = 100
FLAT_SHARE = 0.1  # of single-colour images; sets of drawings have blank ones
CROPPED = 0.2  # of the median image: 2:3 is cropped to a square by a third, CelebA by 0.18
OUTLIERS = 0.01  # of images that warnings ignore: hot pixels, blank ones
MAX_REASONS = 5


class Survey:
    """Sums of the facts of a set's originals."""

    def __init__(self, interval: Interval | None = None, target: Target | None = None) -> None:
        """Begin with no images; `interval` are the values that become black and white."""
        self.interval, self.target = interval, target or Target()
        self.kinds: Counter[str] = Counter()
        self.extremes: dict[str, Interval] = {}  # by kind
        self.flat = self.hidden = self.transparent = 0
        self.files = self.later = self.unmanaged = self.outside = 0
        self._lows, self._highs = array("d"), array("d")  # as parts of the range, 0 to 1

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self._lows)

    @property
    def extreme(self) -> Interval:
        """The smallest and the largest value."""
        lows, highs = zip(*self.extremes.values(), strict=True)
        return min(lows), max(highs)

    def add(self, facts: Iterable[Facts]) -> None:
        """Count images."""
        for each in facts:
            low, high = self.extremes.get(each.kind, (each.low, each.high))
            self.kinds[each.kind] += 1
            self.extremes[each.kind] = min(low, each.low), max(high, each.high)
            black, white = self.interval or full_range(each.kind) or (each.low, each.high + 1)
            self._lows.append((each.low - black) / (white - black))
            self._highs.append((each.high - black) / (white - black))
            self.outside += each.low < black or each.high > white
            self.hidden += each.hidden
            self.flat += each.flat and not each.hidden
            self.files += each.later > 0
            self.later += each.later
            self.unmanaged += each.unmanaged
            self.transparent += each.transparent

    def check(self, place: str) -> None:
        """Raise InputError for values that have no fixed range, and for a range of several kinds.

        Without a range, floating-point values must be from 0 to 1.
        """
        low, high = self.extreme
        if self.interval is None:
            low_float, high_float = self.extremes.get(FLOAT, (0.0, 0.0))
            if INTEGER in self.kinds or low_float < -ROUNDING or high_float > 1 + ROUNDING:
                kind = INTEGER if INTEGER in self.kinds else FLOAT
                values = self.extremes[kind]
                raise RangeError(
                    f"{place} has {kind} pixels from {values[0]:g} to {values[1]:g}, and nothing "
                    f"says which values are black and white: give --range LOW:HIGH, such as "
                    f"{_flag(values)}, or --range auto for the set's own smallest and largest."
                )
        elif len(self.kinds) > 1:
            raise InputError(
                f"{place} has {described(self.kinds)} pictures, and --range would give the same "
                f"brightness other values in each: leave --range out, or save all with one depth."
            )

    def own_interval(self, place: str) -> Interval:
        """Return the smallest and largest value, which `--range auto` makes black and white."""
        low, high = self.extreme
        if low == high:
            raise InputError(
                f"All pixels of {place} have the value {low:g}, so --range auto cannot stretch "
                f"them. Give --range LOW:HIGH, or check the files."
            )
        self.interval = (low, high)
        self.check(place)
        return low, high

    def notes(self) -> tuple[str, ...]:
        """Return sentences on how values were converted."""
        found = []
        if self.interval is not None:
            low, high = self.interval
            clipped = f"; {self.outside:,} of {self.count:,} images have values outside, clipped"
            found.append(
                f"Values from {low:g} to {high:g} become black to white (--range)"
                f"{clipped * bool(self.outside)}."
            )
        elif FLOAT in self.kinds:
            found.append("Floating-point values from 0 to 1 become black to white.")
        found += self._transparency()
        if self.unmanaged:
            found.append(
                f"{self.unmanaged:,} images have a colour profile that is damaged or of another "
                f"kind of picture: it was not applied."
            )
        return tuple(found)

    def _transparency(self) -> list[str]:
        if self.target.channels == 4 and not self.transparent:
            return ["No image has transparent parts: --channels 3 trains on the same in less time."]
        if self.target.channels == 4 or self.target.background or not self.transparent:
            return []
        return [
            f"{self.transparent:,} of {self.count:,} images have transparent parts, shown over "
            f"white: --channels 4 keeps the transparency, --background COLOUR takes another colour."
        ]

    def left_out(self, broken: Iterable[str] = ()) -> tuple[LeftOut, ...]:
        """Return pages after the first, and the files that are `broken` for these reasons."""
        found = []
        if self.later:
            found.append(LeftOut("pages", f"after the first of {self.files:,} files", self.later))
        reasons = Counter(broken).most_common()
        if more := sum(count for _, count in reasons[MAX_REASONS:]):
            reasons = [*reasons[:MAX_REASONS], ("other reasons", more)]
        for reason, count in reasons:
            kind = NO_DECODER if reason.startswith(NO_DECODER) else "unreadable"
            found.append(LeftOut(kind, reason, count))
        return tuple(found)

    def warnings(self, sizes: Sizes, target: Target) -> tuple[Finding, ...]:
        """Return what makes a set unlike what its owner sees."""
        found = [self._range(), self._flat(), self._hidden(), *cropping(sizes, target)]
        if self.count < FEW_IMAGES:
            found.append(
                Finding(
                    "few-images",
                    f"{self.count} images are few: a GAN tends to repeat them instead of learning "
                    f"what they share. Some hundred or more are better.",
                )
            )
        return tuple(each for each in found if each)

    def _range(self) -> Finding | None:
        low = float(np.quantile(self._lows, OUTLIERS, method="lower"))
        high = float(np.quantile(self._highs, 1 - OUTLIERS, method="higher"))
        hidden = self.hidden > self.count / 2  # whose warning says why there is no contrast
        if hidden or not 0 < high - low <= SMALL_PART:
            return None
        black, white = self.interval or full_range(next(iter(self.kinds))) or (0.0, 1.0)
        values = black + low * (white - black), black + high * (white - black)
        found = round(values[0], 6), round(values[1], 6)
        return Finding(
            "range",
            f"The values use {100 * (high - low):.2g} % of their range ({range_text(found)} "
            f"of {range_text((black, white))}), so images have hardly any contrast. To stretch "
            f"them: --range auto or {_flag(found)}.",
        )

    def _flat(self) -> Finding | None:
        if self.flat <= FLAT_SHARE * self.count:
            return None
        return Finding(
            "single-colour",
            f"{self.flat:,} of {self.count:,} images are of a single colour. Check that they are "
            f"what you mean, or leave them out.",
        )

    def _hidden(self) -> Finding | None:
        if self.hidden <= OUTLIERS * self.count:
            return None
        return Finding(
            "alpha",
            f"{self.hidden:,} of {self.count:,} images show nothing: transparent parts are shown "
            f"over {self.target.background or 'white'}, and what they draw has that colour too. "
            f"Give another --background, such as grey, or --channels 4 to keep the transparency.",
        )


def _flag(interval: Interval) -> str:
    """Return the option for a range; a value that begins with a minus needs the equals sign."""
    text = range_text(interval)
    return f"--range={text}" if text.startswith("-") else f"--range {text}"


def cropping(sizes: Sizes, target: Target, what: str = "Cropping to") -> list[Finding]:
    """Return a finding if cropping to the target's size drops much of the median image."""
    if target.size is None or target.fit != "crop":
        return []
    lost = cropped_share(sizes, target.size)
    median = int(np.argsort(lost)[len(lost) // 2])
    if lost[median] <= CROPPED:
        return []
    height, width = sizes[median].tolist()
    return [
        Finding(
            "crop",
            f"{what} {target.size[0]} high x {target.size[1]} wide drops {100 * lost[median]:.0f} "
            f"% of the median image ({height} high x {width} wide). --fit pad or --fit stretch "
            f"keeps all of it.",
        )
    ]
