"""The fault campaign finds planted faults, repeats its trials by seed, and finds nothing here."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

if os.name != "posix":
    pytest.skip("the campaign forks its trials", allow_module_level=True)

from bench.faults import fuzz, kills, mutations
from bench.faults.child import attempt
from bench.faults.findings import Finding, Findings

from ganbaru.errors import InputError, RunError

ROOT = Path(__file__).resolve().parents[2]


def fail(error: BaseException):
    def action():
        raise error

    return action


def started():
    subprocess.run(["true"], check=True)


def imported():
    Path("planted_by_a_test.py").write_text("import sys; sys.audit('ganbaru.bench.marker', 'x')")
    __import__("planted_by_a_test")


# What a child does, its exit code, and how the problem begins; "" for none.
PLANTED = {
    "success": (lambda: None, 0, ""),
    "code": (lambda: 1, 1, ""),
    "input": (fail(InputError("bad")), 2, ""),
    "run": (fail(RunError("failed")), 1, ""),
    "exception": (fail(KeyError("x")), 70, "traceback: KeyError"),
    "other code": (lambda: 3, 3, "traceback"),
    "out of memory": (fail(MemoryError()), 1, "memory"),
    "process": (started, 0, "did: subprocess.Popen"),
    "marker": (imported, 0, "did: ganbaru.bench.marker"),
    "waiting": (lambda: time.sleep(9), -14, "stuck"),
    "death": (lambda: os.kill(os.getpid(), 9), -9, "ended by SIGKILL"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_faults_are_found(tmp_path, name):
    action, code, problem = PLANTED[name]
    outcome = attempt(action, tmp_path, wall=0.3 if name == "waiting" else 20)
    assert outcome.code == code, outcome
    assert outcome.problem.startswith(problem) and bool(outcome.problem) == bool(problem), outcome


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="Linux counts it")
def test_a_child_that_waits_for_a_processor_is_not_stuck(tmp_path):
    def busy():
        began = time.process_time()
        while time.process_time() - began < 0.4:
            pass

    assert attempt(busy, tmp_path, wall=0.2).code == 0


def test_kills_come_before_the_event(tmp_path):
    def write():
        for name in "abc":
            Path(name).write_text(name)
            os.rename(name, f"{name}{name}")

    record = tmp_path.with_name("events")
    attempt(write, tmp_path, kills.fatal(0, record))
    assert [line.split()[0] for line in record.read_text().splitlines()] == [
        "open",
        "os.rename",
    ] * 3
    for path in tmp_path.iterdir():
        path.unlink()
    outcome = attempt(write, tmp_path, kills.fatal(3))
    assert outcome.code == -9 and sorted(path.name for path in tmp_path.iterdir()) == ["aa", "b"]


@pytest.mark.parametrize("mutate", [mutations.damaged, mutations.json_file, mutations.yaml_file,
                                    mutations.json_lines, mutations.safetensors_file])  # fmt: skip
def test_damage_is_repeatable_and_varied(mutate):
    header = json.dumps({"__metadata__": {"ganbaru": '{"a": 1}'}})
    valid = {
        mutations.yaml_file: b"a: 1\nb: 2\n",
        mutations.safetensors_file: mutations.packed(header, bytes(400)),
    }.get(mutate, b'{"a": [1, {"b": "text"}], "c": 2.5}')
    made = [mutate(random.Random(seed), valid, b"other bytes")[0] for seed in range(40)]
    assert made == [mutate(random.Random(seed), valid, b"other bytes")[0] for seed in range(40)]
    assert len(set(made)) > 20 and valid not in made[:1]


def test_every_kind_of_file_has_readers():
    for kind in fuzz.KINDS.values():
        assert set(kind.readers) <= fuzz.READERS.keys() and kind.files


def test_findings_are_counted_and_written(tmp_path, capsys):
    found = Findings()
    found.add(Finding("kills", "a", "b", ""))
    found.add(Finding("kills", "c", "d", "left over"))
    found.write(tmp_path / "found.json", {"seed": 0})
    content = json.loads((tmp_path / "found.json").read_text())
    assert (content["trials"], content["failed"]) == ({"kills": 2}, {"kills": 1})
    assert content["failures"][0]["trial"] == "c" and "left over" in capsys.readouterr().out


def test_a_campaign_goes_on_where_it_was_cut_off(tmp_path):
    journal = tmp_path / "found.0.jsonl"
    first = Findings(quiet=True, journal=journal)
    first.add(Finding("kills", "a", "", "", note="killed"))
    first.add(Finding("kills", "b", "", "left over"))
    again = Findings(quiet=True, journal=journal)
    assert again.earlier == {("kills", "a")}  # what failed is tried again
    for trial, problem in (("a", ""), ("b", "")):
        again.add(Finding("kills", trial, "", problem, note="killed"))
    assert again.counts == {"kills": 2} and again.notes == {"killed": 2} and not again.failures


@pytest.mark.extended
def test_the_quick_campaign_keeps_every_promise(tmp_path):
    words = [sys.executable, "-m", "bench.faults", "--quick", "-o", str(tmp_path / "found.json")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = json.loads((tmp_path / "found.json").read_text())["trials"]
    assert trials.keys() == {"trust", "outputs", "terminal", "kills", "fuzz"}
    assert min(trials.values()) >= 6
