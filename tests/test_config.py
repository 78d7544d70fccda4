"""Configuration from Python, YAML and flags: types, ranges and precedence."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from train_helpers import command

from ganbaru import PRESETS, Config, InputError, from_preset
from ganbaru.config import TOTALS, flag, from_fields, kind, load_yaml, merged, parse_size, to_yaml

FIELDS = [field.name for field in dataclasses.fields(Config)]

# --- types and ranges -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given_", "value"),
    [
        ("batch", "32", 32),
        ("steps", "1e5", 100_000),
        ("steps", 2.0, 2),
        ("seed", str(2**63 - 1), 2**63 - 1),  # more digits than a float has
        ("lr", "1e-4", 1e-4),
        ("lr", 1, 1.0),
        ("betas", [0, "0.9"], (0.0, 0.9)),
        ("image_size", 64, "64"),
        ("image_size", (48, 64), "48x64"),
        ("run", 2024, "2024"),
        ("lr_g", None, None),
        ("data", "mnist", "mnist"),
        ("replacement", True, True),
    ],
)
def test_values_are_converted_to_the_field_type(name, given_, value):
    found = getattr(Config(**{name: given_}), name)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("batch", "x", "--batch x is not a whole number"),
        ("batch", 2.5, "--batch 2.5 is not a whole number"),
        ("batch", True, "--batch True is not a whole number"),
        ("batch", None, "--batch None is not a whole number"),
        ("steps", "inf", "--steps inf is not a whole number"),
        ("steps", "nan", "--steps nan is not a whole number"),
        ("lr", "abc", "--lr abc is not a number"),
        ("lr", "nan", "--lr nan is not a number"),
        ("minutes", float("inf"), "--minutes inf is not a number"),
        ("lr", [1], "--lr 1 is not a number"),
        ("betas", 3, "--betas 3 is not two numbers"),
        ("betas", (1, 2, 3), "--betas 1 2 3 is not two numbers"),
        ("betas", "ab", "--betas ab is not two numbers"),
        ("engine", False, "--engine False is not a text"),
        ("replacement", "no", "--replacement no is not true or false"),
        ("batch", 1, "--batch 1 is out of range: give a whole number from 2"),
        ("channels", 2, r"--channels 2 is out of range: give 1 \(grey\), 3"),
        ("seed", -1, "--seed -1 is out of range: give a whole number from 0 to 2"),
        ("seed", 2**63, "is out of range"),
        ("betas", (0.5, 1), r"--betas 0.5 1.0 is out of range: give two numbers from 0 to below"),
        ("ema", 1, "--ema 1.0 is out of range"),
        ("lr", 0, "--lr 0.0 is out of range: give a number above 0"),
        ("lr_d", -1e-3, "--lr-d -0.001 is out of range"),
        ("minutes", 0, "--minutes 0.0 is out of range"),
        ("image_size", "foo", "--image-size foo is out of range: give a side such as 64, or hei"),
        ("image_size", "0", "--image-size 0 is out of range"),
        ("image_size", "16x16x3", "--image-size 16x16x3 is out of range"),
        ("image_size", (16,) * 3, "--image-size 16x16x16 is out of range"),
        *((name, 0, f"{flag(name)} 0 is out of range: give a whole number from 1")
          for name in ("width", "latent", "d_steps", "steps", "images", "log_every",
                       "sample_every", "checkpoint_every", "keep")),
    ],
)  # fmt: skip
def test_invalid_values_are_reported_with_the_allowed_values(name, wrong, said):
    with pytest.raises(InputError, match=said):
        from_preset("digits", **{name: wrong})


@given(st.sampled_from(FIELDS), st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
))  # fmt: skip
def test_any_value_is_accepted_or_refused_by_name(name, value):
    try:
        made = Config(**{name: value})
    except InputError as error:
        assert flag(name) in str(error)
    else:
        of, optional = kind(name)
        found = getattr(made, name)
        if found is None:
            assert optional
        elif of in (int, float, str, bool):
            assert type(found) is of
        assert from_fields(yaml.safe_load(to_yaml(made)), None) == made


def test_resume_and_overwrite_exclude_each_other():
    with pytest.raises(InputError, match="--resume and --overwrite"):
        Config(resume=True, overwrite=True)


@pytest.mark.parametrize(("text", "size"), [("64", (64, 64)), ("48x64", (48, 64)), ("8X9", (8, 9))])
def test_size(text, size):
    assert parse_size(text) == size == Config(image_size=text).size


def test_learning_rates():
    assert Config(lr=3.0).rates == (3.0, 3.0)
    assert Config(lr=3.0, lr_g=1.0).rates == (1.0, 3.0)
    assert Config(lr=3.0, lr_d=1.0).rates == (3.0, 1.0)


# --- presets and overrides --------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_end(name):
    config = from_preset(name)
    assert config.preset == name and any(getattr(config, total) for total in TOTALS)


def test_own_total_replaces_the_presets():
    assert from_preset("mnist").minutes and not from_preset("mnist").steps
    assert vars(from_preset("mnist", steps=5))["minutes"] is None
    both = from_preset("mnist", steps=5, epochs=2)
    assert (both.steps, both.epochs, both.minutes) == (5, 2.0, None)
    assert from_preset("mnist", width=3).minutes == from_preset("mnist").minutes


totals = st.fixed_dictionaries(
    {}, optional={name: st.one_of(st.none(), st.integers(1, 9)) for name in (*TOTALS, "width")}
)


@given(totals, totals)
def test_later_totals_replace_all_earlier_ones(before, after):
    found = merged(before, after)
    if any(after.get(name) for name in TOTALS):
        assert {n: found.get(n) for n in TOTALS} == {n: after.get(n) for n in TOTALS}
    else:
        assert {n: found.get(n) for n in TOTALS} == {
            n: after[n] if n in after else before.get(n) for n in TOTALS
        }
    assert found.get("width") == after.get("width", before.get("width"))


def test_unknown_names():
    with pytest.raises(InputError, match="Unknown preset 'digts'. Did you mean 'digits'"):
        from_preset("digts")
    with pytest.raises(InputError, match="Unknown field 'btach'. Did you mean 'batch'"):
        from_preset("digits", btach=3)


# --- on the command line ----------------------------------------------------------------------


def printed(*arguments) -> dict:
    said = command("train", *arguments, "--print_config")
    assert (said.code, said.err) == (0, "")
    return yaml.safe_load(said.out)


def test_plain_train_is_the_digits_preset():
    assert printed() == yaml.safe_load(to_yaml(from_preset("digits")))
    assert command("train", "--print-config") == command("train", "--print_config")


def test_every_field_is_a_flag():
    values = {
        int: ("7", 7), float: ("0.25", 0.25), str: ("word", "word"), bool: (None, True),
    }  # fmt: skip
    special = {"channels": ("3", 3), "image_size": ("48x64", "48x64"), "betas": ("0.1 0.2", None),
               "fit": ("pad", "pad"), "background": ("black", "black"),
               "range": ("0:4095", "0:4095"),
               "evaluate_images": ("77", 77),
               "start_from": ("zoo:digits", "zoo:digits"),
               "on_trouble": ("stop", "stop")}  # fmt: skip
    for name in set(FIELDS) - {"preset", "resume"}:
        text, value = special.get(name) or values[kind(name)[0]]
        found = printed(flag(name), *([] if text is None else text.split()))
        assert found[name] == ([0.1, 0.2] if name == "betas" else value)


def test_flags_override_the_file_and_the_file_the_preset(tmp_path):
    (tmp_path / "c.yaml").write_text("width: 8\nbatch: 9\nlr: 1e-4\nimage_size: 32\n")
    found = printed("mnist", "--config", tmp_path / "c.yaml", "--batch", "10")
    assert (found["preset"], found["data"]) == ("mnist", "mnist")
    assert (found["width"], found["batch"], found["lr"]) == (8, 10, 1e-4)
    assert found["image_size"] == "32"


def test_file_may_name_its_preset(tmp_path):
    (tmp_path / "c.yaml").write_text("preset: cifar10\n")
    assert printed("--config", tmp_path / "c.yaml")["data"] == "cifar10"


def test_total_in_a_file_or_flag_replaces_those_before(tmp_path):
    (tmp_path / "c.yaml").write_text("epochs: 3\n")
    found = printed("--config", tmp_path / "c.yaml")
    assert [found[name] for name in TOTALS] == [None, None, 3.0, None]
    found = printed("--config", tmp_path / "c.yaml", "--steps", "4", "--images", "5")
    assert [found[name] for name in TOTALS] == [4, 5, None, None]


def test_printed_configuration_is_a_file_for_config(tmp_path):
    chosen = ["mnist", "--lr-g", "1e-5", "--betas", "0", "0.9", "--image-size", "48x64",
              "--steps", "1e3", "--replacement", "--run", "null"]  # fmt: skip
    first = command("train", *chosen, "--print_config").out
    (tmp_path / "c.yaml").write_text(first)
    assert command("train", "--config", tmp_path / "c.yaml", "--print_config").out == first
    assert from_fields(load_yaml(tmp_path / "c.yaml"), None).run == "null"


def test_flags_with_equals_sign_and_no_abbreviations():
    assert printed("--batch=12")["batch"] == 12
    said = command("train", "--bat", "12")
    assert said.code == 2 and "There is no option --bat. Did you mean '--batch'" in said.err


@pytest.mark.parametrize("name", [name for name in FIELDS if kind(name)[0] is bool])
@pytest.mark.parametrize("preset", ["digits", "dcgan-cats", "dcgan-mnist28"])
def test_every_switch_can_be_set_and_unset(name, preset):
    """Presets set some: dcgan-cats has --short-batch, dcgan-mnist28 --replacement."""
    for given_, expected in ((flag(name), True), (f"--no-{flag(name)[2:]}", False)):
        made = command("train", preset, given_, "--print_config")
        assert made.code == 0
        assert yaml.safe_load(made.out)[name] is expected
