"""One update of D and G, with every number: a GAN of ten parameters in plain Python.

An image is one number x. G is x = tanh(a1 z1 + a2 z2 + b), three parameters; D is
v1 h1 + v2 h2 + d with h = leaky(w x + c), seven. The objective is `non-saturating`, the optimizer
Adam. The numbers equal those of `gan.step.train_step` on the NumPy engine in float64, which a test
compares.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganbaru.errors import InputError

LEAK, RATE, BETAS, EPSILON = 0.2, 0.1, (0.5, 0.99), 1e-8
Numbers = dict[str, float]
G, D = ("a1", "a2", "b"), ("w1", "w2", "c1", "c2", "v1", "v2", "d")


@dataclass(frozen=True)
class Step:
    """A step that is explained: its numbers by name, and the lines that derive them."""

    before: Numbers  # the parameters
    reals: Sequence[float]
    d_latents: Sequence[tuple[float, float]]
    g_latents: Sequence[tuple[float, float]]
    after: Numbers = field(default_factory=dict)
    gradients: Numbers = field(default_factory=dict)
    losses: Numbers = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers without the lines."""
        return {name: value for name, value in vars(self).items() if name != "lines"}


def explain(what: str = "step", *, seed: int = 0) -> Step:
    """Return a training step of a ten-parameter GAN, every number of it forward and backward.

    `what` is "step", which is all there is so far; `seed` chooses the numbers. Raises InputError.
    """
    if what != "step":
        raise InputError(f'There is no explanation {what!r}. Allowed: "step".')
    draw = random.Random(seed)

    def number(low: float, high: float) -> float:
        return round(draw.uniform(low, high), 2)

    before = {name: number(-1, 1) for name in (*G, *D)}
    reals = [number(0.4, 0.8) for _ in range(2)]
    latents = [(number(-2, 2), number(-2, 2)) for _ in range(4)]
    step = Step(before, reals, latents[:2], latents[2:])
    step.after.update(before)
    step.lines.append("A GAN of ten parameters; an image is one number, a batch has two.")
    step.lines.append(f"G: x = tanh(a1 z1 + a2 z2 + b)           {_shown(before, G)}")
    step.lines.append(f"D: h = leaky(w x + c), {LEAK} below 0; logit = v1 h1 + v2 h2 + d")
    step.lines.append(f"{'':41}{_shown(before, D[:4])}")
    step.lines.append(f"{'':41}{_shown(before, D[4:])}")
    _update_d(step)
    _update_g(step)
    return step


def _shown(values: Mapping[str, float], names: Sequence[str]) -> str:
    return "  ".join(f"{name} = {values[name]:+.4f}" for name in names)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _fake(step: Step, name: str, z: tuple[float, float]) -> float:
    p = step.after
    total = p["a1"] * z[0] + p["a2"] * z[1] + p["b"]
    terms = f"{p['a1']:+.4f} * {z[0]:+.2f} {p['a2']:+.4f} * {z[1]:+.2f} {p['b']:+.4f}"
    step.lines.append(f"  {name} = tanh({terms}) = tanh({total:+.4f}) = {math.tanh(total):+.4f}")
    return math.tanh(total)


def _score(step: Step, name: str, x: float) -> tuple[float, list[float], list[float]]:
    """Return D's logit of an image, its hidden numbers, and their slopes."""
    p = step.after
    sums = [p[f"w{i}"] * x + p[f"c{i}"] for i in (1, 2)]
    slopes = [1.0 if each > 0 else LEAK for each in sums]
    hidden = [slope * each for slope, each in zip(slopes, sums, strict=True)]
    logit = p["v1"] * hidden[0] + p["v2"] * hidden[1] + p["d"]
    parts = "  ".join(
        f"h{i} = {slope:g} * {each:+.4f} = {h:+.4f}"
        for i, slope, each, h in zip((1, 2), slopes, sums, hidden, strict=True)
    )
    step.lines.append(f"  {name}: x = {x:+.4f}  {parts}  logit = {logit:+.4f}")
    return logit, hidden, slopes


def _update_d(step: Step) -> None:
    say = step.lines.append
    say("\nD'S UPDATE\n1. G makes fakes of two latents; G does not change in this update.")
    fakes = [_fake(step, f"fake {i}", z) for i, z in enumerate(step.d_latents, 1)]
    say("2. Forward: D scores the reals and the fakes.")
    images = [(f"real {i}", x, -1) for i, x in enumerate(step.reals, 1)]
    images += [(f"fake {i}", x, 1) for i, x in enumerate(fakes, 1)]
    scored = [(x, sign, *_score(step, name, x)) for name, x, sign in images]
    each = [math.log1p(math.exp(sign * logit)) for _, sign, logit, *_ in scored]
    step.losses["d_loss"] = sum(each) / 2
    say("3. Loss: the mean of log(1 + e^-logit) of reals, and that of log(1 + e^logit) of fakes:")
    say(f"  {_sum(each)} over 2 = {step.losses['d_loss']:.4f}")
    say("4. Backward: dL/dlogit = -(1 - s(logit)) / 2 of a real, s(logit) / 2 of a fake;")
    say("   then dv = dlogit h, dc = dlogit v slope, dw = dc x, dd = dlogit, summed over images.")
    total = dict.fromkeys(D, 0.0)
    for (name, *_), (x, sign, logit, hidden, slopes) in zip(images, scored, strict=True):
        slope = sign * _sigmoid(sign * logit) / 2
        found = {"d": slope}
        for i, h, leak in zip("12", hidden, slopes, strict=True):
            found |= {f"v{i}": slope * h, f"c{i}": slope * step.after[f"v{i}"] * leak}
            found[f"w{i}"] = found[f"c{i}"] * x
        total = {n: total[n] + found[n] for n in D}
        say(f"  {name}: dlogit = {slope:+.4f}  " + "  ".join(f"d{n} {found[n]:+.4f}" for n in D))
    _adam(step, total, 5)


def _update_g(step: Step) -> None:
    say = step.lines.append
    say("\nG'S UPDATE\n1. Forward: G makes two new fakes, and the updated D scores them.")
    fakes = [_fake(step, f"fake {i}", z) for i, z in enumerate(step.g_latents, 1)]
    scored = [_score(step, f"fake {i}", x) for i, x in enumerate(fakes, 1)]
    each = [math.log1p(math.exp(-logit)) for logit, *_ in scored]
    step.losses["g_loss"] = sum(each) / 2
    mean = f"{_sum(each)} over 2 = {step.losses['g_loss']:.4f}"
    say(f"2. Loss: the mean of log(1 + e^-logit): {mean}")
    say("3. Backward through D into the image: dx = dlogit (v1 slope1 w1 + v2 slope2 w2);")
    say("   then through tanh: db = dx (1 - x^2), da = db z, summed over the images.")
    total = dict.fromkeys(G, 0.0)
    p = step.after
    for i, (x, z, (logit, _, slopes)) in enumerate(
        zip(fakes, step.g_latents, scored, strict=True), 1
    ):
        slope = -_sigmoid(-logit) / 2
        dx = slope * sum(
            p[f"v{k}"] * leak * p[f"w{k}"] for k, leak in zip("12", slopes, strict=True)
        )
        db = dx * (1 - x * x)
        found = {"a1": db * z[0], "a2": db * z[1], "b": db}
        total = {n: total[n] + found[n] for n in G}
        shown = "  ".join(f"d{n} {found[n]:+.4f}" for n in G)
        say(f"  fake {i}: dlogit = {slope:+.4f}  dx = {dx:+.4f}  {shown}")
    _adam(step, total, 4)


def _sum(values: Sequence[float]) -> str:
    return f"({' + '.join(f'{value:.4f}' for value in values)})"


def _adam(step: Step, gradients: Numbers, number: int) -> None:
    """Make Adam's first update, whose moments start at 0."""
    step.gradients.update(gradients)
    step.lines.append(
        f"{number}. Adam (rate {RATE}, betas {BETAS[0]} and {BETAS[1]}): m = 0.5 g, v = 0.01 g^2;"
    )
    step.lines.append("   its first step is rate (m / 0.5) / sqrt(v / 0.01) = rate times g's sign.")
    for name, g in gradients.items():
        mean, square = g * (1 - BETAS[0]), g * g * (1 - BETAS[1])
        root = math.sqrt(square) / math.sqrt(1 - BETAS[1])
        change = RATE / (1 - BETAS[0]) * mean / (root + EPSILON)
        old = step.after[name]
        step.after[name] = old - change
        moved = f"{old:+.4f} -> {step.after[name]:+.4f}"
        step.lines.append(f"  {name:2}: g = {g:+.4f}  m = {mean:+.4f}  v = {square:.2e}  {moved}")
