"""What goes back: replies, and problems that say what was wrong, what is allowed and what to do."""

from __future__ import annotations

import http
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganbaru.errors import InputError

# What every answer says, the server's own ones to what is no HTTP included.
HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
# What a browser may do with an answer. A page that is one file says itself what it may load.
WHOLE = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
OWN = f"{NOTHING}; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    body: bytes
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    policy: str = NOTHING

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as ASGI takes them."""
        headers = {"Cache-Control": "no-store", **self.headers}
        return [
            (b"content-type", self.media_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            (b"content-security-policy", self.policy.encode()),
            *((name.lower().encode(), text.encode("latin-1", "replace"))
              for name, text in headers.items()),
        ]  # fmt: skip


def as_json(content: Any, **how: Any) -> Reply:
    """Return a reply of JSON."""
    return Reply(json.dumps(content, ensure_ascii=False).encode(), "application/json", **how)


class ProblemError(Exception):
    """An answer that is a refusal: a problem document (RFC 9457)."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers, self.errors = headers or {}, errors

    def reply(self) -> Reply:
        """Return it as an answer."""
        content = {
            "type": "about:blank",
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **({"errors": list(self.errors)} if self.errors else {}),
        }
        body = json.dumps(content, ensure_ascii=False).encode()
        return Reply(body, PROBLEM, self.status, self.headers)


def refused(error: InputError) -> ProblemError:
    """Turn an error about input into a problem; its words for flags become those for fields."""
    return ProblemError(422, re.sub(r"--(?=\w)", "", str(error)))
