"""The load test of the service: its counts and latencies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("httptools")
pytest.importorskip("sse_starlette")

from bench import load  # noqa: E402
from bench.sampling import untrained  # noqa: E402


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_short_load(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(load.__file__).parents[1])
    monkeypatch.setattr(sys, "argv", ["bench.load"])
    run = untrained(load.SIZE._replace(size=16, width=4), tmp_path)
    found = load.measure(str(run), connections=3, seconds=1.2)
    assert found["errors"] == 0 and found["requests"] > 10
    assert found["images/s"] == pytest.approx(found["requests"] / 1.2, rel=0.2)
    assert 0 < found["p50"] <= found["p99"] <= found["worst"] < 1.2
    assert found["share of in memory"] == found["images/s"] / found["in memory"]
    assert 0 < found["MiB least"] <= found["MiB most"]
