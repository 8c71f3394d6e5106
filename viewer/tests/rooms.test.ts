/** Figures of the rooms: ranks, months, health against a plan, classes, scales, and their place in the address. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { format, parse } from "../src/address";
import type { Aggregate, Item } from "../src/engine";
import { classes, edge } from "../src/swipe";
import { metresPerPixel, roundLength, scaleOf } from "../src/titleblock";
import { byMonth, health, monthsUpTo, origins, outline, standing } from "../src/ward";

const unit = (id: number, code: string, value: number, figures?: { period: string; value: number }[]) => ({
  id,
  properties: { code, name: code, value, ...(figures && { figures }) },
});
const all = (...features: Aggregate["features"]): Aggregate => ({ boundaries: "..", counted: "by place", notes: [], features });

test("equal wards share a rank, and the next one comes after both", () => {
  const made = all(unit(1, "a", 5), unit(2, "b", 5), unit(3, "c", 2));
  assert.deepEqual([standing(made, "a")?.rank, standing(made, "b")?.rank, standing(made, "c")?.rank], [1, 1, 3]);
  assert.equal(standing(made, "c")?.mean, 4);
  assert.equal(standing(made, "x"), undefined);
});

test("quiet months have a nought, across a new year", () => {
  assert.deepEqual(monthsUpTo("2026-02-01", 4), ["2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01"]);
  const made = all(unit(1, "a", 3, [{ period: "2025-12-01", value: 3 }]), unit(2, "b", 1, [{ period: "2026-01-01", value: 1 }]));
  assert.deepEqual(byMonth(made, "a", 3), [["2025-11-01", 0], ["2025-12-01", 3], ["2026-01-01", 0]]);
});

test("a plan is met, nearly met or missed in the direction that is good", () => {
  assert.deepEqual([health(100, 100, "higher"), health(91, 100, "higher"), health(89, 100, "higher")], ["good", "fair", "bad"]);
  assert.deepEqual([health(9, 10, "lower"), health(11, 10, "lower"), health(12, 10, "lower")], ["good", "fair", "bad"]);
  assert.deepEqual([health(undefined, 1, "lower"), health(1, undefined, "lower"), health(1, 1, null)], ["unknown", "unknown", "unknown"]);
});

test("whole old units come first, then those of which more came", () => {
  const link = (from_code: string, kind: string, onward_area: number): Item => ({ type: "Feature", geometry: null, properties: { from_code, kind, onward_area } });
  const made = origins([link("a", "part", 0.2), link("b", "whole", 1), link("c", "part", 0.8)]);
  assert.deepEqual(made.map(({ code }) => code), ["b", "c", "a"]);
});

test("an outline fills its box, north up", () => {
  const square: GeoJSON.Polygon = { type: "Polygon", coordinates: [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]] };
  assert.equal(outline(square, 10), "M0.0 10.0L10.0 10.0L10.0 0.0L0.0 0.0L0.0 10.0Z");
  assert.equal(outline(null, 10), "");
});

test("classes are of values above nought, each bound once", () => {
  assert.deepEqual(classes([0, 0, 1, 2, 3, 4, 5]), [1, 2, 3, 4, 5]);
  assert.deepEqual(classes([0, 2, 2, 2]), [2]);
  assert.deepEqual(classes([0]), []);
});

test("the line stands where the grip stands", () => {
  assert.deepEqual([edge(0, 1000), edge(50, 1000), edge(100, 1000)], [22, 500, 978]);
});

test("scales are those of Web Mercator", () => {
  assert.ok(Math.abs(metresPerPixel(0, 0) - 78_271.517) < 0.001);
  assert.equal(scaleOf(13, 0), 36_000);
  assert.deepEqual([roundLength(1999), roundLength(4999), roundLength(99)], [1000, 2000, 50]);
});

test("rooms stand in the address, and what makes no sense is left out", () => {
  for (const said of ["#ward=26740", "#ward=26740:26743", "#reform=50", "#reform=30:schools", "#reform=30:schools:area"])
    assert.equal(format(parse(said)), said);
  for (const said of ["#ward=%3Cb%3E", "#reform=101", "#reform=5:schools:luck"]) assert.equal(format(parse(said)), "#");
});
