"""Responses with the headers that every answer of the service carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

# Sent with every response, those of uvicorn itself to malformed HTTP included.
HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
# Content security policies: of data, of pages with files beside them, and of one-file pages, which
# state in a meta element what they may load.
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
OWN = f"{NOTHING}; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
WHOLE = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"


def response(
    content: bytes | str,
    media_type: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    policy: str = NOTHING,
) -> Response:
    """Build a response that is not cached, unless `headers` say otherwise."""
    common = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    return Response(content, status, {**common, **(headers or {})}, media_type)


def json_response(content: Any, status: int = 200) -> Response:
    """Build a response of JSON."""
    return response(json.dumps(content, ensure_ascii=False), "application/json", status)
