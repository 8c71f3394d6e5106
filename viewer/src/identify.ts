/** What is here: the features under a place, with all their attributes and the titles of these. */
import { signal } from "@preact/signals";
import type { MapGeoJSONFeature } from "maplibre-gl";
import { type Item, type Property, Refused, type Schema, fetchItem, fetchSchema } from "./engine";
import { cards, language } from "./state";

const MOST = 12;

/** A feature under the place. properties: what the tile had, until the item is here. */
export interface Found {
  layer: string;
  id: string | number | undefined;
  properties: Record<string, unknown>;
  geometry: GeoJSON.Geometry | null;
  schema: Record<string, Property>;
  state: "loading" | "whole" | "partial" | "closed" | "grouped";
}

export interface Findings {
  lon: number;
  lat: number;
  found: readonly Found[];
  /** Asked by keyboard: the answer takes the focus. */
  focus: boolean;
}

/** The place asked about; undefined when none is. */
export const findings = signal<Findings | undefined>(undefined);

const schemas = new Map<string, Promise<Schema>>();

export function close(): void {
  findings.value = undefined;
}

export function show(lon: number, lat: number, features: readonly MapGeoJSONFeature[], { focus = false } = {}): void {
  const found = distinct(features).slice(0, MOST);
  const asked: Findings = { lon, lat, found, focus };
  findings.value = asked;
  found.forEach((_, index) => void complete(asked, index));
}

/** Shows one feature that is known by its id, and not by where the map was clicked. */
export function showItem(layer: string, id: string | number, lon: number, lat: number, { focus = false } = {}): void {
  const found: Found = { layer, id, properties: {}, geometry: null, schema: {}, state: "loading" };
  const asked: Findings = { lon, lat, found: [found], focus };
  findings.value = asked;
  void complete(asked, 0);
}

/** Takes the attributes' titles again, in another language. */
export function retell(): void {
  schemas.clear();
  const asked = findings.value;
  asked?.found.forEach((_, index) => void complete(asked, index));
}

/** Each feature once, though several map layers draw it and several tiles hold it; a street once, not piece by piece. */
function distinct(features: readonly MapGeoJSONFeature[]): Found[] {
  const once = new Map<string, Found>();
  for (const { source, id, properties, geometry } of features) {
    const name = geometry.type.endsWith("LineString") && properties[cards.value.get(source)?.name ?? ""];
    const key = `${source}/${name || (id ?? JSON.stringify(properties))}`;
    const state = id === undefined ? "grouped" : "loading";
    if (!once.has(key)) once.set(key, { layer: source, id, properties, geometry: null, schema: {}, state });
    if (id === undefined) once.get(key)!.geometry = geometry;
  }
  return [...once.values()];
}

async function complete(asked: Findings, index: number): Promise<void> {
  const start = asked.found[index]!;
  const [schema, item] = await Promise.allSettled([
    schemaOf(start.layer),
    start.id === undefined ? Promise.reject(new Error("no id")) : fetchItem(start.layer, start.id),
  ]);
  const now = findings.value;
  if (now?.lon !== asked.lon || now.lat !== asked.lat) return;
  const titles = schema.status === "fulfilled" ? schema.value.properties : {};
  const next = { ...start, schema: titles, ...(start.state === "grouped" ? {} : outcome(item)) };
  findings.value = { ...now, found: now.found.map((found, place) => (place === index ? next : found)) };
}

function outcome(item: PromiseSettledResult<Item>): Partial<Found> {
  if (item.status === "fulfilled") {
    return { properties: item.value.properties, geometry: item.value.geometry, state: "whole" };
  }
  const closed = item.reason instanceof Refused && [401, 403].includes(item.reason.status);
  return { state: closed ? "closed" : "partial" };
}

export function schemaOf(layer: string): Promise<Schema> {
  const key = `${layer}/${language.value}`;
  const known = schemas.get(key);
  if (known) return known;
  const asked = fetchSchema(layer, language.value);
  schemas.set(key, asked);
  asked.catch(() => schemas.delete(key));
  return asked;
}
