"""Engines agree, and each planted fault is found and named: engine, layer and quantity."""

from __future__ import annotations

import functools
import importlib
import json
import re

import numpy as np
import pytest
from train_helpers import command, needs_torch, trained

from ganbaru import conformance, engines, ops, registry
from ganbaru.conformance import (
    CheckPlan,
    Findings,
    cases,
    checks,
    finite_differences,
    functions,
    operations,
    report,
    updates,
)
from ganbaru.conformance.case import Case, by_order
from ganbaru.conformance.recording import Recorded
from ganbaru.engines.numpy import elementwise, fused
from ganbaru.engines.requirements import Library
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES
from ganbaru.gan.transforms import TRANSFORMS
from ganbaru.nn.conditioning import CONDITIONINGS

SECTIONS = ["finite differences", "layers", "fused forms", "updates", "float32", "networks"]


def quiet(done: int, total: int, what: str) -> None:
    """Show no progress."""


@functools.cache
def small() -> CheckPlan:
    """One network, its game, an objective and a penalty."""
    everything = conformance.registered()
    (dcgan,) = (subject for subject in everything.networks if subject.name == "dcgan")
    return CheckPlan([dcgan], ["rsgan"], [("r1", dcgan)], [dcgan])


def checked(*names: str, plan: CheckPlan | None = None) -> Findings:
    return conformance.check(plan or small(), conformance.load(names, "cpu"), quiet)


def layers_alone() -> CheckPlan:
    return CheckPlan(small().networks, [], [], [])


def named(found: Findings, section: str = "") -> set[tuple[str, str, str]]:
    """Return engine, place and quantity of each fault."""
    return {(o.engine, o.where, o.fault) for o in found.faults if section in ("", o.section)}


# --- without a fault --------------------------------------------------------------------------


@needs_torch
def test_engines_agree():
    found = checked("torch")
    assert [report._line(comparison) for comparison in found.faults] == []
    assert list(found.engines) == ["numpy", "torch"]
    sections = [
        {o.section for o in found.comparisons if o.engine == name} for name in found.engines
    ]
    assert sections[0] == {"finite differences", "fused forms", "float32"}
    assert sections[1] == {*SECTIONS[1:], "objectives", "penalties", "games"}
    assert all(np.isfinite(comparison.worst[0]) for comparison in found.comparisons)


@pytest.mark.parametrize("name", engines.available())
def test_every_installed_engine_agrees_at_reduced_scope(name):
    """What CI asks of every engine; all of it is `ganbaru conformance`, with JAX in minutes."""
    loaded, plan = conformance.load([name], "auto" if name == "cupy" else "cpu"), small()
    # Of four networks: JAX compiles the generator's training for 4 s, D's for 0.6.
    (network,) = (x for x in cases.networks(plan) if x.where == "dcgan discriminator, training")
    some = [*updates.fused_forms(), *updates.updates(), *cases.objectives(plan), network]
    comparisons = [o for case in some for o in checks.check_case(case, loaded, "numpy")]
    assert [report._line(comparison) for comparison in comparisons if comparison.fault] == []
    of_it = {comparison.where for comparison in comparisons if comparison.engine == name}
    assert {"one update of adam", "one move of the average"} <= of_it
    assert {"rsgan, loss of D", network.where} <= of_it or name == "numpy"


def test_everything_registered_is_planned():
    plan = conformance.registered()
    names = registry.names("networks")
    plain = [s.config.network for s in plan.networks if not s.classes]
    assert sorted(plain) == sorted([*names, "dcgan"])
    assert sorted(s.config.network for s in plan.networks if s.classes) == names
    assert {s.config.conditioning for s in plan.networks} == {"none", *CONDITIONINGS}
    games = [subject.config for subject in plan.games]
    for field, known in {"network": names, "objective": OBJECTIVES,
                         "penalty": ["none", *PENALTIES],
                         "conditioning": ["none", *CONDITIONINGS]}.items():  # fmt: skip
        assert {getattr(config, field) for config in games} == set(known), field
    assert set(plan.objectives) == set(OBJECTIVES) and {name for name, _ in plan.penalties} == set(
        PENALTIES
    )
    assert {subject.config.network for _, subject in plan.penalties} == set(names)
    assert plan.augmentations == [*TRANSFORMS, "auto"]
    assert {config.augment for config in games} == {"none", "auto"}
    for subject in plan.networks:
        assert all(np.abs(p).min() > 0 for p in subject.groups["generator"].values())


def test_every_operation_is_recorded():
    """What an engine must supply is replayed by itself."""
    where = " ".join(case.where for case in cases.layers(CheckPlan([], [], [], [])))
    for name in {*ops.OPERATIONS} - {"to_numpy", "value_and_grad"}:
        assert f", {name} " in where, name
    assert operations.EXAMPLES.keys() == {*ops.OPERATIONS} - {*operations.EVERYWHERE}


def test_every_composed_operation_has_examples():
    assert updates.EXAMPLES.keys() == ops.COMPOSED.keys()


@needs_torch
def test_the_command_on_a_preset(tmp_path):
    path = tmp_path / "report.json"
    said = command("conformance", "--engines", "torch", "--preset", "mnist", "-o", path)
    assert (said.code, said.err) == (0, ""), said
    content = json.loads(path.read_text())
    assert list(content["engines"]) == ["numpy", "torch"] and content["agree"] is True
    everything = content["comparisons"]
    assert f"All {len(everything):,} comparisons agree." in said.out
    worst = content["worst"]
    assert set(worst) == {*SECTIONS, "objectives", "games"}
    assert 0 < worst["finite differences"]["numpy"]["error"] < finite_differences.TOLERANCE
    assert f"{worst['games']['torch']['error']:.1e}" in said.out
    for section, engine in (("layers", "torch"), ("float32", "numpy")):
        errors = [max(c["errors"].values()) for c in everything
                  if (c["section"], c["engine"]) == (section, engine)]  # fmt: skip
        assert max(errors) == worst[section][engine]["error"]
    networks = {c["where"].partition(",")[0] for c in everything if c["section"] == "networks"}
    assert networks == {"mnist generator", "mnist discriminator"}


def test_the_command_on_a_run_takes_its_own_weights(tmp_path):
    run = trained(tmp_path, conditioning="planes", objective="rasgan", penalty="r1+r2")
    plan = conformance.of_run(run)
    (subject,) = plan.networks
    assert plan.objectives == ["rasgan"]
    assert plan.penalties == [("r1", subject), ("r2", subject)]
    assert subject.classes == 3 and subject.shape == (16, 16, 1)
    said = command("conformance", "--engines", "numpy", "--run", run)
    assert (said.code, said.err) == (0, ""), said
    assert "finite differences" in said.out and str(run) in said.out


# --- planted in a second engine ---------------------------------------------------------------

FAULTS = {
    "a wrong sign in a gradient": (
        "def tanh(x):\n    y = torch.tanh(x)\n    return 2 * y.detach() - y\n"
        "class Engine(base.Engine):\n    tanh = staticmethod(tanh)\n",
        r"layers: dcgan generator, after image\.conv, tanh 8x3x20x16: input gradient is off from "
        r"numpy by 2\.0e\+00 of its scale; allowed 1e-11",
    ),
    "a padding below and on the right alone": (
        "def conv2d(x, w, stride=1, padding=0, groups=1):\n"
        "    x = F.pad(x, [0, 2 * padding] * 2)\n"
        "    return F.conv2d(x, w, None, stride, groups=groups)\n"
        "class Engine(base.Engine):\n    conv2d = staticmethod(conv2d)\n",
        r"layers: dcgan discriminator, down1\.conv, conv2d 8x3x20x16 by 4x3x4x4 stride 2 padding 1:"
        r" output is off from numpy by",
    ),
    "a padding too much": (
        "def conv2d(x, w, stride=1, padding=0, groups=1):\n"
        "    return F.conv2d(x, w, None, stride, padding + 1, 1, groups)\n"
        "class Engine(base.Engine):\n    conv2d = staticmethod(conv2d)\n",
        r"layers: dcgan discriminator, down1\.conv, conv2d 8x3x20x16 by 4x3x4x4 stride 2 padding 1:"
        r" output cannot be compared \(shape \(8, 4, 11, 9\), not \(8, 4, 10, 8\)\)",
    ),
    "another momentum of batch norm": (
        "def _norm(x, w, b, mean, variance, momentum, epsilon):\n"
        "    return usual(x, w, b, mean, variance, 0.9, epsilon)\n"
        'usual = base.Engine.FUSED["batch_norm"]\n'
        'class Engine(base.Engine):\n    FUSED = {**base.Engine.FUSED, "batch_norm": _norm}\n',
        r"layers: dcgan generator, stem\.norm, batch_norm 8x8x5x4: running_mean is off from numpy",
    ),
    "another epsilon of Adam": (
        "def _adam(*given):\n    return usual(*given[:-1], 1e-7)\n"
        'usual = base.Engine.FUSED["adam"]\n'
        'class Engine(base.Engine):\n    FUSED = {**base.Engine.FUSED, "adam": _adam}\n',
        r"updates: one update of adam: output is off from numpy by",
    ),
}


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory):
    """Return a function that writes an engine of one's own: PyTorch's, with a fault."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("own")
    (folder / "outside").mkdir()

    def write(name: str) -> str:
        engine = re.sub(r"\W+", "_", name)
        (folder / "outside" / f"{engine}.py").write_text(
            f"import torch\nimport torch.nn.functional as F\n"
            f"import ganbaru.engines.torch as base\n{FAULTS[name][0]}"
        )
        importlib.invalidate_caches()
        return f"outside.{engine}"

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield write


@pytest.fixture(scope="module")
def faulty(own_engine) -> tuple[dict[str, str], Findings]:
    """Return the engines with a fault by their fault, and what a check of all finds.

    PyTorch's own engine is among them: all compute with the same tensors.
    """
    names = {name: own_engine(name) for name in FAULTS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines._Process, "ours", False)  # in a command the last one loaded stays
        found = checked("torch", *names.values(), plan=layers_alone())
        torch = engines.load("torch")
        assert ops.engine(torch.from_numpy(np.ones(1))) is type(torch)
    return names, found


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_one_engine_is_named(name, faulty):
    """The engine, the layer, the quantity, by its first wrong one."""
    names, found = faulty
    lines = [line for line in report.lines(found) if line.startswith(f"{names[name]}: ")]
    line = lines[0] if "Adam" not in name else lines[1]
    assert re.match(rf"{names[name]}: {FAULTS[name][1]}", line), lines[:3]


def test_no_other_engine_is_found_at_fault(faulty):
    names, found = faulty
    assert {comparison.engine for comparison in found.faults} == {*names.values()}


def test_the_command_exits_with_1_and_writes_the_fault(own_engine, tmp_path):
    engine, path = own_engine("another momentum of batch norm"), tmp_path / "report.json"
    said = command("conformance", "--engines", f"numpy,{engine}", "--preset", "mnist", "-o", path)
    assert (said.code, said.err) == (1, ""), said
    content = json.loads(path.read_text())
    faulty = {(c["engine"], c["fault"]) for c in content["comparisons"] if c["section"] == "layers"}
    assert faulty == {(engine, "running_mean"), (engine, None)}
    assert content["agree"] is False and "WRONG" in said.out
    assert re.search(r"^\d+ of \d+ comparisons disagree\.$", said.out, re.MULTILINE)


# --- planted in the reference -----------------------------------------------------------------


def _turned(pullback):
    return lambda g, *rest, **options: [
        None if part is None else part * -1.0 for part in pullback(g, *rest, **options)
    ]


def test_a_wrong_gradient_of_the_reference_is_named_by_differences(monkeypatch):
    monkeypatch.setattr(elementwise.tanh, "pullback", _turned(elementwise.tanh.pullback))
    found = checked("numpy", plan=layers_alone())
    assert ("numpy", "dcgan generator, after image.conv, tanh 8x3x20x16", "input gradient") in (
        named(found, "finite differences")
    )
    assert all("tanh" in where for _, where, _ in named(found, "finite differences"))
    first = report.lines(found)[0]
    assert first.startswith("numpy: finite differences: dcgan generator, after image.conv, tanh")
    assert re.search(r"off by \d\.\de(\+00|-01) of its scale; allowed 1e-07$", first)


def test_a_wrong_second_order_alone_is_named(monkeypatch):
    """Which first-order gradients never reach."""
    rule = elementwise._leaky_relu_back
    monkeypatch.setattr(rule, "pullback", _turned(rule.pullback))
    places = named(checked("numpy", plan=layers_alone()), "finite differences")
    assert {quantity for _, _, quantity in places} == {"second-order output gradient"}
    assert all("leaky_relu" in where for _, where, _ in places)
    assert any("dcgan discriminator, after down1.conv" in where for _, where, _ in places)


@needs_torch
def test_other_engines_do_not_answer_for_the_reference(monkeypatch):
    """Once differences have found it wrong, the next engine is the reference."""
    monkeypatch.setattr(elementwise.tanh, "pullback", _turned(elementwise.tanh.pullback))
    found = checked("torch", plan=layers_alone())
    assert found.reference == "torch"
    assert {engine for engine, _, _ in named(found)} == {"numpy"}
    assert any("tanh" in where for _, where, _ in named(found, "layers"))


def test_a_wrong_fused_form_of_the_reference_is_named(monkeypatch):
    def leaning(*arguments):
        y, mean, variance = fused.batch_norm(*arguments)
        return y, mean, variance * 1.01

    monkeypatch.setitem(type(engines.load("numpy")).FUSED, "batch_norm", leaning)
    places = named(checked("numpy", plan=layers_alone()), "fused forms")
    assert places == {
        ("numpy", "batch norm of 4x6x5x3", "running_var"),
        ("numpy", "batch norm of 9x5", "running_var"),
    }


def test_a_reference_that_fails_is_a_run_that_failed(monkeypatch):
    def broken(x):
        raise ValueError("out of order")

    monkeypatch.setattr(type(engines.load("numpy")), "tanh", staticmethod(broken))
    said = command("conformance", "--engines", "numpy", "--preset", "mnist")
    assert said.code == 1
    assert re.search(
        r"NumPy engine.*fails in the mnist generator, after conv_t.*: out of order", said.err
    )


# --- comparing ----------------------------------------------------------------------------------


def _constant(**values: float) -> tuple[Case, checks.Engines]:
    """Return a case in which each engine gives its own number, and stand-ins for the engines."""
    made = {name: type(engines.load("numpy"))(name, "cpu", "float64") for name in values}
    case = Case(
        "layers", "somewhere", (lambda engine: {"output": np.array([1.0, values[engine.name]])},),
        1e-9, by_order,
    )  # fmt: skip
    return case, {name: {"float64": engine} for name, engine in made.items()}


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"numpy": 1.0, "a": 1.0, "b": 1.0}, set()),
        ({"numpy": 1.0, "a": 2.0}, {"a"}),
        ({"numpy": 1.0, "a": 2.0, "b": 1.0}, {"a"}),
        ({"numpy": 1.0, "a": 2.0, "b": 2.0}, {"numpy"}),
        ({"numpy": 1.0, "a": 2.0, "b": 3.0}, {"a", "b"}),
        ({"numpy": 1.0, "a": float("nan"), "b": 1.0}, {"a"}),
    ],
)
def test_the_engine_at_fault_is_found(values, wrong):
    """One against the reference is; the reference is, if all others agree against it."""
    case, made = _constant(**values)
    comparisons = checks.check_case(case, made, "numpy")
    assert {comparison.engine for comparison in comparisons if comparison.fault} == wrong


def test_errors_are_relative_to_what_shares_a_scale():
    case, _ = _constant(numpy=1.0)
    expected = {"output": np.array([4.0]), "a gradient": np.array([1e-3]),
                "b gradient": np.array([0.0, 10.0])}  # fmt: skip
    found = {name: array + 0.01 for name, array in expected.items()}
    errors = checks.compare(case, found, expected)
    assert errors == pytest.approx({"output": 0.0025, "a gradient": 0.001, "b gradient": 0.001})


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (lambda at, fixed: (ops.exp(at["x"]), {}), False),
        (lambda at, fixed: (at["x"] * ops.stop_gradient(at["x"]), {}), True),
    ],
)
def test_differences_tell_right_from_wrong(function, wrong):
    tested = functions.TestedFunction(function, {"x": np.linspace(-1, 2, 12).reshape(3, 4)}, (3, 4))
    numpy = engines.load("numpy", precision="float64")
    errors = finite_differences.errors(numpy, tested, functions.evaluate(numpy, tested))
    assert (errors["x gradient"] > 0.1) == wrong
    assert wrong or max(errors.values()) < 1e-8


# --- recording --------------------------------------------------------------------------------


def test_an_operation_is_recorded_with_its_layer_and_its_arguments():
    tape = []
    x = Recorded(np.ones((2, 3)), tape)
    weight = Recorded(np.full((4, 3), 2.0), tape, ("score.dense.weight",))
    y = ops.tanh(ops.matmul(x, ops.transpose(weight, (1, 0))) * 0.5)
    assert y.value == pytest.approx(np.tanh(np.full((2, 4), 3.0)))
    recorded = [(r.place, str(r), r.names) for r in tape]
    assert recorded == [
        ("score.dense", "transpose 4x3 axes (1, 0)", ("weight",)),
        ("score.dense", "matmul 2x3 by 3x4", ("input", "weight")),
        ("after score.dense", "mul 2x4", ("input", "constant")),
        ("after score.dense", "tanh 2x4", ("input",)),
    ]


# --- wrong input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engines", "torhc"], "Unknown engine 'torhc'. Did you mean 'torch'?"),
        (["--engines", ","], "names no engine"),
        (["--engines", "numpy,numpy"], "--engines names 'numpy' twice"),
        (["--preset", "mnits"], "Unknown preset 'mnits'. Did you mean 'mnist'"),
        (["--run", "nowhere"], "There is no run at runs/nowhere."),
        (["--run", "x", "--preset", "mnist"], "give one of them"),
        (["-o", "nowhere/report.json"], "Cannot write nowhere/report.json"),
    ],
    ids=" ".join,
)
def test_wrong_input(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = command("conformance", *arguments)
    assert said.code == 2 and message in said.err and said.out == ""


def test_an_engine_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setitem(
        engines.LIBRARIES, "absent", Library("no_such_library", "absent", "1.0", ())
    )
    said = command("conformance", "--engines", "numpy,absent")
    assert said.code == 2 and "pip install 'ganbaru[absent]'" in said.err
