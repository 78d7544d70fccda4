"""The bodies of POST requests: from JSON to a model of `schemas`, at a bounded cost."""

from __future__ import annotations

import re
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import request_response

from ganbaru.errors import did_you_mean
from ganbaru.serve.problems import ProblemError

# A refusal of 1 MB took 4 s of processor time and 780 MiB when a body was first made into Python's
# objects and each of 300,000 errors into a dictionary. These bounds hold it below 50 ms.
VALUES = 150_000  # commas: 131,072 numbers of 8 characters fill the largest body
PARTS = 16_000  # lists, objects and fields, which cost ten times a number
ERRORS = 100  # that are described; lists end at the first (`schemas`), so more are unknown fields
SHOWN = 10
JSON = re.compile(r"application/([\w.+-]+\+)?json *(;|$)", re.IGNORECASE)


class Route(APIRoute):
    """A route that FastAPI describes; one with a body reads it here.

    FastAPI's own handling takes a third of the time of a small image, and is not bounded.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.body_field is None:
            return
        kind: type[BaseModel] = self.body_field.field_info.annotation  # type: ignore[assignment]

        async def handle(request: Request) -> Response:
            body = parsed(await request.body(), request.headers.get("content-type", ""), kind)
            made: Response = await self.endpoint(request.path_params["name"], body, request)
            return made

        self.app = request_response(handle)


def parsed(body: bytes, media_type: str, kind: type[BaseModel]) -> BaseModel:
    """Return the model of a body; raises ProblemError for a wrong one.

    Another site's page may send plain text here, but not JSON.
    """
    if body and not JSON.match(media_type):
        raise ProblemError(415, "Send JSON, with the header Content-Type: application/json.")
    parts = sum(map(body.count, (b"[", b"{", b":")))
    if body.count(b",") > VALUES or parts > PARTS:
        detail = f"The body has too many values: at most {VALUES:,}, and {PARTS:,} lists or fields."
        raise ProblemError(413, detail)
    try:
        return kind.model_validate_json(body.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        raise _problem(error, kind) from None


def _problem(error: ValidationError, kind: type[BaseModel]) -> ProblemError:
    """List what is wrong with a body, field by field."""
    known = list(kind.model_fields)
    count, found = error.error_count(), dict[str, str]()
    if count > ERRORS:
        found["the body"] = f"{count:,} unknown fields. Known: {', '.join(known)}."
    for one in error.errors(include_url=False) if count <= ERRORS else ():
        field = ".".join(map(str, one["loc"])) or "the body"
        message = one["msg"]
        if one["type"] == "extra_forbidden":
            near = did_you_mean(field, known) or f" Known: {', '.join(known)}."
            message = f"unknown field.{near}"
        found.setdefault(field, message)
    errors = [{"where": where, "message": text} for where, text in list(found.items())[:SHOWN]]
    text = "; ".join(f"{one['where']}: {one['message']}" for one in errors[:3])
    return ProblemError(422, f"Cannot make this: {text.rstrip('.')}.", errors=errors)
