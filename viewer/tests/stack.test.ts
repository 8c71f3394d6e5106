import assert from "node:assert/strict";
import { test } from "node:test";
import type { LayerSpecification } from "maplibre-gl";
import { arranged, stacked, times } from "../src/stack";

const style = [
  { id: "background", type: "background" },
  { id: "wards", type: "fill", source: "wards", "source-layer": "wards" },
  { id: "parks", type: "fill", source: "parks", "source-layer": "parks" },
  { id: "roads", type: "line", source: "roads", "source-layer": "roads" },
  { id: "wards-label", type: "symbol", source: "wards", "source-layer": "wards" },
] as LayerSpecification[];

test("layers lie as they are drawn until the user says otherwise", () => {
  assert.deepEqual(stacked(style, undefined), ["wards", "parks", "roads"]);
  assert.deepEqual(stacked(style, ["roads", "gone", "wards"]), ["roads", "wards", "parks"]);
});

test("labels stay above everything, the background below", () => {
  const ids = arranged(style, ["roads", "parks", "wards"]).map(({ id }) => id);
  assert.deepEqual(ids, ["background", "roads", "parks", "wards", "wards-label"]);
  assert.deepEqual(arranged(style, undefined), style);
});

test("an opacity that hangs on the zoom stays outermost", () => {
  assert.equal(times(0.5, 0.5), 0.25);
  assert.deepEqual(times(["interpolate", ["linear"], ["zoom"], 8, 0, 12, 1], 0.5), ["interpolate", ["linear"], ["zoom"], 8, 0, 12, 0.5]);
  assert.deepEqual(times(["step", ["zoom"], 0.4, 12, 1], 0.5), ["step", ["zoom"], 0.2, 12, 0.5]);
  assert.deepEqual(times(["get", "x"], 0.5), ["*", ["get", "x"], 0.5]);
});
