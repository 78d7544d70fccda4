"""POST requests: a path of /api/models/NAME/WHAT to what makes it, JSON to what is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from ganbaru.errors import did_you_mean
from ganbaru.serve import catalog as shelves
from ganbaru.serve.catalog import Catalog
from ganbaru.serve.models import Model
from ganbaru.serve.responses import ProblemError, Reply


@dataclass(frozen=True)
class Post:
    """What a kind of request has for a body, and what makes the answer."""

    asked: type[BaseModel]
    make: Callable[[str, Model, Any], Awaitable[Reply]]


class Posts:
    """Answers POST requests."""

    def __init__(self, shelf: Catalog, kinds: dict[str, Post]) -> None:
        self.shelf, self.kinds = shelf, kinds

    async def __call__(self, path: list[str], body: bytes) -> Reply:
        """Answer a request to the parts of a path; raises ProblemError or InputError."""
        if len(path) != 5 or path[:3] != ["", "api", "models"] or path[4] not in self.kinds:
            known = " and ".join(f"/api/models/NAME/{kind}" for kind in self.kinds)
            raise ProblemError(404, f"Nothing takes a POST there. POST to {known}.")
        entry, kind = shelves.find(self.shelf, path[3]), self.kinds[path[4]]
        try:
            asked = kind.asked.model_validate_json(body or b"{}")
        except ValidationError as error:
            raise _wrong(error, list(kind.asked.model_fields)) from error
        return await kind.make(entry.name, entry.ready(), asked)


def _wrong(error: ValidationError, known: list[str]) -> ProblemError:
    """Say what is wrong with a body, field by field; `known` are the fields that there are."""
    found: dict[str, str] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(map(str, one["loc"])) or "the body"
        unknown = one["type"] == "extra_forbidden"
        near = did_you_mean(where, known) or f" Known: {', '.join(known)}."
        found.setdefault(where, f"there is no such field.{near}" if unknown else one["msg"])
    errors = [{"where": where, "message": message} for where, message in found.items()][:10]
    told = "; ".join(f"{one['where']}: {one['message']}" for one in errors[:3])
    return ProblemError(422, f"This cannot be made: {told.rstrip('.')}.", errors=errors)
