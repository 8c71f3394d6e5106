/** What is asked of a layer: the user's filter, time, view and polygon, as parameters of the engine's doors. */
import { type Conditions, cql } from "./conditions";
import type { Period } from "./address";

export interface Asked {
  conditions?: Conditions | undefined;
  period?: Period | undefined;
  /** Whether the layer keeps days or moments: the days of the city begin at seven in the evening of Greenwich. */
  time?: "date" | "datetime" | null | undefined;
  bbox?: readonly [number, number, number, number] | undefined;
  /** A polygon that features have to meet. */
  ring?: readonly (readonly [number, number])[] | undefined;
}

/** Parameters of items, files, counts and tiles; empty when everything is asked for. */
export function parameters({ conditions, period, time, bbox, ring }: Asked): URLSearchParams {
  const asked = new URLSearchParams();
  const filter = [ring && meets(ring), conditions && cql(conditions)].filter(Boolean).join(" AND ");
  if (filter) asked.set("filter", filter);
  if (period && time === "date") asked.set("datetime", `${period.from}/${period.to}`);
  if (period && time === "datetime") asked.set("datetime", `${period.from}T00:00:00+07:00/${period.to}T23:59:59+07:00`);
  if (bbox) asked.set("bbox", bbox.map((edge) => edge.toFixed(6)).join(","));
  return asked;
}

export function meets(ring: readonly (readonly [number, number])[]): string {
  const closed = [...ring, ring[0]!];
  return `S_INTERSECTS(geometry, POLYGON((${closed.map(([lon, lat]) => `${lon.toFixed(6)} ${lat.toFixed(6)}`).join(", ")})))`;
}

/** An address with parameters behind it. */
export function withParameters(address: string, asked: URLSearchParams): string {
  const text = asked.toString().replaceAll("+", "%20");
  return text ? `${address}${address.includes("?") ? "&" : "?"}${text}` : address;
}
