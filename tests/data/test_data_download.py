"""Downloads from a real server on this machine: whole, damaged, cut, refused and absent."""

import gzip
import hashlib
import io
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from data_helpers import cache, cache_path, cifar_binary, idx, random_images  # noqa: F401

from ganbaru import data
from ganbaru.data import download
from ganbaru.data.sets import cifar10, mnist
from ganbaru.errors import RunError

IMAGES = random_images(6, 5, 4, 1)[..., 0]
LABELS = np.array([3, 1, 2, 0, 1, 3], np.uint8)


class Server:
    """Serves `files` by path; `cut` paths stop halfway, all others are not found."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                content = outer.files.get(self.path)
                if content is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = len(content) // 2 if self.path in outer.cut else len(content)
                self.wfile.write(content[:half])
                return None

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setenv("GANBARU_MIRROR", f"{server.url}/")
    yield server
    server.close()


@pytest.fixture
def published(server, monkeypatch):
    """Serve a small MNIST and expect its checksums."""
    for name, array in (("train-images-idx3", IMAGES), ("train-labels-idx1", LABELS)):
        content = gzip.compress(idx(array))
        server.files[f"/mnist/{name}-ubyte.gz"] = content
        monkeypatch.setitem(mnist.FILES.packed, name, hashlib.sha256(content).hexdigest())
    return server


def downloaded() -> list[str]:
    return sorted(file.name for file in (cache_path() / "downloads").rglob("*") if file.is_file())


BOTH = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]


def test_named_set_is_downloaded_once_with_progress(published):
    steps = []
    source = data.load("mnist", progress=lambda *step: steps.append(step))
    assert (source.images[..., 0] == IMAGES).all() and source.labels.tolist() == LABELS.tolist()
    assert published.requests == [f"/mnist/{name}" for name in BOTH] and downloaded() == BOTH
    total = len(published.files[f"/mnist/{BOTH[0]}"])
    assert (total, total, f"downloading {BOTH[0]}") in steps
    data.load("mnist", image_size=(10, 10))
    assert len(published.requests) == 2


def test_wrong_checksum_is_deleted_and_a_retry_works(published, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setitem(published.files, f"/mnist/{BOTH[0]}", gzip.compress(b"other"))
        with pytest.raises(RunError) as caught:
            data.load("mnist")
    message = str(caught.value)
    assert f"Cannot download {BOTH[0]} of mnist from {published.url}/mnist/{BOTH[0]}" in message
    assert "wrong checksum and was deleted" in message
    assert str(cache_path() / "downloads" / "mnist") in message and "--data-dir" in message
    assert downloaded() == []
    assert len(data.load("mnist").images) == 6


def test_cut_connection_leaves_nothing_and_a_retry_works(published):
    published.cut.add(f"/mnist/{BOTH[1]}")
    with pytest.raises(RunError, match="the connection was cut before the end. Run the .* again"):
        data.load("mnist")
    assert downloaded() == BOTH[:1]
    published.cut.clear()
    assert len(data.load("mnist").images) == 6
    assert published.requests.count(f"/mnist/{BOTH[0]}") == 1


def test_endless_download_is_given_up(published, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", len(published.files[f"/mnist/{BOTH[0]}"]) - 1)
    with pytest.raises(RunError, match=f"the server sends more than {download.MAX_BYTES} bytes"):
        data.load("mnist")
    assert downloaded() == []


def test_file_that_the_server_lacks(server):
    with pytest.raises(RunError, match="Cannot download .* the server answered 404 Not Found"):
        data.load("fashion-mnist")
    assert server.requests == ["/fashion-mnist/train-images-idx3-ubyte.gz"] and downloaded() == []


def test_no_network(server):
    server.close()
    for name in ("mnist", "cifar10"):
        with pytest.raises(RunError, match=f"of {name} from .* there is no connection .*by hand"):
            data.load(name)
    assert downloaded() == []


def test_file_put_there_by_hand_is_used(published):
    folder = cache_path() / "downloads" / "mnist"
    folder.mkdir(parents=True)
    for name in BOTH:
        (folder / name).write_bytes(published.files[f"/mnist/{name}"])
    assert len(data.load("mnist").images) == 6 and published.requests == []


def test_downloads_that_cannot_be_written(published, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANBARU_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match=r"downloads.mnist cannot be written .* \$GANBARU_CACHE"):
        data.load("mnist")


def test_files_of_another_set_with_the_same_names_are_not_used(published, tmp_path):
    (tmp_path / "here").mkdir()
    for name, array in (("images-idx3", IMAGES[:4]), ("labels-idx1", LABELS[:4])):
        (tmp_path / "here" / f"train-{name}-ubyte").write_bytes(idx(array))
    source = data.load("mnist", data_dir=tmp_path / "here")
    assert len(source.images) == 6
    assert (
        "train-images-idx3-ubyte was not used, since it is not the published mnist"
        in (source.notes[0])
    )


def test_published_files_directly_in_the_folder_are_used(published, tmp_path):
    for name in BOTH:
        (tmp_path / name).write_bytes(published.files[f"/mnist/{name}"])
    assert len(data.load("mnist", data_dir=tmp_path).images) == 6 and published.requests == []


def test_cifar_archive_is_downloaded(server, monkeypatch):
    images, labels = random_images(2, 32, 32), np.array([1, 2])
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for k in range(1, 6):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/data_batch_{k}.bin")
            content = cifar_binary(images, labels)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    server.files["/cifar10/cifar-10-binary.tar.gz"] = stream.getvalue()
    checksum = hashlib.md5(stream.getvalue()).hexdigest()
    monkeypatch.setattr(cifar10, "CHECKSUM", f"md5:{checksum}")
    source = data.load("cifar10")
    assert (source.images[:2] == images).all() and len(source.images) == 10
    assert source.name == "cifar10" and source.notes == ()
