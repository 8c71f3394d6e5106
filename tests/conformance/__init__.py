"""The abstract test suites of the standards, black-box, over HTTP.

Each test is named by the requirement it looks at, walks what `/collections` and `/conformance` say, and carries the
fault that must make it fail (`broken_by`): `test_declared.py` plants that fault between server and test, and fails
when the test does not, or when a class is declared that has no test. So a new layer is tested without new code, and a
new class cannot be declared without tests. Expected answers come from `oracle.py`, which shares no code with the
server: rows by psycopg, geometry by shapely, grids by pyproj pipelines, filters by Python."""

import pytest

pytest.register_assert_rewrite("conformance.api", "conformance.cases")
