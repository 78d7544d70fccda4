"""Shards that are streamed: patterns and URLs, order and resuming, and everything that is wrong."""

import gc
import io
import json
import os
import tarfile
from itertools import pairwise

import hostile_data
import numpy as np
import pytest
from data_helpers import cache, encoded, png, random_images, write_tar  # noqa: F401
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_data_download import server  # noqa: F401

from ganbaru import data, randomness
from ganbaru.cli import main
from ganbaru.data import download, shard_store, streaming
from ganbaru.data.formats import shards
from ganbaru.data.shard_store import AT_ONCE
from ganbaru.data.streaming import shard_order
from ganbaru.errors import InputError, RunError
from ganbaru.gan.batches import EpochOrder

pytestmark = pytest.mark.usefixtures("any_number")

IMAGES = random_images(24)
SHARDS = 4
EACH = len(IMAGES) // SHARDS


@pytest.fixture
def place(tmp_path):
    """Return an empty folder beside the cache."""
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def members(shard: int, label=".cls") -> dict[str, bytes]:
    """Return the files of a shard, with labels 0, 1, 2, 0, ... in the form `label`."""
    found = {}
    for i in range(shard * EACH, (shard + 1) * EACH):
        folder = f"pics/k{i % 3}/" if label == "folders" else ""
        found[f"{folder}{i:04}.png"] = png(IMAGES[i])
        if label == ".cls":
            found[f"{i:04}.cls"] = str(i % 3).encode()
        if label == ".json":
            found[f"{i:04}.json"] = json.dumps({"label": f"k{i % 3}", "id": i}).encode()
    return found


def write_shards(folder, name="s-{:04}.tar", label=".cls", change=None) -> str:
    for shard in range(SHARDS):
        files = members(shard, label)
        write_tar(folder / name.format(shard), change(shard, files) if change else files)
    return str(folder / name.replace("{:04}", "{0000..0003}"))


@pytest.mark.parametrize(
    ("text", "first", "last", "count"),
    [
        ("s-{0000..0099}.tar", "s-0000.tar", "s-0099.tar", 100),
        ("s-{8..11}.tar", "s-8.tar", "s-11.tar", 4),
        ("s-{08..11}.tar", "s-08.tar", "s-11.tar", 4),
        ("{a,b}/s-{3..1}.tar", "a/s-3.tar", "b/s-1.tar", 6),
        ("https://h/s-{000..002}.tar?k=1", "https://h/s-000.tar?k=1", "https://h/s-002.tar?k=1", 3),
        ("plain.tar", "plain.tar", "plain.tar", 1),
        ("odd-{a..b}{}.tar", "odd-{a..b}{}.tar", "odd-{a..b}{}.tar", 1),
    ],
)
def test_braces_expand_as_in_a_shell(text, first, last, count):
    found = shards.expand(text)
    assert (found[0], found[-1], len(found)) == (first, last, count)


@pytest.mark.parametrize(
    ("label", "classes"),
    [(".cls", ("0", "1", "2")), (".json", ("k0", "k1", "k2")), ("folders", ("k0", "k1", "k2"))],
)
def test_streamed_images_are_those_that_are_decoded_once(place, label, classes):
    streamed = data.load(write_shards(place, label=label))
    assert not isinstance(streamed.images, np.ndarray)
    whole = data.load(place)
    assert streamed.classes == whole.classes == classes
    assert streamed.labels.tolist() == whole.labels.tolist() == [i % 3 for i in range(24)]
    assert (streamed.images[:] == whole.images).all()
    places = np.array([[5, -1], [20, 0]])
    assert (streamed.images[places] == whole.images[places]).all()
    mask = whole.labels == 1
    assert (streamed.images[mask] == whole.images[mask]).all()
    assert streamed.images[7].shape == (8, 8, 3) and len(streamed.images) == 24
    with pytest.raises(IndexError):
        streamed.images[[24]]
    with pytest.raises(RunError, match="memory"):
        np.asarray(streamed.images)
    small = data.load(str(place / "s-{0000..0003}.tar"), image_size=(4, 6), channels=1)
    assert small.images[:2].shape == (2, 4, 6, 1) and small.fingerprint != streamed.fingerprint


def test_fingerprint_is_of_the_content_not_of_the_place(place):
    prints = []
    for name, first in (("a", 0), ("b", 0), ("c", 1)):
        (place / name).mkdir()
        other = {0: {"0000.png": png(IMAGES[first])}}
        pattern = write_shards(place / name, change=lambda k, old, new=other: old | new.get(k, {}))
        prints.append(data.load(pattern).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_shards_named_by_splits(place):
    for shard, name in enumerate(("train-0.tar", "train-1.tar", "test-0.tar")):
        write_tar(place / name, members(shard))
    pattern = str(place / "{train-0,train-1,test-0}.tar")
    assert (data.load(pattern).images[:] == IMAGES[:12]).all()
    assert (data.load(pattern, split="test").images[:] == IMAGES[12:18]).all()
    with pytest.raises(data.SplitError):
        data.load(write_shards(place), split="test")


# --- order ---


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=40).filter(any),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 5),
)
def test_an_epoch_has_every_image_once_and_few_shards_at_a_time(sizes, seed, epoch):
    of = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    order, sequence = shard_order(seed, "order", epoch, of)
    assert sorted(order) == [*range(len(of))]
    slot = {shard: k for k, shard in enumerate(sequence)}
    groups = [slot[shard] // AT_ONCE for shard in of[order].tolist()]
    assert groups == sorted(groups)  # one group of AT_ONCE shards is finished before the next
    again, _ = shard_order(seed, "order", epoch, of)
    assert (again == order).all()


@pytest.mark.parametrize("ranks", [1, 2, 4, 8, 16])
def test_each_rank_reads_its_part_of_the_shards(ranks):
    of = np.repeat(np.arange(2 * AT_ONCE), 50).astype(np.int32)
    order, _ = shard_order(3, "order", 0, of)
    for rank in range(ranks):
        assert len({*of[order[rank::ranks]].tolist()}) == 2 * AT_ONCE // ranks


def test_images_are_mixed_within_and_between_shards():
    of = np.repeat(np.arange(4), 100).astype(np.int32)
    order, _ = shard_order(0, "order", 0, of)
    assert np.bincount(of[order[:64]]).tolist() == [16] * 4
    inside = order[of[order] == 2]
    assert 30 < np.mean(np.abs(np.diff(inside))) < 37  # a third of the length: random
    other, _ = shard_order(0, "order", 1, of)
    assert (other == order).mean() < 0.1


def test_a_position_follows_from_the_images_seen():
    of = np.repeat(np.arange(20), 7).astype(np.int32)

    def order() -> EpochOrder:
        return EpochOrder(1, "order", len(of), 8, permute=lambda *how: shard_order(*how[:3], of)[0])

    whole = order()
    batches = [whole.indices(turn) for turn in range(40)]  # in three epochs
    assert all((order().indices(turn) == batches[turn]).all() for turn in (0, 16, 17, 39))
    assert sorted(np.concatenate(batches[:17])) == sorted({*np.concatenate(batches[:17])})
    plain = EpochOrder(1, "order", len(of), 8)
    assert (plain.indices(0) == randomness.permutation(1, "order", 0, len(of))[:8]).all()


def test_a_streamed_run_resumes_in_the_middle_of_an_epoch(place, monkeypatch):
    monkeypatch.setattr(streaming, "AT_ONCE", 2)
    pattern = write_shards(place)
    tiny = ["--data", pattern, "--batch", 5, "--width", 4, "--latent", 4, "--image-size", 16]
    tiny += ["--held-out", 0, "--augment", "none", "--checkpoint-every", 15]
    tiny = [*map(str, tiny)]
    for run, steps in (("whole", 9), ("parts", 3), ("parts", 9)):
        where = ["--run", str(place / run), "--steps", str(steps)]
        resume = ["--resume"] * (steps == 9 and run == "parts")
        given = ["dcgan", *tiny] if not resume else []
        assert main.main(["train", *given, *where, *resume]) == 0
    found = [sorted((place / run / "checkpoints").glob("*"))[-1] for run in ("whole", "parts")]
    from safetensors.numpy import load_file

    one, other = map(load_file, found)
    assert all((one[name] == other[name]).all() for name in one)


# --- URLs ---


@pytest.fixture
def served(server, monkeypatch):  # noqa: F811
    monkeypatch.setattr(download, "PAUSE", 0.01)
    for shard in range(SHARDS):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content in members(shard).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        server.files[f"/s-{shard}.tar"] = stream.getvalue()
    return server


def test_urls_are_read_shard_by_shard_and_kept(served, place):
    pattern = f"{served.url}/s-{{0..3}}.tar"
    source = data.load(pattern)
    assert (source.images[:] == IMAGES).all() and source.labels.tolist() == [0, 1, 2] * 8
    assert source.name == "s" and len(served.requests) == SHARDS
    again = data.load(pattern)  # by the kept index and copies
    assert (again.images[[3, 20]] == IMAGES[[3, 20]]).all() and len(served.requests) == SHARDS
    assert again.fingerprint == source.fingerprint == data.load(write_shards(place)).fingerprint


def test_copies_are_bounded_and_downloaded_again(served, monkeypatch, cache):  # noqa: F811
    monkeypatch.setattr(shard_store, "KEPT", 2)
    monkeypatch.setattr(shard_store, "TOUCHED", 0)
    monkeypatch.setenv("GANBARU_SHARDS_GIB", "0")
    source = data.load(f"{served.url}/s-{{0..3}}.tar")
    for _ in range(2):
        assert (source.images[:] == IMAGES).all()
        assert len([*(cache / "shards").glob("*/*.tar")]) <= 3  # one may have just arrived
    assert len(served.requests) > SHARDS
    served.files["/s-0.tar"] = served.files["/s-1.tar"][:-1024]
    served.files["/s-1.tar"] = served.files["/s-1.tar"][:-1024]
    with pytest.raises(RunError, match=r"s-[01]\.tar .*indexed"):
        _ = [source.images[[0, 23]] and source.images[[7, 13]] for _ in range(3)]


@pytest.mark.parametrize("fault", ["absent", "cut"])
def test_a_url_that_fails_is_one_message(served, fault, capsys):
    if fault == "cut":
        served.cut.add("/s-2.tar")
    else:
        del served.files["/s-2.tar"]
    assert main.main(["data", f"{served.url}/s-{{0..3}}.tar"]) == 1
    told = capsys.readouterr().err
    assert "/s-2.tar" in told and ("404" if fault == "absent" else "cut") in told
    assert served.requests.count("/s-2.tar") == (1 if fault == "absent" else download.TRIES)
    gc.collect()  # a connection left open would be a warning here, and that an error


# --- what is wrong with shards ---


def _truncated(folder):
    path = folder / "s-0001.tar"
    path.write_bytes(path.read_bytes()[:2000])


def _no_pictures(folder):
    write_tar(folder / "s-0001.tar", {"a.txt": b"x"})


def _mixed_labels(folder):
    write_tar(folder / "s-0002.tar", members(2, ".json"))


def _no_tar(folder):
    (folder / "s-0003.tar").write_bytes(png(IMAGES[0]) * 20)


FAULTS = {
    "missing": (lambda folder: os.remove(folder / "s-0002.tar"), (), "s-0002.tar"),
    "all missing": (lambda folder: [p.unlink() for p in folder.glob("*.tar")], (), "s-0000.tar"),
    "truncated": (_truncated, (), "s-0001.tar"),
    "no pictures": (_no_pictures, (), "s-0001.tar"),
    "mixed labels": (_mixed_labels, (), "--label-file"),
    "no tar": (_no_tar, (), "s-0003.tar"),
    "label file": (lambda folder: None, ("--label-file", "labels.csv"), "labels.csv"),
    "no folders": (lambda folder: None, ("--label-file", "folders"), "sub-folders"),
    "key": (lambda folder: None, ("--key", "x"), "--key"),
    "range": (lambda folder: None, ("--range", "auto"), "LOW:HIGH"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_message(place, name, capsys):
    damage, options, named = FAULTS[name]
    pattern = write_shards(place)
    damage(place)
    assert main.main(["data", pattern, *options]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert named in lines[-1] and len(lines) <= 2  # the first may say that shards are indexed


def jpeg(image) -> bytes:
    return encoded(Image.fromarray(image), "JPEG")


DAMAGED = {
    "no picture": b"x" * 300,
    "empty": b"",
    "cut PNG": png(IMAGES[7])[:-30],
    "changed PNG": png(IMAGES[7])[:80] + b"??" + png(IMAGES[7])[82:],
    "cut JPEG": jpeg(IMAGES[7])[:-40],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_loses_only_itself(place, name):
    bad = {1: {"0007.png": DAMAGED[name]}}
    source = data.load(write_shards(place, change=lambda k, files: files | bad.get(k, {})))
    kept = [i for i in range(24) if i != 7]
    assert (source.images[:] == IMAGES[kept]).all()
    assert source.labels.tolist() == [i % 3 for i in kept]
    assert [(each.kind, each.count) for each in source.left_out] == [("unreadable", 1)]


def test_what_changes_after_indexing(place, caplog):
    pattern = write_shards(place, label=".cls")
    source = data.load(pattern)
    path = place / "s-0000.tar"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(png(IMAGES[1]), bytes(len(png(IMAGES[1])))))
    assert (source.images[[0, 1]] == IMAGES[[0, 4]]).all()  # the next of its label
    assert (source.images[1] == IMAGES[4]).all()
    assert len([r for r in caplog.records if "left out" in r.getMessage()]) == 1
    path.write_bytes(whole[:1500])
    with pytest.raises(RunError, match=r"s-0000\.tar has become shorter"):
        source.images[[0, 5]]
    path.unlink()
    with pytest.raises(RunError, match=r"Cannot read .*s-0000\.tar"):
        source.images[[0, 5]]


def test_pictures_beside_folders_make_no_classes(place):
    files = members(0, "folders")
    bare = {name.rpartition("/")[2].replace("0", "9", 1): x for name, x in [*files.items()][:2]}
    write_tar(place / "s-0.tar", files | {f"pics/{name}": x for name, x in bare.items()})
    write_tar(place / "s-1.tar", members(1, "folders"))
    source = data.load(str(place / "s-{0..1}.tar"))
    assert source.labels is None and [each.code for each in source.warnings] == ["labels"]


def test_sizes_that_differ_need_one(place):
    big = {0: {"0001.png": png(random_images(1, 9, 5)[0])}}
    pattern = write_shards(place, change=lambda k, files: files | big.get(k, {}))
    with pytest.raises(data.SizesError, match="5x8 to 8x9"):
        data.load(pattern)
    assert data.load(pattern, image_size=(8, 8)).images[:].shape == (24, 8, 8, 3)


def test_large_folders_stream_and_small_ones_do_not(place, monkeypatch):
    write_shards(place)
    assert isinstance(data.load(place).images, np.ndarray)
    monkeypatch.setattr(shards, "STREAMED", 1000)
    assert isinstance(data.load(place).images, np.ndarray)  # decoded already
    assert not isinstance(data.load(place, image_size=(4, 4)).images, np.ndarray)


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("a/celeba-{000..010}.tar", "celeba"),
        ("https://h/p/x_{0..9}.tar?s=1/2", "x"),
        ("{0..1}", "shards"),
    ],
)
def test_names(what, name):
    assert shards.title(what) == name


def test_too_many_shards():
    with pytest.raises(InputError, match="10,000,000"):
        shards.expand("{0000000..9999999}")
    assert all(a < b for a, b in pairwise(shards.expand("{0000..0123}")))


@pytest.mark.parametrize("name", [each for each in hostile_data.CASES if each.startswith("tar_")])
def test_hostile_shards_are_refused_or_left_out(place, name):
    path = hostile_data.CASES[name](place)
    try:
        source = data.load(str(path.parent / f"{{{path.stem},{path.stem}}}{path.suffix}"))
    except InputError as error:
        assert len(str(error)) < 700
    else:
        assert len(source.images[:]) == len(source.images) >= 2
