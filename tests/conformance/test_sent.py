"""OGC API - Features - Part 4: the schemas of what is sent to create, replace and update a feature."""

from __future__ import annotations

import jsonschema

from conformance import faults
from conformance.api import SCHEMA, Api, media, requirement

SENT = "ogcapi-features-4/1.0/req/features"


@requirement(
    f"{SENT}/representation-geojson-create",
    f"{SENT}/representation-geojson-replace",
    f"{SENT}/representation-geojson-update",
    broken_by=faults.deaf_to("type"),
)
def test_a_schema_says_what_may_be_sent(desk: Api):
    """A stored feature, sent back, is valid; one without properties is so only as an update."""
    written = [name for name in desk.feature_collections if "post" in desk.definition["paths"][desk.items(name)]]
    assert written
    for name in written:
        where = f"/collections/{name}/schema"
        for kind in ("create", "replace", "update"):
            answer = desk.get(where, SCHEMA, type=kind)
            assert (answer.status_code, media(answer)) == (200, SCHEMA)
            checker = jsonschema.Draft202012Validator(answer.json())
            assert not checker.is_valid({"type": "Feature", "properties": {"no-such-column": 1}})
            assert checker.is_valid({"type": "Feature", "properties": {}}) == (kind == "update")
        assert desk.get(where, SCHEMA, type="nothing").status_code == 400
    closed = next(name for name in desk.feature_collections if name not in written)
    assert desk.get(f"/collections/{closed}/schema", SCHEMA, type="create").status_code == 404
