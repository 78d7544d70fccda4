"""The page /docs: the OpenAPI document as HTML that loads nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ganbaru.errors import quoted
from ganbaru.report.markup import Markup, joined, tag

Json = Mapping[str, Any]


def content(document: Json, base: str, model: str) -> Markup:
    """Return the operations of an OpenAPI document.

    `base` is the service's address and `model` a name: its commands can be pasted.
    """
    about = tag(
        "header", tag("h1", document["info"]["title"]), tag("p", document["info"]["description"])
    )
    link = tag("p", tag("a", "/openapi.json", href="/openapi.json"))
    operations = (
        _operation(document, base + path.replace("{name}", model), path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return joined(about, link, *operations)


def _operation(document: Json, address: str, path: str, method: str, operation: Json) -> Markup:
    title = tag("h2", tag("code", f"{method.upper()} {path}"))
    parts = [title, tag("p", operation.get("description") or operation["summary"])]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    schema = _resolved(document, body["schema"]) if body else {}
    rows = [
        *(
            (each["name"], each["schema"], f"in the {each['in']}")
            for each in operation.get("parameters", ())
        ),
        *((name, each, "") for name, each in schema.get("properties", {}).items()),
    ]
    if rows:
        parts.append(
            _table(("field", "type", "what it is"), [_row(document, *row) for row in rows])
        )
    if examples := schema.get("examples"):
        parts.append(tag("pre", "\n".join(_curl(address, example) for example in examples)))
    answers = operation["responses"].items()
    parts.append(
        _table(("status", "answer"), [(code, each["description"]) for code, each in answers])
    )
    return tag("section", *parts)


def _row(document: Json, name: str, schema: Json, place: str) -> tuple[str, str, str]:
    about = schema.get("description", place)
    default = schema.get("default")
    shown = "" if default is None else f" [{json.dumps(default)}]"
    return name, _kind(document, schema), f"{about}{shown}"


def _kind(document: Json, schema: Json) -> str:
    """Return a type in words, such as "integer or list of integer"; null stands for absent."""
    schema = _resolved(document, schema)
    if "anyOf" in schema:
        kinds = (_kind(document, each) for each in schema["anyOf"])
        return " or ".join(kind for kind in kinds if kind != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(map(str, schema.get("enum", (schema.get("const"),))))
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _resolved(document: Json, schema: Json) -> Json:
    """Follow a reference such as #/components/schemas/ImageRequest."""
    found: Any = document if "$ref" in schema else schema
    for part in schema.get("$ref", "").split("/")[1:]:
        found = found[part]
    return found


def _curl(address: str, example: Json) -> str:
    head, body = quoted("Content-Type: application/json"), quoted(json.dumps(example))
    return f"curl -X POST {quoted(address)} -o out \\\n  -H {head} -d {body}"


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Markup:
    top = tag("tr", *(tag("th", each, scope="col") for each in headings))
    lines = (tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    return tag("div", tag("table", top, *lines), class_="wide")
