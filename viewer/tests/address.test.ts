import assert from "node:assert/strict";
import { test } from "node:test";
import { format, parse } from "../src/address";

test("an address says the same again after it was read", () => {
  const said = "#map=14.25/10.77690/106.70090&layers=roads,wards&lang=en&theme=dark";
  assert.equal(format(parse(said)), said);
});

test("what makes no sense in an address is left out", () => {
  assert.deepEqual(parse("#map=14/100/106&lang=fr&theme=pink"), {});
  assert.deepEqual(parse("#map=a/b&layers=roads,%3Cscript%3E"), { layers: ["roads"] });
  assert.deepEqual(parse(""), {});
});

test("no layer at all is a choice too", () => {
  assert.deepEqual(parse("#layers="), { layers: [] });
  assert.equal(format({ layers: [] }), "#layers=");
});

test("all that was done to the map is in its address", () => {
  const said =
    "#map=14/10.77690/106.70090&layers=roads,schools&opacity=roads:40,schools:80&order=schools,roads" +
    "&where.schools=level%3D%3Dprimary%7Ckindergarten%3Bpupils%3D%23100..&table=schools:-pupils:view" +
    "&time=2026-01-01/2026-01-31&sketch=count:106.7_10.77,106.71_10.78,106.7_10.79";
  assert.equal(format(parse(said)), said);
});

test("a table without an order, or without the view, is short", () => {
  assert.equal(format(parse("#table=schools")), "#table=schools");
  assert.equal(format(parse("#table=schools::view")), "#table=schools::view");
  assert.equal(format(parse("#table=schools:name")), "#table=schools:name");
});

test("what was done nonsensically is left out", () => {
  assert.deepEqual(parse("#opacity=roads:400,:3&time=2026-02-01/2026-01-01&sketch=area:a_b&table=A;B&where.x=y"), {});
});
