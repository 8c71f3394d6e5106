"""OGC API - Features - Part 1: Core: items and one item."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import shapely
from conftest import amount

from conformance import faults
from conformance.api import GEOJSON, PROBLEM, Api, check_links, href, media, requirement, some
from conformance.oracle import Row, Table, instant

CORE = "ogcapi-features-1/1.0/req/core"
ITEMS, ITEM = "/items$", r"/items/\d+$"


def bounds(table: Table) -> tuple[float, float, float, float]:
    west, south, east, north = shapely.total_bounds(list(table.placed().values())).tolist()
    return west, south, east, north


@dataclass(frozen=True)
class Time:
    """When a collection's features are, by the roles its schema gives to columns: an instant, or from and until."""

    began: str
    ended: str

    def meets(self, row: Row, early: datetime, late: datetime) -> bool:
        """Whether a feature meets a span of time; one without a time meets every one."""
        first, last = row[self.began], row[self.ended]
        if self.began != self.ended:  # until is the first moment that is out
            return (first is None or instant(first) <= late) and (last is None or early < instant(last))
        if first is None or isinstance(first, datetime):
            return first is None or early <= first <= late
        return instant(first) <= late and early < instant(first) + timedelta(days=1)  # a day lasts to its end

    def known(self, table: Table) -> list[datetime]:
        return sorted(instant(row[name]) for row in table.rows for name in {self.began, self.ended} if row[name])


def time_of(api: Api, name: str) -> Time | None:
    """The columns that `datetime` asks about."""
    properties = api.json(f"/collections/{name}/schema")["properties"]
    roles = {said.get("x-ogc-role"): column for column, said in properties.items()}
    began = roles.get("primary-instant") or roles.get("primary-interval-start")
    return Time(began, roles.get("primary-interval-end") or began) if began else None


@requirement(f"{CORE}/fc-op", f"{CORE}/fc-response", broken_by=faults.changing(faults.losing_a_feature, ITEMS))
def test_every_collection_gives_all_its_features_once(api: Api):
    for name in api.feature_collections:
        api.check(name, api.table(name).ids)


@requirement(
    f"{CORE}/fc-limit-definition",
    broken_by=faults.saying('"minimum": ?1,', '"minimum": 0,', "^/api$"),
)
def test_limit_is_defined(api: Api):
    for name in api.feature_collections:
        schema = api.parameters(api.items(name))["limit"]["schema"]
        assert (schema["type"], schema["minimum"]) == ("integer", 1)
        assert 1 <= schema["default"] <= schema["maximum"]
        assert len(api.json(api.items(name))["features"]) == min(schema["default"], len(api.table(name).ids))


@requirement(f"{CORE}/fc-limit-response-1", broken_by=faults.deaf_to("limit"))
def test_a_page_has_as_many_features_as_limit_says(api: Api):
    for name in api.feature_collections:
        most, number = api.parameters(api.items(name))["limit"]["schema"]["maximum"], len(api.table(name).ids)
        for limit in (1, 2, 3, 11):
            assert len(api.json(api.items(name), limit=limit)["features"]) == min(limit, number), name
        full = api.json(api.items(name), limit=most)  # may be cut by its bytes, and then says that more follows
        assert len(full["features"]) == min(most, number) or list(href(full, "next")), name
    small = min(api.feature_collections, key=lambda name: len(api.table(name).ids))
    for limit in (most + 1, 10**12):
        assert len(api.json(api.items(small), limit=limit)["features"]) == min(most, len(api.table(small).ids))


@requirement(f"{CORE}/fc-bbox-definition", broken_by=faults.deaf_to("bbox"))
def test_bbox_is_defined_and_takes_four_or_six_numbers(api: Api):
    for name in api.spatial():
        said = api.parameters(api.items(name))["bbox"]
        assert (said["in"], said.get("style", "form"), said["explode"]) == ("query", "form", False)
        assert (said["schema"]["type"], said["schema"]["items"]["type"]) == ("array", "number")
        west, south, east, north = bounds(api.table(name))
        flat, high = (
            f"{west - 1},{south - 1},{east + 1},{north + 1}",
            f"{west - 1},{south - 1},-9,{east + 1},{north + 1},9",
        )
        for box in (flat, high):
            api.check(name, api.table(name).ids, bbox=box)
        assert not set(api.ids(name, bbox=f"{west - 2},{south - 2},{west - 1},{south - 1}")) & set(
            api.table(name).placed()
        )


@requirement(f"{CORE}/fc-bbox-response", broken_by=faults.mishearing("bbox", r"^([^,]*),", "-180,"))
def test_a_box_finds_what_meets_it(api: Api):
    for name in api.spatial():
        table, chance = api.table(name), random.Random(name)
        west, south, east, north = bounds(table)
        across, up = max(east - west, 0.002), max(north - south, 0.002)
        for _ in range(amount(3, 12)):
            x, y = west + chance.random() * across, south + chance.random() * up
            box = (x, y, x + chance.random() * across, y + chance.random() * up)
            api.check(name, table.meeting(shapely.box(*box)), bbox=",".join(map(repr, box)))
        around = f"{west + across / 2!r},-90,{west - 1!r},90"  # across the antimeridian
        shapes = [shapely.box(west + across / 2, -90, 180, 90), shapely.box(-180, -90, west - 1, 90)]
        api.check(name, table.meeting(shapely.union_all(shapes)), bbox=around)


@requirement(
    f"{CORE}/fc-bbox-response",
    broken_by=faults.asking(lambda given: given | ({"id": "-1"} if "bbox" in given else {}), ITEMS),
)
def test_a_box_matches_all_features_without_geometry(api: Api):
    for name in api.feature_collections:
        if api.table(name).shapes is None:
            found = {
                f["id"] for body in api.pages(api.items(name), bbox="0,0,1,1", limit=10000) for f in body["features"]
            }
            assert found == set(api.table(name).ids), name


@requirement(f"{CORE}/fc-time-definition", broken_by=faults.status(400, ITEMS))
def test_datetime_takes_instants_and_intervals_open_at_either_end(api: Api):
    day, moment = "2024-02-29", "2024-02-29T12:00:00Z"
    ways = [
        day,
        moment,
        "2024-02-29T12:00:00.5+07:00",
        f"{day}/{moment}",
        f"{day}/..",
        f"{day}/",
        f"../{moment}",
        f"/{day}",
    ]
    for name in api.feature_collections:
        assert api.parameters(api.items(name))["datetime"]["schema"]["type"] == "string"
        for written in ways:
            answer = api.get(api.items(name), datetime=written, limit=1)
            assert answer.status_code == 200, answer.url


@requirement(f"{CORE}/fc-time-response", broken_by=faults.deaf_to("datetime"))
def test_datetime_finds_what_meets_it_and_what_has_no_time(api: Api):
    for name in api.feature_collections:
        table, time, second = api.table(name), time_of(api, name), timedelta(seconds=1)
        if time is None:
            # what keeps its history answers as of a moment, and says so by an extent in time
            kept = "temporal" in api.collections[name].get("extent", {})
            api.check(name, table.ids, datetime=stamp(datetime.now(UTC)) if kept else "2001-01-01")
            continue
        known = time.known(table) or [datetime(2025, 1, 1, tzinfo=UTC)]
        chosen = sorted({known[0], *some(known, amount(2, 12), name)})
        spans = [(t, t) for t in chosen] + [(t - second, t) for t in chosen] + [(t + second, None) for t in chosen]
        for start, end in [*spans, (None, chosen[0]), (None, chosen[0] - second), (chosen[0], chosen[-1])]:
            early, late = start or datetime.min.replace(tzinfo=UTC), end or datetime.max.replace(tzinfo=UTC)
            expected = [row["id"] for row in table.rows if time.meets(row, early, late)]
            api.check(name, expected, datetime=stamp(start) if start == end else f"{stamp(start)}/{stamp(end)}")


def stamp(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else ".."


@requirement(f"{CORE}/fc-links", f"{CORE}/fc-rel-type", broken_by=faults.unlinked("alternate", ITEMS))
def test_a_page_links_to_itself_and_to_its_other_forms(api: Api):
    for name in api.feature_collections:
        body = api.json(api.items(name), limit=1, offset=1) if api.filled(name) else api.json(api.items(name))
        check_links(body, "self", "alternate")
        described = api.resolved(api.definition["paths"][api.items(name)]["get"]["responses"]["200"])["content"]
        linked = {link["type"].split(";")[0] for link in body["links"] if link["rel"] in ("self", "alternate")}
        assert linked == {kind.split(";")[0] for kind in described}, name
        assert all(link["type"] for link in body["links"] if link["rel"] in ("next", "prev")), name


@requirement(f"{CORE}/fc-links", broken_by=faults.saying(r'"rel": ?"next"', '"rel": "ahead"', ITEMS))
def test_next_leads_through_every_feature_and_keeps_the_question(api: Api):
    for name in api.feature_collections:
        table = api.table(name)
        if len(table.ids) < 2:
            assert not list(href(api.json(api.items(name), limit=2), "next")), name
            continue
        bodies = list(api.pages(api.items(name), limit=-(-len(table.ids) // 3)))
        assert [f["id"] for body in bodies for f in body["features"]] == table.ids, name
        assert not list(href(bodies[-1], "next"))
        if table.placed():
            west, south, east, north = bounds(table)
            box = f"{west!r},{south!r},{(west + east) / 2!r},{north!r}"
            inside = table.meeting(shapely.box(west, south, (west + east) / 2, north))
            pages = api.pages(api.items(name), bbox=box, limit=max(1, len(inside) // 3))
            assert sorted(f["id"] for body in pages for f in body["features"]) == inside, name


@requirement(
    f"{CORE}/fc-numberMatched",
    broken_by=faults.changing(lambda body: body.update(numberMatched=body.get("numberMatched", 0) + 1), ITEMS),
)
def test_number_matched_is_exact_where_it_is_told(api: Api):
    for name in api.feature_collections:
        for asked in ({}, {"limit": 1}, {"resultType": "hits"}):
            if "resultType" in asked and "resultType" not in api.parameters(api.items(name)):
                continue
            assert api.json(api.items(name), **asked).get("numberMatched", len(api.table(name).ids)) == len(
                api.table(name).ids
            ), name


@requirement(
    f"{CORE}/fc-numberReturned",
    broken_by=faults.changing(lambda body: body.update(numberReturned=99), ITEMS),
)
def test_number_returned_is_the_number_of_features(api: Api):
    for name in api.feature_collections:
        body = api.json(api.items(name), limit=3)
        assert body.get("numberReturned", len(body["features"])) == len(body["features"]), name


@requirement(
    f"{CORE}/fc-timeStamp",
    broken_by=faults.changing(lambda body: body.update(timeStamp="2001-01-01T00:00:00Z"), ITEMS),
)
def test_a_time_stamp_is_now(api: Api):
    for name in api.feature_collections:
        said = api.json(api.items(name), limit=1).get("timeStamp")
        assert said is None or abs(datetime.fromisoformat(said) - datetime.now(UTC)) < timedelta(hours=1), name


@requirement(
    f"{CORE}/crs84", broken_by=faults.saying(r'"coordinates": ?\[([^,\[\]]+), ?([^,\]]+)\]', r'"coordinates":[\2,\1]')
)
def test_geometry_is_longitude_and_latitude_as_stored(api: Api):
    for name in api.spatial():
        table, seen = api.table(name), 0
        stored = table.placed()
        for feature in api.json(api.items(name), limit=amount(20, 10000))["features"]:
            if feature["id"] not in stored:
                assert feature["geometry"] is None, (name, feature["id"])
                continue
            here, there = stored[feature["id"]], shapely.geometry.shape(feature["geometry"])
            points = shapely.get_coordinates(there)
            assert here.geom_type == there.geom_type, (name, feature["id"])
            assert np.abs(shapely.get_coordinates(here) - points).max() <= 1e-7, (name, feature["id"])
            seen += 1
        assert seen, name


@requirement(f"{CORE}/f-op", f"{CORE}/f-success", broken_by=faults.status(404, ITEM))
def test_every_feature_answers_as_it_stands_in_the_page(api: Api):
    for name in api.feature_collections:
        listed = {f["id"]: f for f in api.json(api.items(name), limit=1000)["features"]}
        for number in some(list(listed), amount(3, 100), name):
            alone = api.json(f"{api.items(name)}/{number}")
            assert {n: v for n, v in alone.items() if n not in ("links", "timeStamp", "bbox")} == {
                n: v for n, v in listed[number].items() if n not in ("links", "bbox")
            }, (name, number)


@requirement(f"{CORE}/f-op/missing", broken_by=faults.status(200, "/items/"))
def test_a_feature_that_is_not_there_is_404(api: Api):
    for name in api.feature_collections:
        gone = max([0, *api.table(name).ids]) + 1
        for number in (gone, -1, 0, "x", "9" * 40, "1.0", "%00", "%C3%28", "%F0%9F%97%BA", "1%2F2", "null"):
            answer = api.get(f"{api.items(name)}/{number}")
            assert (answer.status_code, media(answer)) == (404, PROBLEM), answer.url
        for form in ("text/html", "application/ld+json"):
            assert api.get(f"{api.items(name)}/{gone}", form).status_code == 404, (name, form)


@requirement(f"{CORE}/f-links", broken_by=faults.unlinked("collection", ITEM))
def test_a_feature_links_to_itself_its_other_forms_and_its_collection(api: Api):
    for name in api.feature_collections:
        for number in api.table(name).ids[:1]:
            body = api.json(f"{api.items(name)}/{number}")
            check_links(body, "self", "alternate", "collection")
            (home,) = href(body, "collection")
            assert api.json(home)["id"] == name


@requirement(f"{CORE}/fc-op", broken_by=faults.header("content-type", "application/json", ITEMS))
def test_links_say_the_type_that_comes(api: Api):
    for name in api.feature_collections:
        for where in href(api.collections[name], "items", GEOJSON):
            assert media(api.get(where)) == GEOJSON, where
