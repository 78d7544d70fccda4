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
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ganbaru.errors import InputError
from ganbaru.serve.responses import response

PROBLEM = "application/problem+json"
RETRY = {"Retry-After": "5"}  # seconds
LONGEST = 500  # characters of a text that may repeat parts of a request


class ProblemError(fastapi.HTTPException):
    """A refusal; `errors` name the fields of a body that are wrong."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(status, shortened(detail), dict(headers or {}))
        self.errors = [{key: shortened(text) for key, text in one.items()} for one in errors]

    def response(self) -> Response:
        """Build the problem document."""
        content = {
            "type": "about:blank",
            "title": http.HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            **({"errors": self.errors} if self.errors else {}),
        }
        body = json.dumps(content, ensure_ascii=False)
        return response(body, PROBLEM, self.status_code, self.headers)


def shortened(text: str) -> str:
    """Return a text without its middle if it is long."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


# --- other errors -------------------------------------------------------------------------------


def _from_http(error: HTTPException, path: str) -> ProblemError:
    """Reword the errors of Starlette and FastAPI."""
    if isinstance(error, ProblemError):
        return error
    details = {
        404: (404, "There is nothing at this address."),
        405: (405, "This address does not take requests of this method."),
    }
    status, detail = details.get(error.status_code, (error.status_code, f"{error.detail}."))
    return ProblemError(status, detail, error.headers)


def _from_input(error: InputError, path: str) -> ProblemError:
    """Name fields where the message names flags."""
    return ProblemError(422, re.sub(r"--(?=\w)", "", str(error)))


def _from_validation(error: RequestValidationError, path: str) -> ProblemError:
    """Answer a path whose number is none; bodies are read in `bodies`."""
    return ProblemError(404, "There is nothing at this address.")


def _gone(error: ClientDisconnect, path: str) -> ProblemError:
    """Drop the request of a client that is gone, without a traceback in the log."""
    return ProblemError(400, "The request's body ended early.")


def _internal(error: Exception, path: str) -> ProblemError:
    return ProblemError(500, "The service failed at this request; its log has the cause.")


# From an error, and the path of its request, to the problem.
CONVERSIONS: dict[type[Exception], Callable[[Any, str], ProblemError]] = {
    HTTPException: _from_http,
    InputError: _from_input,
    RequestValidationError: _from_validation,
    ClientDisconnect: _gone,
    Exception: _internal,
}
