"""The diseases of a training: when numbers of its log show each, its sentence, and its remedies.

The thresholds are calibrated by `bench/doctor.py`; docs/doctor.md has the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ganbaru.config import Config
from ganbaru.gan import augmentation
from ganbaru.training.run_log import NOT_FINITE

# Thresholds: see docs/doctor.md for the healthy runs' values.
# Updates over weights: the first ones of Adam, of weights of 0.02, are 50 times the rate. Healthy
# lines have up to 0.083 (a rate of 1.5e-3), those at 30 times the rate 0.19 and more.
STILL, FAST = 1e-6, 0.13
UNEQUAL = 10  # D's largest update over G's; healthy runs of all presets: up to 2.9
# The sum of G's updates, before which a slow run (2e-4, 250 steps: 1.7) looks as sick ones do.
MOVED = 8.0
# The sum of D's updates, before which it may not know the labels yet: at a rate of 2e-4 it
# learned those of CIFAR-10 at 0.9; with shuffled labels the first judged line has 4 and more.
LEARNED = 2.0
# How far a G has moved once it has unlearned what it begins with. A checkerboard: on 7,908 cat
# faces the least of three grids was up to 132 at 16, 19 at 28, and at most 16 from 40 on. Grey
# images: their range was 0.58 of the reals' at 13.5.
SETTLED = 32.0
WEAK = 0.7  # the sum of both accuracies, which is 1 for a D that cannot tell
STRONG, POOR = 0.97, 0.4  # both accuracies, and the fakes' diversity
NARROW, WIDE, BRIGHT = 0.6, 1.5, 0.5
# Of the values' range of 2: distances from an end that is never reached, and beyond an end. A
# sigmoid's fakes end at 1.000; those of a tanh that are grey all over, at 0.96 to 0.99; fakes that
# are white all over, which they are for long where reals are drawings on white, have 1.9.
HALF, BEYOND = (0.995, 1.1), 0.15
# Shares of the difference between reals' and fakes' scores. Labels: healthy runs have 0.26 or more
# from the second grid on (CIFAR-10 0.12), shuffled ones 0.09 at most. Gaps beyond their error: up
# to 0.007 in 179 healthy runs, and from 0.021 on in 22 with 100 images.
OBEYED, MEMORIZED = 0.1, 0.015
# A strength of adaptive augmentation, and what is left of it: between them it is at work.
EXHAUSTED = 0.05
# The least difference that counts: near its equilibrium a relativistic D has 0.006, of which a
# healthy gap of 0.004 was 44 %.
APART = 0.3
COLLAPSED, ALIKE = 0.3, 0.25  # variety, of all fakes and of those of a class
VARIED = 0.4  # a diversity
# The nearest fake's distance over that of reals: with one or two latents below 1e-6, a G that is
# frozen at its start 0.22.
REPEATED = 0.05
# Healthy: the least of two or three grids was up to 15.9; the mean of two once 33.
PATTERN = 20.0

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Rule:
    """A disease: the numbers it needs, when they show it, its sentence, and what to try.

    Of the `primary` ones only the first that holds is reported: the others would be its effects.
    `text` is filled with the numbers, and so is `further` where the log has those of a grid.
    """

    code: str
    certainty: float
    needs: tuple[str, ...]
    holds: Callable[[Numbers], bool]
    text: str
    remedy: Callable[[Config], Sequence[str]]
    primary: bool = False
    independent: bool = False  # reported beside a primary one
    further: str = ""
    applies: Callable[[Config], bool] = lambda config: True

    def sentence(self, numbers: Numbers, texts: Mapping[str, str]) -> str:
        """Return what the numbers show; `texts` by code replace those in English."""
        text = texts.get(self.code, self.text)
        if "nearest" in numbers and self.further:
            text += texts.get(f"{self.code}-further", self.further)
        return text.format_map(numbers)


def _strong(x: Numbers) -> bool:
    return min(x["real_accuracy"], x["fake_accuracy"]) > STRONG


def _wins(x: Numbers) -> bool:
    return _strong(x) and x["diversity"] < POOR


def _led(x: Numbers) -> bool:
    """Return whether D wins by moving faster, which is said rather than that it moves fast."""
    return _wins(x) and x["lead"] > UNEQUAL


def _weak(x: Numbers) -> bool:
    return x["d_update"] < STILL or x["real_accuracy"] + x["fake_accuracy"] < WEAK


def _needs_labels(x: Numbers) -> bool:
    """Return whether D has had the time to learn labels, and has a use for them.

    A strong D needs none, and fakes that are a function of theirs teach it nothing.
    """
    ready = x["d_moved"] > LEARNED and x["d_update"] <= UNEQUAL * x["g_update"]
    return ready and not (_weak(x) or _strong(x) or _classes_alike(x))


def _repeats(x: Numbers) -> bool:
    """Return whether fakes repeat each other, and not because those of a class are alike."""
    return x.get("nearest", 1.0) < REPEATED and not _classes_alike(x)


def _classes_alike(x: Numbers) -> bool:
    return x.get("class_variety", 1.0) < ALIKE and x.get("diversity", 0.0) >= VARIED


def _collapsed(x: Numbers) -> bool:
    return x["moved"] > MOVED and x["variety"] < COLLAPSED


def _out_of_reach(x: Numbers) -> bool:
    """Return whether fakes always end at the middle of the reals' values, as a sigmoid's do."""
    low, high = HALF
    return low < -x.get("darkest", 0.0) < high or low < -x.get("brightest", 0.0) < high


def _range_differs(x: Numbers) -> bool:
    """Return whether the ends differ, of more images than one or two, which have their own."""
    if _repeats(x):
        return False
    beyond = max(-x.get("lowest", 0.0), x.get("highest", 0.0)) > BEYOND
    settled = x["moved"] > SETTLED
    other = x["value_range"] < NARROW or abs(x["brightness"]) > BRIGHT
    return beyond or x["value_range"] > WIDE or (settled and other)


def _rates(factor: float) -> Callable[[Config], Sequence[str]]:
    return lambda config: [f"--lr {max(config.rates) * factor:.2g}"]


def _balanced(player: str) -> Callable[[Config], Sequence[str]]:
    """Bring one player's rate to the other's, or if they are equal to half of it."""

    def remedy(config: Config) -> Sequence[str]:
        g, d = config.rates
        own, other = (g, d) if player == "g" else (d, g)
        return [f"--lr-{player} {other if own > other else own / 2:.2g}", "--penalty r1"]

    return remedy


def _raised(player: str) -> Callable[[Config], Sequence[str]]:
    """Bring one player's rate up to the other's, or if they are equal to twice as much."""

    def remedy(config: Config) -> Sequence[str]:
        g, d = config.rates
        own, other = (g, d) if player == "g" else (d, g)
        return [f"--lr-{player} {other if own < other else own * 2:.2g}"]

    return remedy


def _has_labels(config: Config) -> bool:
    return config.conditioning != "none"


def _augmentation(config: Config) -> Sequence[str]:
    return [] if augmentation.parse(config.augment).adaptive else ["--augment auto"]


RULES = (
    Rule(
        "divergence",
        1.0,
        (NOT_FINITE,),
        lambda x: x[NOT_FINITE] > 0,
        "The training diverged: {not_finite:.0f} numbers of the log became NaN or infinite",
        lambda config: [*_rates(0.25)(config), "--penalty r1", "--on-trouble rollback"],
        primary=True,
    ),
    Rule(
        "generator-frozen",
        0.96,
        ("g_update",),
        lambda x: x["g_update"] < STILL,
        "The generator does not move: an update changes its weights by {g_update:.1e} of their "
        "size (healthy runs: 2e-03 to 1e-01)",
        _raised("g"),
        primary=True,
    ),
    Rule(
        "discriminator-weak",
        0.93,
        ("real_accuracy", "fake_accuracy", "d_update"),
        _weak,
        "The discriminator is too weak: it sees {real_accuracy:.0%} of reals and "
        "{fake_accuracy:.0%} of fakes as what they are, and an update changes its weights by "
        "{d_update:.1e} of their size",
        _raised("d"),
        primary=True,
    ),
    Rule(
        "value-range",
        0.98,
        ("brightness", "value_range", "moved"),
        lambda x: _out_of_reach(x) or (x["moved"] > MOVED and _range_differs(x)),
        "Fakes and reals have other ranges of values: that of the fakes is {value_range:.2f} times "
        "as wide, and they are brighter by {brightness:+.2f} (of 2)",
        lambda config: ["--range auto", "a last layer of your generator that ends in tanh"],
        primary=True,
        further="; their ends are off by {lowest:+.2f} and {highest:+.2f}",
    ),
    Rule(
        "learning-rate",
        0.68,
        ("fastest", "lead", "real_accuracy", "fake_accuracy", "diversity"),
        lambda x: x["fastest"] > FAST and not _led(x),
        "The learning rates are too high: updates changed weights by up to {fastest:.0%} of their "
        "size, on the mean of a line of the log",
        _rates(0.1),
        primary=True,
    ),
    Rule(
        "mode-collapse",
        0.94,
        ("variety", "moved", "real_accuracy", "fake_accuracy"),
        lambda x: _repeats(x) or (_collapsed(x) and not _strong(x)),
        "The generator collapses: its images differ from each other by {diversity:.2f} of what "
        "reals do",
        lambda config: [*_rates(0.5)(config), "--penalty r1", "--minibatch-deviation"],
        primary=True,
        further=", and each is {nearest:.2g} times as far from its nearest neighbour as a real is",
    ),
    Rule(
        "discriminator-strong",
        0.68,
        ("real_accuracy", "fake_accuracy", "diversity", "moved", "lead"),
        lambda x: _led(x) or (_wins(x) and x["moved"] > MOVED),
        "The discriminator is too strong: it sees {real_accuracy:.1%} of reals and "
        "{fake_accuracy:.1%} of fakes as what they are, and the fakes differ from each other by "
        "{diversity:.2f} of what reals do",
        _balanced("d"),
        primary=True,
    ),
    Rule(
        "labels",
        0.89,
        (
            "label_gap",
            "obeyed",
            "real_accuracy",
            "fake_accuracy",
            "g_update",
            "d_update",
            "d_moved",
        ),
        lambda x: x["obeyed"] < OBEYED and _needs_labels(x),
        "The discriminator ignores labels, or they are wrong: it scores reals with another class's "
        "label by {label_gap:.3f} lower",
        lambda config: ["`ganbaru data` to look at the classes", "--conditioning projection"],
        independent=True,
        applies=_has_labels,
    ),
    Rule(
        "overfitting",
        0.96,
        ("train_d_loss", "held_out_d_loss", "memorized"),
        lambda x: x["memorized"] > MEMORIZED and x["relief"] < EXHAUSTED,
        "The discriminator overfits: its loss is {train_d_loss:.2f} on training images and "
        "{held_out_d_loss:.2f} on held-out ones of the same moment",
        lambda config: [*_augmentation(config), "more images", "fewer --steps"],
        independent=True,
    ),
    Rule(
        "class-collapse",
        0.56,
        ("class_variety", "diversity", "moved"),
        lambda x: x["moved"] > MOVED and _classes_alike(x),
        "The images of a class are alike: they differ by {class_diversity:.2f} of what reals of a "
        "class do",
        lambda config: [*_rates(0.5)(config), "--minibatch-deviation", "--conditioning none"],
        applies=_has_labels,
    ),
    Rule(
        "checkerboard",
        0.5,
        ("checkerboard", "moved"),
        lambda x: x["moved"] > SETTLED and x["checkerboard"] > PATTERN,
        "The images have a checkerboard: periods of 2 or 4 pixels are {checkerboard:.1f} times as "
        "strong as frequencies near them, compared with reals",
        lambda config: ["--network dcgan-filtered", "--network resnet"],
    ),
)
