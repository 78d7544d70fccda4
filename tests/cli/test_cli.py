"""The command line: help, start-up, terminal and pipes, every command once."""

from __future__ import annotations

import dataclasses
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from PIL import Image
from train_helpers import (
    HAS_TORCH,
    PATIENCE,
    ROOT,
    command,
    needs_posix,
    newest,
    pictures,
    process,
    tiny,
    trained,
    without_plots,
    words,
)

from ganbaru import PRESETS, Config, registry
from ganbaru.cli import main
from ganbaru.config import flag, from_preset, to_yaml
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES

COMMANDS = [
    "train", "plan", "generate", "morph", "project", "directions", "edit", "anomaly", "embed",
    "evaluate", "compare", "authenticity", "utility", "doctor", "lab", "explain", "report",
    "export", "hub", "serve", "import", "presets", "describe", "data", "engines", "conformance",
]  # fmt: skip

# --- help -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_usage_lists_every_command_and_a_first_example(arguments):
    said = command(*arguments)
    assert (said.code, said.err) == (0, "")
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w+", said.out, re.MULTILINE)
    assert "ganbaru train digits" in said.out and "exit codes: 0 success, 1 " in said.out
    assert list(main.COMMANDS) == COMMANDS


@pytest.mark.parametrize("arguments", [["--version"], ["-V"]])
def test_version(arguments):
    assert re.fullmatch(r"ganbaru \d+\.\d+\.\d+\n", command(*arguments).out)


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    said = command(name, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: ganbaru {name}")
    for odd in ("null", "SUPPRESS", "type:", "default:", "<class", "{known}", "_DIR"):
        assert odd not in said.out
    assert "_" not in said.out.replace("--print_config", "").replace("$GANBARU_KEY", "")
    assert max(map(len, said.out.splitlines())) <= max(width, 72)
    assert command("help", name) == said


def test_help_of_train_has_a_sentence_for_every_field_and_the_presets_values(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    page = command("train", "mnist", "--help").out
    preset = from_preset("mnist")
    # An option's text runs until the next option or heading.
    entries = re.split(r"\n(?=  -|\n)", page)
    for field in dataclasses.fields(Config):
        if field.name == "preset":
            continue
        (entry,) = [e for e in entries if re.match(rf"  {flag(field.name)}\b(?!-)", e)]
        text = " ".join(entry.split())
        assert all(part in text for part in field.metadata["help"].split("{known}"))
        value = getattr(preset, field.name)
        if value is None or value is False or value == "":
            assert not text.endswith("]")
        else:
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            assert text.endswith(f"[{shown}]")
    whole = " ".join(page.split())
    for known in (*OBJECTIVES, *PENALTIES, *registry.names("data"), *PRESETS):
        assert known in whole


# --- start-up ---------------------------------------------------------------------------------

LOADED = """
import sys
from ganbaru.cli.main import main
code = main({arguments!r})
print("loaded:", *sorted({heavy!r} & {{name.partition(".")[0] for name in sys.modules}}))
"""
HEAVY = {"numpy", "torch", "rich", "PIL", "sklearn", "matplotlib", "yaml", "argparse",
         "requests", "pooch", "safetensors", "scipy"}  # fmt: skip


def heavy_modules(*arguments) -> set[str]:
    code = LOADED.format(arguments=list(arguments), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_loads_few_modules():
    assert heavy_modules("--help") == set()
    assert heavy_modules("trian") == set()
    assert heavy_modules("generate", "--help") == {"argparse"}
    assert heavy_modules("train", "--help") <= {"numpy", "argparse", "yaml"}


# --- a first session --------------------------------------------------------------------------


def test_first_session(tmp_path):
    """Train, then generate with the command that training printed."""
    said = process(
        "train", "digits", "--steps", 4, "--width", 4, "--run", "first", cwd=tmp_path, plots=True
    )
    assert (said.code, said.err) == (0, ""), said
    assert "digits: 1,497 images 16x16x1, 10 classes" in said.out
    assert re.search(r"^run +runs/first, from the start until 4 steps$", said.out, re.MULTILINE)
    assert "Done: 256 images, 4 steps in" in said.out
    files = re.findall(r"^  [a-z -]+ (runs/\S+)$", said.out, re.MULTILINE)
    assert len(files) == 8 and all((tmp_path / name).exists() for name in files)
    more = re.search(r"^More images: .*-m ganbaru (.*)$", said.out, re.MULTILINE).group(1)
    said = process(*more.split(), cwd=tmp_path)
    assert said == (0, "64 images, seeds 0 to 63: images.png\n", "")
    with Image.open(tmp_path / "images.png") as sheet:
        assert sheet.size == (10 * 18 + 2, 7 * 18 + 2)


def test_unnamed_run_is_created_in_runs(tmp_path):
    assert process("train", "--steps", 1, "--width", 4, cwd=tmp_path).code == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"digits-\d{4}-\d\d-\d\d-1", run.name)


def test_path_with_spaces_is_quoted_in_printed_commands(tmp_path):
    run = trained(tmp_path, run=tmp_path / "my run", steps=1)
    out = command("train", "--run", run, "--resume", "--steps", 2).out
    assert f"ganbaru generate '{run}' -n 64" in out


def test_own_modules_are_found_in_the_current_folder(tmp_path):
    """The console script, too, which does not add the folder to the path by itself."""
    (tmp_path / "mine.py").write_text("from ganbaru.networks.dcgan import *")
    pictures(tmp_path / "p.npz")
    code = "import sys; sys.path.remove(''); from ganbaru.cli.main import main; sys.exit(main())"
    arguments = ["train", "--network", "mine", "--data", "p.npz", "--batch", "8", "--steps", "1"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, timeout=300)
    assert done.returncode == 0


def test_configuration_file_makes_the_same_run(tmp_path):
    config = tiny(tmp_path, steps=2)
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    assert command("train", "--config", tmp_path / "c.yaml").code == 0
    again = tmp_path / "again"
    saved = tmp_path / "run" / "config.yaml"
    assert command("train", "--config", saved, "--run", again).code == 0
    one, other = newest(tmp_path / "run"), newest(again)
    for group, arrays in one[0].items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, other[0][group][name])


# --- presets, describe, data ------------------------------------------------------------------


def test_presets_lists_each_with_system_data_size_and_result():
    out = command("presets").out
    for name, preset in PRESETS.items():
        (row,) = re.findall(rf"^{name} .*", out, re.MULTILINE)
        assert (preset.options["data"] or "--data") in row
        assert preset.system.partition(" (")[0] in row
        assert (preset.options.get("image_size") or "as it is") in row
        assert preset.measured.partition(":")[0] in row


@pytest.mark.parametrize("name", PRESETS)
def test_presets_shows_all_about_one(name):
    shown = " ".join(command("presets", name).out.split())
    preset = PRESETS[name]
    for text in (preset.summary, preset.system, preset.deviations, preset.measured):
        assert text in shown
    # The flags shown give the same configuration.
    flags = shown.partition(" sets ")[2].partition(" ends ")[0]
    data = [] if preset.options["data"] else ["--data", "pictures"]
    made = command("train", "digits", "--print_config", *data, *shlex.split(flags)).out
    fields = yaml.safe_load(made)
    expected = dataclasses.asdict(from_preset(name, data=preset.options["data"] or "pictures"))
    for field in preset.options:
        value = expected[field]
        assert fields[field] == (list(value) if isinstance(value, tuple) else value), field


def test_describe_takes_a_configuration_without_a_preset(tmp_path):
    """A configuration made in Python, as a run saves it."""
    (tmp_path / "c.yaml").write_text(to_yaml(Config(image_size="16", steps=1)))
    said = command("describe", "--config", tmp_path / "c.yaml")
    assert (said.code, said.err) == (0, "")
    assert "generator, for one image" in said.out and "deviates" not in said.out


def rows_of(out: str) -> dict[str, tuple[int, int]]:
    """Return parameters and multiply-adds by layer, of both networks in turn."""
    found = {}
    for i, table in enumerate(out.split("for one image")[1:]):
        for line in table.splitlines():
            cells = [cell.strip().replace(",", "") for cell in line.split("│")[1:-1]]
            if len(cells) == 5 and cells[3].isdigit():
                found[f"{i} {cells[0]}"] = (int(cells[3]), int(cells[4] or 0))
    return found


def test_describe_counts_parameters_and_multiply_adds():
    out = command("describe", "dcgan", "--image-size", "48x64", "--width", 8, "--latent", 10).out
    rows = rows_of(out)
    assert rows["0 stem.conv"] == (10 * 32 * 6 * 8, 10 * 32 * 6 * 8)
    assert rows["0 up1.conv"] == (32 * 16 * 16, 32 * 16 * 16 * 6 * 8)
    assert rows["0 image.conv"] == (8 * 3 * 16, 8 * 3 * 16 * 24 * 32)
    assert rows["1 down2.conv"] == (8 * 16 * 16, 8 * 16 * 16 * 12 * 16)
    assert rows["1 score.conv"] == (32 * 6 * 8, 32 * 6 * 8)
    for i in "01":
        layers = [v for name, v in rows.items() if name[0] == i and not name.endswith("total")]
        assert rows[f"{i} total"] == tuple(np.sum(layers, axis=0))


def test_describe_needs_what_training_needs(tmp_path):
    data = pictures(tmp_path / "p.npz", classes=0)
    said = command("describe", "--data", data, "--conditioning", "projection")
    assert said.code == 2 and "needs labels, and p has none" in said.err


def test_data_without_argument_lists_the_known_sets():
    assert "cifar10, digits, fashion-mnist, mnist" in command("data").out


def test_data_describes_a_set(tmp_path):
    pictures(tmp_path / "p.npz")
    sheet = tmp_path / "sheet.png"
    said = command("data", tmp_path / "p.npz", "-o", sheet)
    assert said.code == 0 and "43 images, 16 high x 16 wide, grey" in said.out
    assert "3 classes: 0 15, 1 14, 2 14" in said.out and str(sheet) in said.out
    with Image.open(sheet) as image:
        assert min(image.size) > 50


def test_data_of_mixed_sizes_reports_the_sizes(tmp_path):
    for i in range(6):
        Image.new("RGB", (20 + i, 30), (i * 9, 0, 0)).save(tmp_path / f"{i}.png")
    said = command("data", tmp_path)
    assert said.code == 0 and "of different sizes; here they are cropped" in said.out
    assert "originals 30 to 30 high (median 30), 20 to 25 wide (median 22)" in said.out
    assert "6 images, 64 high x 64 wide" in said.out
    said = command("data", tmp_path, "--image-size", "32x16")
    assert "6 images, 32 high x 16 wide" in said.out
    assert len(list(tmp_path.glob("*"))) == 6  # nothing was written


# --- terminals and pipes ----------------------------------------------------------------------


def in_terminal(arguments, cwd, columns=80, press_at=None) -> tuple[str, int]:
    """Run the command in a pseudo-terminal, without plots; press Ctrl-C when `press_at` appears."""
    import fcntl
    import pty
    import struct
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    names = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    started = subprocess.Popen(
        words(*arguments), cwd=cwd, stdin=child, stdout=child, stderr=child, close_fds=True,
        env=without_plots({**environment, "TERM": "xterm-256color"}), start_new_session=True,
        preexec_fn=lambda: (signal.signal(signal.SIGINT, signal.SIG_DFL),
                            fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
    )  # fmt: skip
    os.close(child)
    text, deadline = "", time.monotonic() + PATIENCE
    with started:
        while time.monotonic() < deadline:
            if not select.select([parent], [], [], 0.1)[0]:
                continue
            try:
                read = os.read(parent, 65536)
            except OSError:  # the other end is closed
                break
            if not read:
                break
            text += read.decode()
            if press_at and press_at in text:
                os.write(parent, b"\x03")
                press_at = None
        started.kill() if time.monotonic() > deadline else None
    os.close(parent)
    return text, started.returncode


def screen(text: str) -> list[str]:
    """Return the lines left on a terminal after carriage returns and erasures."""
    lines, row = [""], 0
    for part in re.split(r"(\r|\n|\x1b\[[0-9;?]*[A-Za-z])", text):
        if part == "\n":
            row += 1
            lines += [""] * (row - len(lines) + 1)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part == "\x1b[1A":
            row = max(0, row - 1)
        elif part and part[0] not in "\r\x1b":
            lines[row] += part
    return [line.rstrip() for line in lines if line.strip()]


@needs_posix
@pytest.mark.parametrize("columns", [80, pytest.param(120, marks=pytest.mark.extended)])
def test_bar_moves_and_leaves_the_terminal_clean(tmp_path, columns):
    config = tiny(tmp_path, steps=60, log_every=80)
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    text, code = in_terminal(["train", "--config", "c.yaml"], tmp_path, columns)
    assert code == 0
    bars = [part for part in re.split(r"\r|\n", text) if "━" in part]
    assert len(bars) > 2 and any(re.search(r"\d/s  D \d", bar) for bar in bars)
    assert any(re.search(r"\d images .*\d:\d\d left", bar) for bar in bars)
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bar) for bar in bars]
    assert max(map(len, plain)) <= columns
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is visible again
    left = screen(text)
    assert not any("━" in line for line in left)
    done = [i for i, line in enumerate(left) if line.startswith("Done: 480 images, 60 steps")]
    assert len(done) == 1 and any("Ctrl-C" in line for line in left[: done[0]])
    assert re.match(r"More images: .* -m ganbaru generate", left[-2])
    assert left[-1].endswith("--resume --steps 120")


@needs_posix
def test_ctrl_c_in_a_terminal(tmp_path):
    (tmp_path / "c.yaml").write_text(to_yaml(tiny(tmp_path, steps=10**6, log_every=80)))
    text, code = in_terminal(["train", "--config", "c.yaml"], tmp_path, press_at="/s  D")
    assert code == 130 and text.count("\x1b[?25l") == text.count("\x1b[?25h")
    left = screen(text)
    assert "Stopping and saving; press Ctrl-C again to end at once." in left
    assert any(line.startswith("Stopped early and saved:") for line in left)
    assert not any("━" in line or "Traceback" in line for line in left)


@needs_posix
def test_generate_shows_progress_in_a_terminal_only(tmp_path):
    run = trained(tmp_path, steps=1)
    arguments = ["generate", run, "-n", 3000, "-o", tmp_path / "all.npz"]
    text, code = in_terminal(arguments, tmp_path)
    assert code == 0 and "making images" in text
    assert screen(text)[-1].startswith("3,000 images, seeds 0 to 2999")
    assert not any("making images" in line for line in screen(text))
    said = process(*arguments, cwd=tmp_path)
    assert said.err == "" and said.out.count("\n") == 1


@needs_posix
def test_piped_output_is_plain(tmp_path):
    (tmp_path / "c.yaml").write_text(to_yaml(tiny(tmp_path)))
    said = process("train", "--config", "c.yaml", cwd=tmp_path)
    assert said.code == 0 and "\x1b" not in said.out and "\r" not in said.out


def test_python_minus_m_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ganbaru", "--version"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == command("--version").out


@pytest.mark.skipif(not HAS_TORCH, reason="needs torch, which is not installed")
def test_torch_from_the_command(tmp_path):
    config = tiny(tmp_path, steps=2)
    said = command("train", "--data", config.data, "--batch", 8, "--width", 4, "--steps", 2,
                   "--engine", "torch", "--device", "cpu", "--run", config.run)  # fmt: skip
    assert said.code == 0 and re.search(r"^engine +torch on cpu \(PyTorch", said.out, re.MULTILINE)
    said = command("generate", config.run, "-n", 2, "--engine", "torch", "-o", tmp_path / "x.npz")
    assert said.code == 0
