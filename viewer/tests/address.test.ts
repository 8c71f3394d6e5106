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
