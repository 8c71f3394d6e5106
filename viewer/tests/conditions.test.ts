import assert from "node:assert/strict";
import { test } from "node:test";
import { type Conditions, cql, long, short } from "../src/conditions";
import { parameters, withParameters } from "../src/questions";

const every: Conditions = {
  level: { kind: "codes", codes: ["primary", "lower_secondary"] },
  pupils: { kind: "number", from: "100", to: "" },
  name: { kind: "text", text: "Lê = Lợi; 100%|'" },
  late: { kind: "flag", value: false },
  due_on: { kind: "date", from: "2026-01-01", to: "2026-01-31" },
  received_at: { kind: "time", from: "2026-01-01", to: "2026-01-31" },
};

test("conditions say the same again after an address was read", () => {
  assert.deepEqual(long(short(every)), every);
});

test("what makes no sense is left out of a filter", () => {
  assert.deepEqual(long("Level==a;pupils=#x..1;due_on=d1..2;name=?a;x;late=!1"), { late: { kind: "flag", value: true } });
  assert.deepEqual(long("name=*%E0%A4%A"), {});
});

test("each kind of condition is CQL2", () => {
  const one = (column: string) => cql({ [column]: every[column]! });
  assert.equal(one("level"), "level IN ('primary','lower_secondary')");
  assert.equal(one("pupils"), "pupils >= 100");
  assert.equal(one("name"), "CASEI(ACCENTI(name)) LIKE CASEI(ACCENTI('%Lê = Lợi; 100\\%|''%'))");
  assert.equal(one("late"), "late = FALSE");
  assert.equal(one("due_on"), "due_on >= DATE('2026-01-01') AND due_on <= DATE('2026-01-31')");
});

test("a day is a day of the city", () => {
  const { received_at } = every;
  assert.equal(
    cql({ received_at: received_at! }),
    "received_at >= TIMESTAMP('2025-12-31T17:00:00Z') AND received_at < TIMESTAMP('2026-01-31T17:00:00Z')",
  );
});

test("conditions that say nothing are no filter", () => {
  assert.equal(cql({ level: { kind: "codes", codes: [] }, name: { kind: "text", text: " " } }), "");
  assert.equal(parameters({ conditions: {}, period: undefined }).toString(), "");
});

test("filter, time, box and polygon go together", () => {
  const period = { from: "2026-01-01", to: "2026-01-31" };
  const asked = parameters({
    conditions: { late: { kind: "flag", value: true } },
    period,
    time: "datetime",
    bbox: [106, 10, 107, 11],
    ring: [[106, 10], [107, 10], [107, 11]],
  });
  assert.equal(
    asked.get("filter"),
    "S_INTERSECTS(geometry, POLYGON((106.000000 10.000000, 107.000000 10.000000, 107.000000 11.000000, 106.000000 10.000000))) AND late = TRUE",
  );
  assert.equal(asked.get("datetime"), "2026-01-01T00:00:00+07:00/2026-01-31T23:59:59+07:00");
  assert.equal(parameters({ period, time: "date" }).get("datetime"), "2026-01-01/2026-01-31");
  assert.equal(parameters({ period, time: null }).has("datetime"), false);
  assert.equal(withParameters("x?f=csv", new URLSearchParams({ a: "b c" })), "x?f=csv&a=b%20c");
});
