"""Refusals as problem documents (RFC 9457): what was wrong, what is allowed and how to fix it."""

from __future__ import annotations

import http
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fastapi
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ganbaru.errors import InputError, did_you_mean
from ganbaru.serve.responses import response
from ganbaru.serve.schemas import BODIES

PROBLEM = "application/problem+json"
RETRY = {"Retry-After": "5"}  # seconds


class ProblemError(fastapi.HTTPException):
    """A refusal; `errors` name the fields of a body that are wrong."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.errors = errors

    def response(self) -> Response:
        """Build the problem document."""
        content = {
            "type": "about:blank",
            "title": http.HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            **({"errors": list(self.errors)} if self.errors else {}),
        }
        body = json.dumps(content, ensure_ascii=False)
        return response(body, PROBLEM, self.status_code, self.headers)


# --- other errors -------------------------------------------------------------------------------


def _from_http(error: HTTPException, path: str) -> ProblemError:
    """Reword the errors of Starlette and FastAPI."""
    if isinstance(error, ProblemError):
        return error
    details = {
        400: (422, "Cannot read the request: its body is not JSON."),
        404: (404, "There is nothing at this address."),
        405: (405, "This address does not take requests of this method."),
    }
    status, detail = details.get(error.status_code, (error.status_code, f"{error.detail}."))
    return ProblemError(status, detail, error.headers)


def _from_input(error: InputError, path: str) -> ProblemError:
    """Name fields where the message names flags."""
    return ProblemError(422, re.sub(r"--(?=\w)", "", str(error)))


def _from_validation(error: RequestValidationError, path: str) -> ProblemError:
    """List what is wrong with a body, field by field.

    FastAPI leaves a body of another type than JSON as bytes. Another site's page may send plain
    text here, but not JSON.
    """
    if isinstance(error.body, bytes):
        detail = "Send JSON, with the header Content-Type: application/json."
        return ProblemError(415, detail)
    found: dict[str, str] = {}
    for one in error.errors():
        place, *field = one["loc"]
        if place != "body":
            return ProblemError(404, "There is nothing at this address.")
        malformed = one["type"] == "json_invalid"
        where = "the body" if malformed or not field else ".".join(map(str, field))
        unknown = one["type"] == "extra_forbidden"
        found.setdefault(where, _unknown(where, path) if unknown else one["msg"])
    errors = [{"where": where, "message": message} for where, message in found.items()][:10]
    text = "; ".join(f"{one['where']}: {one['message']}" for one in errors[:3])
    return ProblemError(422, f"Cannot make this: {text.rstrip('.')}.", errors=errors)


def _unknown(field: str, path: str) -> str:
    known = list(BODIES[path.rpartition("/")[2]].model_fields)
    near = did_you_mean(field, known) or f" Known: {', '.join(known)}."
    return f"unknown field.{near}"


def _internal(error: Exception, path: str) -> ProblemError:
    return ProblemError(500, "The service failed at this request; its log has the cause.")


# From an error, and the path of its request, to the problem.
CONVERSIONS: dict[type[Exception], Callable[[Any, str], ProblemError]] = {
    HTTPException: _from_http,
    InputError: _from_input,
    RequestValidationError: _from_validation,
    Exception: _internal,
}
