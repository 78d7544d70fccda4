"""What is counted and measured is what is told; all cases run at sizes that measure nothing."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench import __main__ as front
from bench import cases, flops, interleaved, reporting, roofline
from bench.scale import QUICK, Size
from bench.step import CONTESTANTS, PLAIN, fewer
from bench.worker import on_cores
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganbaru import engines
from ganbaru.engines import LIBRARIES

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

SMALL = Size(16, 1, 4, 8)
TINY = dataclasses.replace(
    QUICK, rounds=2, starts=1, steps=(SMALL,), middle=SMALL, batches=(4, 8), widths=(2, 4),
    sizes=(16, 32), sampled=SMALL, few=8, many=16, digits=100, faces=12, squares=(128,), copied=1,
)  # fmt: skip


def ran(module: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", module, *words], cwd=ROOT, env=ENVIRONMENT, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.extended
@pytest.mark.slow
def test_gpu_checks_times_and_trains(tmp_path):
    """All but CUDA's own calls."""
    pytest.importorskip("torch")
    words = ["--device", "cpu", "--quick", "--engines", "torch", "--networks", "dcgan", "dcgan-5x5"]
    done = ran("bench.gpu", *words, "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert told["failed"] == []
    assert [row["network"] for row in told["checks"]] == ["dcgan", "dcgan-5x5"]
    for row in told["checks"]:
        assert row["agrees"] and row["gradients float64"] < 1e-9 < row["gradients float32"] < 1e-4
    for table in ("TF32", "refusals", "constants", "endurance"):
        assert told[table] and all(row["agrees"] for row in told[table]), table
    assert {row["precision"] for row in told["fast steps"]} == {"float64", "float32", "bf16"}
    assert all(row["agrees"] for row in told["fast steps"])
    assert [row[""] for row in told["speed"]][0] == "bench/plain/pytorch_example.py"
    for row in told["speed"]:
        assert math.isclose(row["images/s"], row["batch"] / row["seconds"])
        assert 0 <= row["waiting"] < 1 and row.get("peak MiB", 11) > 10
    first, last = told["quality"][0], told["quality"][-1]
    assert first["steps"] < last["steps"] and 1.5 <= last["seconds"] < 60
    assert 0 <= last["label accuracy"] <= 1 and last["frechet"] > 0
    assert "| torch | dcgan |" in (tmp_path / "gpu.md").read_text()


def test_gpu_goes_on_after_a_failure(tmp_path):
    from bench import gpu

    findings = gpu.Findings(tmp_path, math.inf)
    assert findings.add("speed", lambda: 1 / 0) is None
    assert findings.add("speed", lambda: {"": "after"}) == {"": "after"}
    late = gpu.Findings(tmp_path, -math.inf)
    assert late.add("speed", dict) is None and not (findings.succeeded or late.succeeded)
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert "ZeroDivisionError" in told["failed"][0]["why"] and told["speed"] == [{"": "after"}]


@pytest.mark.extended
def test_gpu_faults_are_checked_on_a_cpu_too(monkeypatch):
    """All but CUDA's own calls; a check fails where what it checks does."""
    pytest.importorskip("torch")
    from bench import gpu_faults

    rows = [gpu_faults.refusal("cpu", where, 9) for where in gpu_faults.REFUSED]
    assert "_local_scalar_dense" in rows[0]["why"]
    rows += [gpu_faults.tf32("torch", "cpu"), gpu_faults.constants("cpu", 6)]
    rows.append(gpu_faults.endurance("cpu", 8))
    assert all(row["agrees"] for row in rows), rows
    assert not gpu_faults.constants("cpu", 3)["agrees"]  # too few steps to be recorded
    monkeypatch.setitem(gpu_faults.REFUSED, "in a rehearsal", None)
    assert not gpu_faults.refusal("cpu", "in a rehearsal", 6)["agrees"]


def test_gpu_says_that_there_is_none(tmp_path):
    done = ran("bench.gpu", "--engines", "numpy", "--out", str(tmp_path))
    assert done.returncode == 2 and done.stderr == ""
    assert "No engine computes on 'cuda' here" in done.stdout and not list(tmp_path.iterdir())


# --- ceilings and races -----------------------------------------------------------------------


def bench(*libraries):
    return interleaved.Bench(TINY, libraries)


def test_ceilings_are_positive_and_plausible(monkeypatch):
    monkeypatch.setattr(roofline, "LIBRARIES", {"numpy": roofline.LIBRARIES["numpy"]})
    measured = bench("numpy")
    (table,) = roofline.measure(measured)
    measured.close()
    rates = {row[""]: row["GFLOP/s"] for row in table.rows if "GFLOP/s" in row}
    # No core does as much as 1 TFLOP/s in float32, and no memory moves as much as 10 TB/s.
    assert all(0 < rate < 1000 * roofline.core_count() for rate in rates.values())
    assert 0.01 < table.rows[-1]["GB/s"] < 10_000
    shape = measured.limits[interleaved.GEMM].settings["shape"]
    assert f"numpy's product, {'x'.join(map(str, shape))}" == max(rates, key=rates.get)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_the_ceiling_multiplies(library):
    pytest.importorskip(library)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 7), np.float32), rng.standard_normal((7, 3), np.float32)
    found = np.asarray(roofline.LIBRARIES[library](x, y)())
    np.testing.assert_allclose(found, x.astype(float) @ y.astype(float), rtol=1e-5)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no cores")
def test_processes_run_on_so_many_cores():
    script = "import os; print(len(os.sched_getaffinity(0)))"
    before = os.sched_getaffinity(0)
    with on_cores(1):
        told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(told.stdout) == 1 and os.sched_getaffinity(0) == before


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=20))
def test_quartiles(values):
    found = interleaved.Spread.of(values)
    np.testing.assert_allclose(found, np.quantile(values, (0.25, 0.5, 0.75)), rtol=1e-12)


def test_contestants_are_known_engines_and_rivals():
    from bench import gpu_speed

    assert set(gpu_speed.PEAKS) <= set(LIBRARIES)
    assert {way.engine for way in gpu_speed.WAYS.values()} <= set(LIBRARIES)
    assert {one.library for one in CONTESTANTS.values()} <= set(LIBRARIES)
    assert {rival for one in CONTESTANTS.values() for rival in one.rivals} <= set(CONTESTANTS)
    assert {*PLAIN.values(), *(f"{engine} engine" for engine in PLAIN)} <= set(CONTESTANTS)
    assert list(fewer(bench("numpy", "torch"))) == ["plain PyTorch", "numpy engine"]
    assert list(fewer(bench("jax"))) == ["plain JAX", "jax engine"]


# --- the front door ---------------------------------------------------------------------------


def measured(monkeypatch, folder, *words):
    """Run the front door at tiny sizes; returns its tables by title."""
    monkeypatch.setattr(front, "QUICK", TINY)
    for name in ("OMP_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, ENVIRONMENT[name])
    front.main(["--quick", *words, "-o", str(folder)])
    told = json.loads((folder / "results.json").read_text())
    assert told["about"]["command"] == f"python -m bench --quick {' '.join(words)} -o {folder}"
    assert told["about"]["versions"]["numpy"] == np.__version__
    text = (folder / "results.md").read_text()
    assert all(f"## {table['title']}\n" in text for table in told["tables"])
    return {table["title"]: table for table in told["tables"]}, text


@pytest.mark.extended
@pytest.mark.slow
def test_steps(monkeypatch, tmp_path, capsys):
    pytest.importorskip("torch")
    monkeypatch.setattr(roofline, "LIBRARIES", {"numpy": roofline.LIBRARIES["numpy"]})
    for name, one in list(CONTESTANTS.items()):
        if one.compiled or one.options.get("bf16"):
            monkeypatch.delitem(CONTESTANTS, name)
    tables, text = measured(monkeypatch, tmp_path, "step", "--engines", "numpy", "torch")
    assert capsys.readouterr().out.strip().endswith(text[text.index("## Step") :].strip())
    rows = {row[""]: row for row in tables[f"Step, {SMALL}"]["rows"]}
    names = [name for name, one in CONTESTANTS.items()
             if one.library in ("numpy", "torch") and not one.compiled]  # fmt: skip
    assert [name for name in names if name in rows] == list(rows) and len(rows) == 5
    for name, row in rows.items():
        count = flops.step(SMALL, CONTESTANTS[name].shared).flops
        assert row["quartiles"][0] <= row["seconds"] <= row["quartiles"][1]
        assert row["images/s"] == pytest.approx(8 / row["seconds"])
        assert row["GFLOP/s"] == pytest.approx(count / row["seconds"] / 1e9)
        assert row["of GEMM"] > 0 and row["of copy"] > 0 and row["MiB"] > 10
        for rival, ratio in row["ratio"].items():
            assert ratio == pytest.approx(row["seconds"] / rows[rival]["seconds"])
    assert rows["numpy engine"]["MiB"] < rows["plain PyTorch"]["MiB"]


LIKE_BATCH = ("width", "size", "cores")


def assert_drawn(folder, *names: str) -> None:
    plots = {path.stem: Image.open(path) for path in folder.glob("*.png")}
    assert set(plots) == {*names}
    for plot in plots.values():
        assert plot.size == (840, 540) and len(plot.getcolors(1 << 20)) > 100


@pytest.mark.extended
@pytest.mark.slow
def test_cases_that_vary_something_else_than_the_batch(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(roofline, "LIBRARIES", {"numpy": roofline.LIBRARIES["numpy"]})
    tables, _ = measured(monkeypatch, tmp_path, *LIKE_BATCH, "--engines", "numpy")
    assert capfd.readouterr().err == "" and len(tables) >= len(LIKE_BATCH)
    assert_drawn(tmp_path, *LIKE_BATCH)


def test_the_front_door_writes_what_a_case_returns(monkeypatch, tmp_path, capfd):
    table = interleaved.Table("A title", [{"": "one", "seconds": 0.5}], over="")
    monkeypatch.setattr(front, "CEILINGS", cases.Case("none", lambda bench: []))
    monkeypatch.setitem(cases.CASES, "loading", cases.Case("one row", lambda bench: [table]))
    tables, _ = measured(monkeypatch, tmp_path, "loading", "--engines", "numpy")
    assert capfd.readouterr().err == ""
    assert tables["A title"]["rows"] == table.rows


@pytest.mark.extended
@pytest.mark.slow
def test_all_other_cases_without_a_framework(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(roofline, "LIBRARIES", {"numpy": roofline.LIBRARIES["numpy"]})
    others = [name for name in cases.CASES if name not in ("step", "startup", *LIKE_BATCH)]
    tables, _ = measured(monkeypatch, tmp_path, *others, "--engines", "numpy")
    assert capfd.readouterr().err == ""
    rows = tables[f"Step over batch, else {SMALL}"]["rows"]
    assert [(row["batch"], row[""]) for row in rows] == [(4, "numpy engine"), (8, "numpy engine")]
    assert_drawn(tmp_path, "batch")
    loaded = tables["Loading 12 images, 64x64 JPEG files"]["rows"]
    assert [row[""] for row in loaded] == ["plain NumPy and Pillow", "ganbaru, first time",
                                           "ganbaru, from the cache"]  # fmt: skip
    (waited,) = tables["Waiting for data, 64x64x3, width 4, batch 8"]["rows"]
    assert waited["share"] == waited["waited"] / waited["seconds"] and 0 < waited["share"] < 1
    written = tables["Sampling, 16x16x1, width 4, ganbaru generate on the NumPy engine"]["rows"]
    assert [row["images/s"] * row["seconds"] for row in written] == pytest.approx([8, 16, 8, 16])


def test_a_command_without_the_line_that_ends_it_is_an_error():
    from bench import startup

    with pytest.raises(RuntimeError, match="No line"):
        startup.to_line(["-c", "print('nothing')"], "step", "")


@pytest.mark.extended
@pytest.mark.slow
def test_start_up(monkeypatch, tmp_path):
    from bench import startup

    chosen = {name: startup.COMMANDS[name] for name in ("python -c pass", "ganbaru presets")}
    monkeypatch.setattr(startup, "COMMANDS", chosen)
    (table,) = startup.startup(bench("numpy"))
    seconds = {row[""]: row["seconds"] for row in table.rows}
    training = "ganbaru train --engine numpy to its first step"
    assert list(seconds) == [*chosen, training]
    assert 0 < seconds["python -c pass"] < seconds[training]


@pytest.mark.parametrize(
    "words,said",
    [
        (["speed"], "unknown case 'speed': choose from step, batch"),
        (["--rounds", "0"], "--rounds 0 is out of range: give a whole number from 1"),
        (["--engines", "cupy"], "'cupy'"),
        (["--engines", "tensorflow"], "no library of tensorflow is installed"),
    ],
)
def test_a_wrong_word_is_told(words, said, capsys, monkeypatch):
    monkeypatch.setattr(engines, "available", lambda: ["numpy"])
    with pytest.raises(SystemExit) as ended:
        front.parsed(words)
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_what_is_asked_for(monkeypatch):
    monkeypatch.setattr(engines, "available", lambda: ["numpy", "jax"])
    wanted, quick = front.parsed(["--quick", "step", "size", "--rounds", "5"])
    assert wanted.cases == ["step", "size"] and quick.libraries == ["numpy"]
    assert quick.scale == dataclasses.replace(QUICK, rounds=5)
    _, full = front.parsed(["--engines", "jax", "tensorflow"])
    assert full.libraries == ["jax"]
    assert list(full.entrants(CONTESTANTS)) == ["plain JAX", "jax engine"]


def test_markdown_writes_each_kind_of_value():
    rows = [{"": "one", "s": 0.12345, "ratio": {"plain": 0.5}},
            {"": "two", "s": 12345.6, "quartiles": [1.0, 200.4]}]  # fmt: skip
    assert reporting.markdown(rows).splitlines() == [
        "|  | s | ratio | quartiles |",
        "| --- | --- | --- | --- |",
        "| one | 0.123 | 0.50 of plain |  |",
        "| two | 12,346 |  | 1 to 200 |",
    ]
