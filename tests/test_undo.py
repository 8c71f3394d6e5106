"""Undoing a load: what stood before stands again, whole, with its indexes, rights, views and wards."""

from __future__ import annotations

import psycopg
import pytest
from conftest import citymap
from loads import loaded, schools, squares

from mapserver import database as databases
from mapserver.errors import BadLoad
from mapserver.undo import undo

pytestmark = pytest.mark.postgis


def told(made, layer: str = "schools") -> dict:
    """Everything of a layer's table: rows, indexes, rights, triggers."""
    questions = {
        "rows": f"SELECT array_agg(t ORDER BY id) FROM layers.{layer} AS t",
        "indexes": f"SELECT array_agg(indexdef ORDER BY 1) FROM pg_indexes WHERE tablename = '{layer}'"
        " AND schemaname = 'layers'",
        "rights": "SELECT array_agg((grantee, column_name)::text ORDER BY 1) FROM information_schema.column_privileges"
        f" WHERE table_schema = 'layers' AND table_name = '{layer}'",
        "triggers": f"SELECT array_agg(tgname ORDER BY 1) FROM pg_trigger WHERE tgrelid = 'layers.{layer}'::regclass",
    }
    with psycopg.connect(made.owner_dsn) as conn:
        return {name: conn.execute(question.encode()).fetchone()[0] for name, question in questions.items()}


def test_what_was_replaced_stands_again_and_can_be_put_back(database, layers):
    made = database()
    loaded(made, layers, "wards", squares())
    loaded(made, layers, "schools", schools(5))
    first = told(made)
    loaded(made, layers, "schools", schools(3, first=4))
    second = told(made)
    assert first["rows"] != second["rows"]
    done = undo(made.owner_dsn, layers, layers["schools"], "tester")
    assert (done.rows, told(made)) == (5, first)
    again = undo(made.owner_dsn, layers, layers["schools"], "tester")
    assert (again.rows, told(made)) == (3, second)
    with psycopg.connect(made.admin_dsn) as conn:
        assert list(databases.check(conn, layers)) == []
        modes = conn.execute("SELECT mode, who FROM citymap.load WHERE layer = 'schools' ORDER BY id").fetchall()
    assert modes == [("replace", "tester")] * 2 + [("undo", "tester")] * 2


def test_a_dry_run_says_what_would_stand_and_changes_nothing(database, layers):
    made = database()
    loaded(made, layers, "schools", schools(5))
    loaded(made, layers, "schools", schools(2))
    before = told(made)
    said = citymap("undo", "schools", "--dry-run", DATABASE_URL=made.admin_dsn)
    assert "5 rows) would stand again" in said.stdout, said.stderr
    assert told(made) == before
    assert "5 rows) stands again" in citymap("undo", "schools", DATABASE_URL=made.admin_dsn).stdout


def test_what_cannot_be_undone_is_refused_in_words(database, layers):
    made = database()
    with pytest.raises(BadLoad, match="never loaded"):
        undo(made.owner_dsn, layers, layers["schools"], "tester")
    loaded(made, layers, "schools", schools(5))
    with pytest.raises(BadLoad, match="replaced nothing that was kept"):
        undo(made.owner_dsn, layers, layers["schools"], "tester")
    loaded(made, layers, "schools", schools(2, first=8), mode="append")
    with pytest.raises(BadLoad, match="was an append"):
        undo(made.owner_dsn, layers, layers["schools"], "tester")
    assert "there is no such layer" in citymap("undo", "nix", DATABASE_URL=made.admin_dsn).stderr


def test_wards_that_stand_again_give_their_features_their_codes_back(database, layers):
    made = database()
    codes = "SELECT array_agg(DISTINCT ward_code) FROM layers.schools"
    wards = squares()
    loaded(made, layers, "wards", wards)
    loaded(made, layers, "schools", schools(5))
    wards["code"] = ["E", "F", "G", "H"]
    loaded(made, layers, "wards", wards)
    loaded(made, layers, "schools", schools(4))
    with psycopg.connect(made.owner_dsn) as conn:
        assert conn.execute(codes).fetchone() == (["E"],)
    undo(made.owner_dsn, layers, layers["schools"], "tester")
    with psycopg.connect(made.owner_dsn) as conn:
        assert conn.execute(codes).fetchone() == (["E"],), "the old rows, with the wards of now"
    said = citymap("undo", "wards", DATABASE_URL=made.admin_dsn)
    assert said.returncode == 0, said.stderr
    assert "the wards of schools" in " ".join(said.stdout.split())
    assert citymap("upkeep", DATABASE_URL=made.admin_dsn).returncode == 0
    with psycopg.connect(made.owner_dsn) as conn:
        assert conn.execute(codes).fetchone() == (["A"],)
