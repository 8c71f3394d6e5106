import assert from "node:assert/strict";
import { test } from "node:test";
import type { Property } from "../src/engine";
import { degrees, format, plain } from "../src/format";

const vi = (value: unknown, property: Property = {}) => format(value, property, "vi", "Có", "Không");
const en = (value: unknown, property: Property = {}) => format(value, property, "en", "Yes", "No");

test("numbers are grouped as the language groups them, and carry their unit", () => {
  assert.equal(vi(1234567.5, { type: "number", "x-ogc-unit": "m2" }), "1.234.567,5\u00a0m²");
  assert.equal(en(1234567.5, { type: "number", "x-ogc-unit": "m2" }), "1,234,567.5\u00a0m²");
  assert.equal(vi(98.6, { type: "number", "x-ogc-unit": "%" }), "98,6%");
  assert.equal(vi(15, { type: "integer", "x-ogc-unit": "min" }), "15\u00a0phút");
});

test("a year is not grouped", () => {
  assert.equal(vi(2025, { type: "integer" }), "2025");
});

test("a code is told by its title", () => {
  const kind = { type: "string", oneOf: [{ const: "ward", title: "Phường" }] };
  assert.equal(vi("ward", kind), "Phường");
  assert.equal(vi("unheard", kind), "unheard");
});

test("dates are told in words, instants in the city's time", () => {
  assert.equal(vi("2025-07-01", { type: "string", format: "date" }), "1 tháng 7, 2025");
  assert.equal(en("2025-07-01", { type: "string", format: "date" }), "1 July 2025");
  assert.match(vi("2025-07-01T20:30:00Z", { type: "string", format: "date-time" }) ?? "", /2 thg 7, 2025/);
});

test("nothing is told of what is not there", () => {
  assert.equal(vi(null), undefined);
  assert.equal(vi(""), undefined);
  assert.equal(vi(false), "Không");
  assert.equal(vi(0, { type: "integer", "x-ogc-unit": "1" }), "0");
});

test("a search needs neither accents nor case", () => {
  assert.equal(plain("Đường ĐỖ XUÂN HỢP"), "duong do xuan hop");
  assert.equal(plain("Ð"), "d");
});

test("coordinates are latitude first", () => {
  assert.equal(degrees(106.7009, 10.7769), "10.77690, 106.70090");
});
