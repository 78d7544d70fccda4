"""Runs with attributes: on engines, resumed, sampled, exported and scored."""

import dataclasses
import json

import numpy as np
import pytest
from data_helpers import png, write_zip
from train_helpers import ENGINES, newest, run_with, tiny

import ganbaru
from ganbaru import Config, callbacks, data, export, train
from ganbaru.cli import main
from ganbaru.data import attributes
from ganbaru.errors import InputError
from ganbaru.metrics import attribute_scores
from ganbaru.sampling.players import load_player
from ganbaru.training import checkpoint


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Return a zip of 16x16 pictures with the attributes level, a brightness, and wide."""
    rng = np.random.default_rng(0)
    files, rows = {}, ["file,level,wide"]
    for i in range(43):
        level, wide = rng.uniform(0.2, 1), int(rng.integers(2))
        image = np.zeros((16, 16, 1), np.uint8)
        image[4:12, 2:14] = 0
        image[4:12, 6 - 4 * wide : 10 + 4 * wide] = 255 * level
        files[f"{i:03}.png"] = png(image)
        rows.append(f"{i:03}.png,{level:.3f},{wide}")
    folder = tmp_path_factory.mktemp("attributes")
    return write_zip(folder / "set.zip", {**files, "a.csv": "\n".join(rows).encode()})


def settings(pictures, folder, **options) -> Config:
    how = {"label_file": "a.csv:level,wide", "conditioning": "projection"}
    return tiny(folder, **{"data": str(pictures), **how, **options})


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return train(settings(pictures, folder), callbacks.standard())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("conditioning", ["projection", "planes"])
def test_engines_train_alike(pictures, tmp_path, engine, conditioning):
    found = []
    for name in ("numpy", engine):
        how: dict = {
            "engine": name,
            "precision": "float64",
            "conditioning": conditioning,
            "steps": 3,
        }
        how["run"] = str(tmp_path / f"{name}{len(found)}")
        made = run_with(settings(pictures, tmp_path, **how))
        found.append(made.fetched("generator"))
    for name, array in found[0].items():
        assert np.allclose(array, found[1][name], atol=1e-7), name


def test_fakes_have_the_rows_of_reals(pictures, tmp_path):
    made = run_with(settings(pictures, tmp_path, steps=1))
    known = {tuple(row) for row in made.source.attributes.rows.tolist()}
    labels = made.sampler.sample(0).d[0].label
    assert labels.shape[1] == 2
    assert {tuple(row) for row in labels.tolist()} <= known


def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(pictures, tmp_path):
    saver = [callbacks.Checkpoints]
    for name, steps in (("a", 6), ("b", 3), ("b", 6)):
        how = {"run": tmp_path / name, "steps": steps, "resume": (tmp_path / name).exists()}
        train(settings(pictures, tmp_path, **how), [each() for each in saver])
    (one, header), (other, _) = (newest(tmp_path / name) for name in "ab")
    assert header.step == 6
    for name, array in one["generator"].items():
        assert np.array_equal(array, other["generator"][name])


def test_labels_are_obeyed_by_name(run):
    generator = ganbaru.load(run)
    assert [each.name for each in generator.attributes] == ["level", "wide"]
    level = generator.attributes[0]
    same = generator.sample(2, labels={"level": level.high, "wide": 1})
    text = generator.sample(2, labels=f"level={level.high},wide=yes")
    assert np.array_equal(same, text)
    assert not np.array_equal(same, generator.sample(2, labels={"level": level.low, "wide": 1}))
    assert np.array_equal(generator.sample(2, labels=[{}, {"wide": 1}])[:1],
                          generator.sample(1, labels={}))  # fmt: skip
    points = [{"wide": 0}, {"wide": 1}]
    _, weights = generator.walk("classes", labels=points, frames=3)
    assert weights[:, 1].tolist() == [-1, 0, 1]


@pytest.mark.parametrize("given", ["wide=2", "wyde=1", "level=9", "7"])
def test_wrong_labels_exit_with_2(run, given, tmp_path, capsys):
    arguments = ["generate", str(run), "--label", given, "-o", str(tmp_path / "x.png")]
    assert main.main(arguments) == 2
    assert given.partition("=")[0] in capsys.readouterr().err


def test_commands_write_images_films_and_arrays(run, tmp_path):
    for name, *options in (
        ("generate", "-n", "2", "--label", "wide=1", "-o", "a.npz"),
        ("generate", "-n", "2", "--every-label", "-o", "b.npz"),
        ("generate", "-n", "2", "--every-label", "-o", "c"),
        ("morph", "--path", "classes", "--labels", "wide=0;wide=1", "--frames", "3", "-o", "d.gif"),
    ):
        *options, output = options
        assert not main.main([name, str(run), *options, str(tmp_path / output)])
    arrays = np.load(tmp_path / "a.npz")
    assert arrays["attribute_names"].tolist() == ["level", "wide"]
    assert arrays["attributes"][:, 1].tolist() == [1, 1]
    assert len(np.load(tmp_path / "b.npz")["images"]) == 2 * 4
    assert len([*(tmp_path / "c").iterdir()]) == 8


@pytest.mark.parametrize("conditioning", ["softmax", "class-norm", "embedding"])
def test_conditionings_of_classes_are_refused(pictures, tmp_path, conditioning):
    with pytest.raises(InputError, match=conditioning):
        train(settings(pictures, tmp_path, conditioning=conditioning))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{"balance": True}, {"fake_labels": "uniform"}])
def test_options_of_classes_are_refused(pictures, tmp_path, options):
    with pytest.raises(InputError, match="attributes"):
        train(settings(pictures, tmp_path, **options))


DAMAGE = [{"low": 2}, {"kind": "colour"}, {"usual": 9}, {"examples": []}, {"examples": [9.0]},
          {"high": "1"}, {"name": ""}]  # fmt: skip


@pytest.mark.parametrize("change", DAMAGE)
def test_damaged_attributes_in_a_header_are_refused(run, tmp_path, change):
    path = sorted((run / "checkpoints").glob("*.safetensors"))[-1]
    groups, header = checkpoint.load(path)
    header.data["attributes"][1].update(change)
    checkpoint.save(tmp_path / "x.safetensors", groups, header)
    with pytest.raises(InputError, match="attributes"):
        checkpoint.load(tmp_path / "x.safetensors")


def test_onnx_takes_rows(run, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    assert not main.main(["export", str(run), "-o", str(tmp_path / "x.onnx")])
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    shapes = {each.name: (each.type, each.shape[1:]) for each in session.get_inputs()}
    assert shapes["labels"] == ("tensor(float)", [2])
    facts = session.get_modelmeta().custom_metadata_map
    assert [each["name"] for each in json.loads(facts["attributes"])] == ["level", "wide"]


def test_torch_modules_take_rows(run):
    torch = pytest.importorskip("torch")
    from ganbaru.native.torch import module

    made, player = module(run), load_player(run)
    latents = torch.zeros(2, *player.shape)
    assert made(latents, torch.zeros(2, 2)).shape[0] == 2
    for wrong in (None, torch.zeros(2, dtype=torch.long), torch.zeros(2, 3)):
        with pytest.raises(InputError, match="level, wide"):
            made(latents, wrong)


def test_scores_of_attributes_see_who_obeys():
    rng = np.random.default_rng(0)
    values = np.stack([rng.uniform(0.2, 1, 256), rng.integers(0, 2, 256)], axis=1)
    images = np.zeros((256, 8, 8, 1), np.uint8)
    for image, (level, wide) in zip(images, values, strict=True):
        image[:, 3 - 3 * int(wide) : 5 + 3 * int(wide)] = 255 * level
    found = attributes.read(["level", "wide"], values.tolist(), [""] * 256)
    source = dataclasses.replace(data.in_memory("bars", images), attributes=found)
    right = attribute_scores.score(source, found.columns, images, found.rows)
    wrong = attribute_scores.score(source, found.columns, images, -found.rows)
    assert [each.measure for each in right.values()] == ["correlation", "accuracy"]
    for name, each in right.items():
        assert min(each.value, each.floor) > 0.9
        assert each.low <= each.value <= each.high
        assert each.floor == wrong[name].floor
    assert np.isclose(wrong["level"].value, -right["level"].value)
    assert np.isclose(wrong["wide"].value, 1 - right["wide"].value)


def test_pages_have_a_slider_for_each_attribute(run, tmp_path):
    pages = pytest.importorskip("page_helpers")
    export.write(run, tmp_path / "page.html")
    with pages.browsing() as browser, pages.visiting(browser, tmp_path / "page.html") as visit:
        sliders = visit.page.locator("#values input")
        ends = [[each.get_attribute(end) for end in ("min", "max")] for each in sliders.all()]
        assert ends[1] == ["0", "1"]
        before = visit.tiles((16, 16, 1))
        sliders.nth(0).press("End")
        sliders.nth(1).press("End")
        sliders.nth(1).press("Home")
        visit.rest()
        assert not np.array_equal(before, visit.tiles((16, 16, 1)))
        assert "wide=0" in visit.page.locator("#command").text_content()


def test_the_service_takes_attributes(run):
    httpx = pytest.importorskip("httpx")
    helpers = pytest.importorskip("serve_helpers")
    with helpers.running(run) as (port, _), httpx.Client(base_url=f"http://127.0.0.1:{port}") as c:
        asked = {"seeds": [1, 2], "labels": "wide=1", "format": "json"}
        found = c.post(f"/api/models/{run.name}/images", json=asked)
        assert [each["attributes"]["wide"] for each in found.json()["images"]] == [1, 1]
        for form in ("zip", "png"):
            answer = c.post(f"/api/models/{run.name}/images", json={**asked, "format": form})
            assert answer.status_code == 200
        film = {"seeds": [1, 2], "labels": "wide=1", "frames": 3}
        assert c.post(f"/api/models/{run.name}/morphs", json=film).status_code == 200
        wrong = c.post(f"/api/models/{run.name}/images", json={**asked, "labels": "wide=3"})
        assert wrong.status_code == 422


LATENT_COMMANDS = {
    "project": "project {run} {a} {a} -o {out}.npz",
    "project-label": "project {run} {a} --label level=0.9 -o {out}",
    "morph": "morph {run} --pictures {a} {b} --frames 3 -o {out}.gif",
    "main": "directions {run} --main 2",
    "components": "directions {run} --components 2",
    "edit": "edit {run} --seed 3 --along main-1=1 -o {out}.npz",
    "edit-picture": "edit {run} --pictures {a} --along main-1=1 -o {out}",
    "anomaly": "anomaly {run} {a} {b} -o {out}.npz",
    "embed": "embed {run} -n 10 --label level=0.9 -o {out}.npz",
    "best": "generate {run} --best 4-of-8 --label wide=1 -o {out}.png",
    "film": "morph {run} --path classes --labels wide=0;wide=1 --frames 3 -o {out}.gif",
}


@pytest.mark.parametrize("name", LATENT_COMMANDS)
def test_commands_of_latents_take_attributes(name, run, tmp_path):
    generator = ganbaru.load(run)
    for picture, seed in (("a", 1), ("b", 2)):
        (tmp_path / f"{picture}.png").write_bytes(png(generator.sample(1, seed)[0]))
    if name.startswith("edit"):
        assert main.main(["directions", str(run), "--main", "2"]) == 0
    places = {key: str(tmp_path / f"{key}.png") for key in "ab"}
    places |= {"run": str(run), "out": str(tmp_path / "out")}
    assert main.main(LATENT_COMMANDS[name].format(**places).split()) == 0
    if name == "project":
        with np.load(tmp_path / "out.npz") as found:
            assert found["attributes"].shape == (2, 2) and "labels" not in found
            assert list(found["attribute_names"]) == ["level", "wide"]
            assert (found["error"] < 0.02).all()
    if name == "edit":
        with np.load(tmp_path / "out.npz") as found:
            assert found["attributes"].shape == (1, 2)


def test_the_report_of_a_run_names_its_attributes_in_both_languages(run):
    text = (run / "report.html").read_text(encoding="utf-8")
    assert text.count("level, wide") >= 2
    assert main.main(["report", str(run)]) == 0
    assert main.main(["describe", str(run)]) == 0 and main.main(["doctor", str(run)]) == 0
    assert main.main(["train", "--run", str(run), "--resume", "--images", "256", "-q"]) == 0
