/**
 * Metres as VN-2000 gives them: WGS 84 to EPSG:9210 (3-degree zone of 105°45′) through EPSG:6960, as the server does.
 * The same pinned parameters as `mapserver/crs.py`; a test holds both to the same control points.
 */
export type Lonlat = readonly [lon: number, lat: number];
export type Metres = readonly [east: number, north: number];

const A = 6378137;
const F = 1 / 298.257223563;
const E2 = F * (2 - F);
const RAD = Math.PI / 180;
const SECOND = RAD / 3600;

/** From VN-2000 to WGS 84, position vector: metres, seconds of arc, parts per million. */
const SHIFT = [-191.90441429, -39.30318279, -111.45032835] as const;
const TURN = [0.00928836 * SECOND, -0.01975479 * SECOND, 0.00427372 * SECOND] as const;
const SCALE = 1 + 0.252906278e-6;

const MERIDIAN = 105.75 * RAD;
const K0 = 0.9999;
const FALSE_EAST = 500000;

/** Krüger's series of the third flattening, to its fourth power: below a tenth of a millimetre in a zone. */
const N = F / (2 - F);
const RADIUS = (A / (1 + N)) * (1 + N ** 2 / 4 + N ** 4 / 64);
const ALPHA = [
  N / 2 - (2 / 3) * N ** 2 + (5 / 16) * N ** 3 + (41 / 180) * N ** 4,
  (13 / 48) * N ** 2 - (3 / 5) * N ** 3 + (557 / 1440) * N ** 4,
  (61 / 240) * N ** 3 - (103 / 140) * N ** 4,
  (49561 / 161280) * N ** 4,
];

/** East and north in EPSG:9210. */
export function vn2000([lon, lat]: Lonlat): Metres {
  return projected(shifted(lon * RAD, lat * RAD));
}

/** Length of a line in metres of the grid. */
export function lengthOf(line: readonly Lonlat[]): number {
  const points = line.map(vn2000);
  return points.slice(1).reduce((sum, [e, n], i) => sum + Math.hypot(e - points[i]![0], n - points[i]![1]), 0);
}

/** Area of a ring (closed or not) in square metres of the grid. */
export function areaOf(ring: readonly Lonlat[]): number {
  const points = ring.map(vn2000);
  const [east, north] = points[0] ?? [0, 0];
  const local = points.map(([e, n]) => [e - east, n - north] as const);
  const twice = local.reduce((sum, [e, n], i) => {
    const [e2, n2] = local[(i + 1) % local.length]!;
    return sum + e * n2 - e2 * n;
  }, 0);
  return Math.abs(twice) / 2;
}

/** Longitude and latitude on WGS 84 as those on VN-2000, heights taken for none. */
function shifted(lon: number, lat: number): readonly [number, number] {
  const nu = A / Math.sqrt(1 - E2 * Math.sin(lat) ** 2);
  const there = [nu * Math.cos(lat) * Math.cos(lon), nu * Math.cos(lat) * Math.sin(lon), nu * (1 - E2) * Math.sin(lat)];
  const [x, y, z] = there.map((value, i) => (value - SHIFT[i]!) / SCALE) as [number, number, number];
  const [rx, ry, rz] = TURN;
  return geodetic(x + rz * y - ry * z, -rz * x + y + rx * z, ry * x - rx * y + z);
}

function geodetic(x: number, y: number, z: number): readonly [number, number] {
  const p = Math.hypot(x, y);
  let lat = Math.atan2(z, p * (1 - E2));
  for (let i = 0; i < 6; i++) {
    const nu = A / Math.sqrt(1 - E2 * Math.sin(lat) ** 2);
    lat = Math.atan2(z + E2 * nu * Math.sin(lat), p);
  }
  return [Math.atan2(y, x), lat];
}

function projected([lon, lat]: readonly [number, number]): Metres {
  const e = Math.sqrt(E2);
  const sine = Math.sin(lat);
  const t = Math.sinh(Math.atanh(sine) - e * Math.atanh(e * sine));
  const away = lon - MERIDIAN;
  const xi = Math.atan2(t, Math.cos(away));
  const eta = Math.asinh(Math.sin(away) / Math.hypot(t, Math.cos(away)));
  const east = ALPHA.reduce((sum, a, i) => sum + a * Math.cos(2 * (i + 1) * xi) * Math.sinh(2 * (i + 1) * eta), eta);
  const north = ALPHA.reduce((sum, a, i) => sum + a * Math.sin(2 * (i + 1) * xi) * Math.cosh(2 * (i + 1) * eta), xi);
  return [FALSE_EAST + K0 * RADIUS * east, K0 * RADIUS * north];
}
