"""A hub on this machine, with the part of its HTTP API by which files are pushed and loaded."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

TOKEN = "hf_verySecretToken"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Repositories by kind and name, as ``models/me/gan``, and the requests that came."""

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    created: list[dict[str, object]] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    fails: dict[str, int] = field(default_factory=dict)  # status by a part of the path


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does; every answer to a failure repeats the token, to be scrubbed."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        """Print nothing."""

    def answer(self, content: object = b"", status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.requests.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for part, status in hub.fails.items():
            if part in path:
                return self.answer({"error": f"refused {self.headers['Authorization']}"}, status)
        if self.command == "PUT":
            hub.blobs[path.rpartition("/")[2]] = body
            return self.answer()
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.answer({"error": f"bad {self.headers['Authorization']}"}, 401)
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.answer(validated(**json.loads(body)))
        if found := re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)/preupload/main", path):
            given = json.loads(body)["files"]
            modes = [{"path": x["path"], "shouldIgnore": False, "uploadMode": mode(x["path"])}
                     for x in given]  # fmt: skip
            return self.answer({"files": modes})
        if path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            up = [{**x, "actions": {"upload": {"href": f"{hub.address}/blobs/{x['oid']}"}}}
                  for x in objects]  # fmt: skip
            return self.answer({"transfer": "basic", "objects": up})
        found = re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)/commit/main", path)
        assert found, path
        return self.commit(found[1], [json.loads(line) for line in body.splitlines()])

    do_PUT = do_POST  # noqa: N815

    def create(self, given: dict[str, object]) -> None:
        self.hub.created.append(given)
        kind = f"{given.get('type', 'model')}s"
        owner = given["organization"] or "me"
        name = f"{kind}/{owner}/{given['name']}"
        where = f"{self.hub.address}/{name.removeprefix('models/')}"
        taken = name in self.hub.files
        if not taken:
            self.hub.files[name] = {}
            self.hub.private[name] = given.get("visibility") == "private" or bool(
                given.get("private")
            )
        self.answer({"url": where, "error": "You already created it"}, 409 if taken else 200)

    def commit(self, name: str, lines: list[dict[str, dict[str, str]]]) -> None:
        place = self.hub.files[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                place[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                blob = self.hub.blobs[value["oid"]]
                assert hashlib.sha256(blob).hexdigest() == value["oid"]
                place[value["path"]] = blob
        self.answer(
            {"commitUrl": f"{self.hub.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT}
        )

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        if found := re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)(/revision/main)?", path):
            private = self.hub.private.get(found[1], False)
            return self.answer({"id": found[1].partition("/")[2], "private": private,
                                "sha": COMMIT, "siblings": [], "tags": []})  # fmt: skip
        found = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/[\w.]+/(.+)", path)
        content = found and self.hub.files.get(f"models/{found[1]}", {}).get(found[2])
        if content is None:
            return self.answer({"error": "absent"}, 404, X_Error_Code="EntryNotFound")
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return self.answer(content, ETag=etag, X_Repo_Commit=COMMIT)

    do_HEAD = do_GET  # noqa: N815


def mode(path: str) -> str:
    return "lfs" if path.endswith((".safetensors", ".png")) else "regular"


def validated(content: str, repoType: str) -> dict[str, list[dict[str, str]]]:
    """Check a README's front matter as the hub does: a licence it knows, and a Space's kind."""
    top = yaml.safe_load(content.split("---\n")[1])
    known = {"other", "mit", "cc-by-4.0", "cc0-1.0", "cc-by-nc-sa-4.0"}
    wrong = [f"license {top['license']!r}"] if top.get("license") not in known else []
    if repoType == "space" and top.get("sdk") != "static":
        wrong.append("sdk")
    return {"errors": [{"message": each} for each in wrong], "warnings": []}


@contextlib.contextmanager
def hub() -> Iterator[Hub]:
    """Serve an empty hub."""
    made = Hub()
    handler = type("Own", (Handler,), {"hub": made})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
