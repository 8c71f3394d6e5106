import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { areaOf, lengthOf, vn2000 } from "../src/vn2000";

interface Control {
  points: { name: string; lon: number; lat: number; epsg9210_pinned_6960: [number, number] }[];
}

/** What the pinned operation gives, from PROJ. */
const KNOWN = [
  [106.6983, 10.7721, 603514.537, 1191410.466],
  [106.95, 10.41, 631199.136, 1151450.222],
  [106.6067, 8.683, 594079.896, 960312.533],
] as const;

test("places are where PROJ puts them, to a millimetre", () => {
  for (const [lon, lat, east, north] of KNOWN) near(vn2000([lon, lat]), [east, north], `${lon} ${lat}`);
});

test("every control point is where it was measured, to a millimetre", (t) => {
  const file = `${process.env["CITYMAP_REAL_DATA"]}/vn2000_control.json`;
  if (!existsSync(file)) return t.skip("the control points are not here");
  const { points } = JSON.parse(readFileSync(file, "utf8")) as Control;
  assert.ok(points.length > 5);
  for (const { name, lon, lat, epsg9210_pinned_6960: known } of points) near(vn2000([lon, lat]), known, name);
});

test("lengths and areas are those of the grid", () => {
  const [[lon, lat, east, north], [lon2, lat2, east2, north2]] = KNOWN;
  const length = lengthOf([[lon, lat], [lon2, lat2]]);
  assert.ok(Math.abs(length - Math.hypot(east2 - east, north2 - north)) < 0.003);
  const ring = [[lon, lat], [lon2, lat], [lon2, lat2], [lon, lat2]] as const;
  const points = ring.map(vn2000);
  const shoelace = points.reduce((sum, [e, n], i) => sum + e * points[(i + 1) % 4]![1] - points[(i + 1) % 4]![0] * n, 0);
  assert.ok(Math.abs(areaOf(ring) / (Math.abs(shoelace) / 2) - 1) < 1e-9);
  assert.equal(areaOf([]), 0);
  assert.equal(lengthOf([[lon, lat]]), 0);
});

function near([east, north]: readonly [number, number], [wantedEast, wantedNorth]: readonly [number, number], what: string): void {
  const away = Math.hypot(east - wantedEast, north - wantedNorth);
  assert.ok(away < 0.0015, `${what} is ${away} m away: ${east} ${north}`);
}
