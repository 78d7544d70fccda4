"""The files for clusters: shells and YAML parse, and torchrun and ganbaru know every flag."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from train_helpers import ROOT

from ganbaru.cli import options

CLUSTER = ROOT / "examples" / "cluster"
SET = {"NODES", "NODE", "HEAD", "GPUS", "RUN", "DATA"}  # what train.sh needs on several nodes
NODES = [1, 2, 8]


@pytest.fixture
def stub(tmp_path):
    """Put a torchrun on the path that prints its arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    file = folder / "torchrun"
    file.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    file.chmod(file.stat().st_mode | stat.S_IEXEC)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def started(stub, **env) -> tuple[list[str], list[str]]:
    """Return the arguments of torchrun and of `ganbaru train` in train.sh."""
    done = subprocess.run(
        ["bash", CLUSTER / "train.sh"], env={**stub, **env}, capture_output=True, check=True
    )
    words = json.loads(done.stdout)
    cut = words.index("--")
    assert words[cut - 1 : cut + 3] == ["-m", "--", "ganbaru", "train"]
    return words[: cut - 1], words[cut + 3 :]


@pytest.mark.parametrize("nodes", NODES)
def test_a_run_starts_and_resumes_with_known_flags(stub, tmp_path, nodes):
    place = {"RUN": str(tmp_path / "a run"), "DATA": "/d/s-{0000..0099}.tar", "BATCH": "256"}
    where = {"NODES": str(nodes), "NODE": str(nodes - 1), "HEAD": "first", "GPUS": "4"}
    torch, ours = started(stub, **place, **where)
    config, _, _ = options.explained("train", "", ours)
    assert config.data == place["DATA"] and config.batch == 256 and not config.resume
    assert config.run == place["RUN"]
    given = dict(zip(torch[::2], torch[1::2], strict=True))
    assert given["--nnodes"] == str(nodes) and given["--node-rank"] == str(nodes - 1)
    (tmp_path / "a run").mkdir()
    (tmp_path / "a run" / "config.yaml").write_text("")
    _, ours = started(stub, **place, **where)
    assert ours == ["--run", place["RUN"], "--resume"]


def test_torchrun_knows_its_flags(stub):
    run = pytest.importorskip("torch.distributed.run")
    torch, ours = started(stub, RUN="/r", DATA="x")
    parsed = run.get_args_parser().parse_args([*torch, "-m", "--", "ganbaru", "train", *ours])
    assert parsed.nproc_per_node == "8" and parsed.training_script == "ganbaru"
    assert parsed.training_script_args == ["train", *ours]


def test_what_is_missing_is_said(stub):
    for env in ({"RUN": "/r"}, {"DATA": "x"}):
        done = subprocess.run(
            ["bash", CLUSTER / "train.sh"], env={**stub, **env}, capture_output=True
        )
        assert done.returncode and not done.stdout


def shells() -> dict[str, str]:
    """Return every shell script among the files, also those in YAML."""
    found = {path.name: path.read_text() for path in CLUSTER.glob("*.sh")}
    sky = yaml.safe_load((CLUSTER / "skypilot.yaml").read_text())
    found["skypilot"] = "\n".join((*sky["envs"], sky["run"]))
    _, job = yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    lines = [each["name"] for each in container["env"]] + container["command"][2:]
    found["kubernetes"] = "\n".join(lines)
    return found


def test_shells_parse_and_set_what_train_needs():
    found = shells()
    assert {path.name for path in CLUSTER.iterdir()} == {
        *("train.sh", "slurm.sh", "skypilot.yaml", "kubernetes.yaml")
    }
    for name, text in found.items():
        done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
        assert done.returncode == 0, (name, done.stderr)
        if name != "train.sh":
            assert set(re.findall(r"\w+", text)) >= SET, name


def test_kubernetes_pods_find_each_other():
    service, job = yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text())
    spec = job["spec"]
    pod = spec["template"]["spec"]
    env = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert spec["completions"] == spec["parallelism"] == int(env["NODES"])
    name = f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert env["HEAD"] == name and pod["subdomain"] == service["metadata"]["name"]
    mounted = {each["name"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounted == {each["name"] for each in pod["volumes"]}
    assert Path(env["RUN"]).parent.as_posix() == "/runs"
