/** A ward in figures: pure functions of what the engine's doors gave. Nothing here asks or draws. */
import type { Aggregate, Item, Unit } from "./engine";

/** A figure of one ward among those of all. rank: 1 is the highest; equal figures share a rank. */
export interface Standing {
  value: number;
  mean: number;
  most: number;
  rank: number;
  of: number;
}

export function standing({ features }: Aggregate, code: string): Standing | undefined {
  const values = features.map(({ properties }) => properties.value);
  const value = unitOf(features, code)?.value;
  if (value === undefined) return undefined;
  return {
    value,
    mean: values.reduce((sum, one) => sum + one, 0) / values.length,
    most: Math.max(...values),
    rank: 1 + values.filter((one) => one > value).length,
    of: values.length,
  };
}

export function unitOf(features: Aggregate["features"], code: string): Unit | undefined {
  return features.find(({ properties }) => properties.code === code)?.properties;
}

/** Amounts of one ward by the codes of a column, the greatest first. */
export function byCode({ features }: Aggregate, code: string, column: string): [code: string, amount: number][] {
  const figures = unitOf(features, code)?.figures ?? [];
  return figures.map((figure): [string, number] => [String(figure[column]), figure.value]).sort(([, one], [, other]) => other - one);
}

/** Amounts of one ward in each of the last months that anything was counted in, quiet months with a nought. */
export function byMonth({ features }: Aggregate, code: string, months: number): [month: string, amount: number][] {
  const last = features.flatMap(({ properties }) => properties.figures ?? []).reduce((late, { period = "" }) => (period > late ? period : late), "");
  if (!last) return [];
  const amounts = new Map((unitOf(features, code)?.figures ?? []).map(({ period = "", value }) => [period, value]));
  return monthsUpTo(last, months).map((month) => [month, amounts.get(month) ?? 0]);
}

/** First days of so many months, the last of them given. */
export function monthsUpTo(last: string, months: number): string[] {
  const [year = 0, month = 1] = last.split("-").map(Number);
  return Array.from({ length: months }, (_, at) => {
    const first = new Date(Date.UTC(year, month - months + at, 1));
    return first.toISOString().slice(0, 10);
  });
}

export type Health = "bad" | "fair" | "good" | "unknown";

/** One indicator of a ward: its latest period, what was planned, and how that stands. */
export interface Reading {
  indicator: string;
  title: string;
  unit: string;
  period: string;
  value: number | undefined;
  plan: number | undefined;
  health: Health;
  /** Values of all periods, the oldest first. */
  series: [period: string, value: number][];
}

/** Below this share of the plan an indicator is bad, and not only fair. */
const FAR = 0.1;

/** The indicators of a ward, what is bad first. values: rows of the ward; definitions: rows of all indicators. */
export function readings(values: readonly Item[], definitions: readonly Item[], language: "vi" | "en"): Reading[] {
  const order: Health[] = ["bad", "fair", "good", "unknown"];
  return definitions
    .flatMap(({ properties }) => reading(values, properties, language))
    .sort((one, other) => order.indexOf(one.health) - order.indexOf(other.health));
}

function reading(values: readonly Item[], about: Record<string, unknown>, language: "vi" | "en"): Reading[] {
  const own = values.map(({ properties }) => properties).filter(({ indicator }) => indicator === about.indicator);
  own.sort((one, other) => String(one.period).localeCompare(String(other.period)));
  const last = own.at(-1);
  if (!last) return [];
  const [value, plan] = [numberOf(last.value), numberOf(last.plan)];
  const title = language === "en" && about.title_en ? about.title_en : about.title;
  return [
    {
      indicator: String(about.indicator),
      title: String(title),
      unit: String(about.unit ?? ""),
      period: String(last.period),
      value,
      plan,
      health: health(value, plan, about.better),
      series: own.flatMap((row): [string, number][] => (numberOf(row.value) === undefined ? [] : [[String(row.period), Number(row.value)]])),
    },
  ];
}

/** How a value stands to its plan: met, missed by a tenth at most, or by more. */
export function health(value: number | undefined, plan: number | undefined, better: unknown): Health {
  if (value === undefined || plan === undefined || (better !== "higher" && better !== "lower")) return "unknown";
  const short = better === "higher" ? plan - value : value - plan;
  if (short <= 0) return "good";
  return short <= FAR * Math.abs(plan) ? "fair" : "bad";
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Where a ward of today came from. clause: of the resolution; share: of the old unit's people, or ground, that came. */
export interface Origin {
  uid: number;
  code: string;
  name: string;
  district: string;
  whole: boolean;
  unchanged: boolean;
  clause: string | undefined;
  share: { value: number; weight: "population" | "addresses" | "buildings" | "area" } | undefined;
}

const WEIGHTS = ["population", "addresses", "buildings", "area"] as const;

/** The old units of a ward, whole ones first, then by the share that came. links: rows whose heir it is. */
export function origins(links: readonly Item[]): Origin[] {
  const found = links.map(({ properties }): Origin => {
    const weight = WEIGHTS.find((kind) => typeof properties[`onward_${kind}`] === "number");
    return {
      uid: Number(properties.from_uid),
      code: String(properties.from_code),
      name: String(properties.from_name),
      district: String(properties.from_parent ?? ""),
      whole: properties.kind === "whole",
      unchanged: properties.unchanged === true,
      clause: properties.clause ? String(properties.clause) : undefined,
      share: weight && { value: Number(properties[`onward_${weight}`]), weight },
    };
  });
  return found.sort((one, other) => Number(other.whole) - Number(one.whole) || (other.share?.value ?? 0) - (one.share?.value ?? 0));
}

/** An outline as an SVG path within a box of the given size, north up; the meridian's narrowing is allowed for. */
export function outline(geometry: GeoJSON.Geometry | null, size: number): string {
  const polygons = geometry?.type === "Polygon" ? [geometry.coordinates] : geometry?.type === "MultiPolygon" ? geometry.coordinates : [];
  const points = polygons.flat(2);
  if (points.length === 0) return "";
  const [lons, lats] = [points.map(([lon = 0]) => lon), points.map(([, lat = 0]) => lat)];
  const [west, east, south, north] = [lowest(lons), -lowest(lons.map((lon) => -lon)), lowest(lats), -lowest(lats.map((lat) => -lat))];
  const narrow = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = size / Math.max((east - west) * narrow, north - south, 1e-9);
  const [left, top] = [(size - (east - west) * narrow * scale) / 2, (size - (north - south) * scale) / 2];
  const place = ([lon = 0, lat = 0]: number[]) => `${(left + (lon - west) * narrow * scale).toFixed(1)} ${(top + (north - lat) * scale).toFixed(1)}`;
  return polygons.flat().map((ring) => `M${ring.map(place).join("L")}Z`).join("");
}

function lowest(values: readonly number[]): number {
  return values.reduce((low, value) => Math.min(low, value), Infinity);
}
