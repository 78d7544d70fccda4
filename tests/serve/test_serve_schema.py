"""The service against its OpenAPI document, by requests that schemathesis generates."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from serve_helpers import serving
from train_helpers import trained

pytestmark = pytest.mark.skipif(not find_spec("schemathesis"), reason="needs schemathesis")

KINDS = [
    "GET /api/models",
    "GET /api/models/{name}",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "POST /api/models/{name}/images",
    "POST /api/models/{name}/morphs",
    "POST /api/models/{name}/projections",
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    import schemathesis  # 1 s, which not every process that collects tests need take

    folder = tmp_path_factory.mktemp("schema")
    trained(folder, steps=2)
    with serving(folder / "run", cwd=folder) as service:
        yield schemathesis.openapi.from_url(f"{service.url}/openapi.json")


GENERATED = [
    *((kind, "POSITIVE") for kind in KINDS),
    *((kind, "NEGATIVE") for kind in KINDS if kind.startswith("POST")),
]


@pytest.mark.parametrize("kind,mode", GENERATED)
def test_responses_match_the_openapi_document(schema, kind, mode):
    from schemathesis import GenerationMode
    from schemathesis.checks import positive_data_acceptance

    method, _, path = kind.partition(" ")
    operation = schema[path][method]

    @given(operation.as_strategy(generation_mode=GenerationMode[mode]))
    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    def check(case):
        if method == "POST":  # to a model that exists
            case.path_parameters["name"] = "run"
        answer = case.call()
        # OpenAPI cannot express that labels are the model's, or latents of its size.
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])
        assert answer.status_code in (200, 404, 422), answer.text

    check()


def test_the_openapi_document_has_exactly_these_operations(schema):
    found = [f"{one.ok().method.upper()} {one.ok().path}" for one in schema.get_all_operations()]
    assert sorted(found) == KINDS
