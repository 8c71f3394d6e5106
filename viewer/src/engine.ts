/** The engine's doors, as far as this page uses them. Every address is relative to the root of the server. */
import type { StyleSpecification } from "maplibre-gl";
import type { Language, Theme } from "./address";
import { credentials } from "./key";
import { withParameters } from "./questions";

export interface Swatch {
  title: string;
  shape: "fill" | "line" | "circle";
  color: string;
  outline?: string;
  dashed: boolean;
}

/** What the style says of a layer, for the layer tree. */
export interface LayerCard {
  title: string;
  theme: string;
  visible: boolean;
  listed: boolean;
  clickable: boolean;
  minzoom: number;
  name: string | null;
  /** Whether the layer has a time of its own: days, or moments. */
  time: "date" | "datetime" | null;
  /** Whether it is counted by ward, and the columns whose sums are kept. */
  counted: boolean;
  sums: string[];
  legend: Swatch[];
}

export type StyleSheet = StyleSpecification & {
  metadata: {
    "citymap:base": string;
    "citymap:themes": Record<string, string>;
    "citymap:layers": Record<string, LayerCard>;
  };
};

export interface Collection {
  id: string;
  title: string;
  description?: string;
  theme?: string;
  owner?: string;
  source?: string;
  licence?: string;
  /** When the layer was last loaded, RFC 3339. */
  updated?: string;
  synthetic?: boolean;
  extent?: { temporal?: { interval: [string | null, string | null][] } };
}

/** One answer of the search box. */
export type Hit = GeoJSON.Feature<
  GeoJSON.Point,
  {
    kind: "coordinates" | "unit" | "address" | "feature";
    title: string;
    detail: string;
    layer: string | null;
    feature: number | null;
    code?: string;
  }
>;

export interface Page {
  features: Item[];
  numberMatched?: number;
  links: { rel: string; href: string }[];
}

export interface Property {
  title?: string;
  description?: string;
  type?: string | string[];
  format?: string;
  oneOf?: { const: unknown; title?: string }[];
  "x-ogc-unit"?: string;
  "x-ogc-role"?: string;
  "x-ogc-codeList"?: unknown;
}

export interface Schema {
  properties: Record<string, Property>;
}

/** Counts or sums by ward, as `/collections/{id}/aggregate` gives them. */
export interface Aggregate {
  /** First and last day of the boundaries: `2025-07-01..`. */
  boundaries: string;
  counted: "by place" | "re-aggregated";
  notes: string[];
  features: { id: number; properties: Unit }[];
}

/** One unit and its figures. value: the sum of them. */
export interface Unit extends Figure {
  code: string;
  name: string;
  /** The value in each square kilometre, when `per=km2` was asked. */
  km2?: number | null;
  figures?: (Figure & Record<string, unknown>)[];
}

export interface Figure {
  value: number;
  /** What the other weights would have given. */
  low?: number;
  high?: number;
  /** The share of the value that was dealt, and not counted. */
  estimated?: number;
  weights?: string[];
  period?: string;
}

export type Item = GeoJSON.Feature<GeoJSON.Geometry | null, Record<string, unknown>> & { synthetic?: boolean };

/** The server answered, but not with what was asked. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly url: string,
  ) {
    super(`${url} answered ${status}`);
  }
}

/** Root of the server, from the page's own address (…/map). */
export const root = new URL(".", location.href.split("#")[0]!).href.replace(/\/$/, "");

export async function fetchStyle(language: Language, theme: Theme): Promise<StyleSheet> {
  const sheet = await read<StyleSheet>(`styles/citymap?f=json&lang=${language}&theme=${theme}`);
  return atRoot(sheet, sheet.metadata["citymap:base"]);
}

export async function fetchCollections(language: Language): Promise<Map<string, Collection>> {
  const { collections } = await read<{ collections: Collection[] }>(`collections?f=json&lang=${language}`);
  return new Map(collections.map((collection) => [collection.id, collection]));
}

export const fetchSchema = (layer: string, language: Language): Promise<Schema> =>
  read<Schema>(`collections/${layer}/schema?f=json&lang=${language}`);

export const fetchItem = (layer: string, id: string | number): Promise<Item> =>
  read<Item>(`collections/${layer}/items/${encodeURIComponent(id)}?f=json`);

export const itemPage = (layer: string, id: string | number, language: Language): string =>
  `${root}/collections/${layer}/items/${encodeURIComponent(id)}?f=html&lang=${language}`;

export async function fetchHits(text: string, language: Language, signal: AbortSignal): Promise<Hit[]> {
  const { features } = await read<{ features: Hit[] }>(
    `search?q=${encodeURIComponent(text)}&limit=12&lang=${language}`,
    signal,
  );
  return features;
}

export const fetchQueryables = (layer: string, language: Language): Promise<Schema> =>
  read<Schema>(`collections/${layer}/queryables?f=json&lang=${language}`);

export const itemsAddress = (layer: string): string => `${root}/collections/${layer}/items`;

/** A page of features. path: below the root, as `next` gives it. */
export const fetchPage = (path: string, signal?: AbortSignal): Promise<Page> => read<Page>(path, signal);

/** Every page of features, by the links `next`. */
export async function fetchAll(path: string, signal?: AbortSignal): Promise<Item[]> {
  const page = await fetchPage(path, signal);
  const next = page.links.find(({ rel }) => rel === "next")?.href;
  const rest = next ? await fetchAll(below(next), signal) : [];
  return [...page.features, ...rest];
}

/** A link of the server as a path below the root: a server may have several names. */
function below(href: string): string {
  return href.slice(href.indexOf("/collections/") + 1);
}

export async function fetchCount(layer: string, asked: URLSearchParams, signal?: AbortSignal): Promise<number> {
  const path = withParameters(`collections/${layer}/items?f=json&resultType=hits`, asked);
  return (await read<Page>(path, signal)).numberMatched ?? 0;
}

/** Figures of every unit. asked: `by`, `value`, `boundaries`, `weight`, `datetime`. */
export const fetchAggregate = (layer: string, asked: Record<string, string>, signal?: AbortSignal): Promise<Aggregate> =>
  read<Aggregate>(`collections/${layer}/aggregate?${new URLSearchParams({ f: "json", ...asked })}`, signal);

/** Features by the values of their columns, at most so many. */
export async function fetchItems(layer: string, asked: Record<string, string>, signal?: AbortSignal): Promise<Item[]> {
  const path = withParameters(`collections/${layer}/items?f=json`, new URLSearchParams(asked));
  return (await read<Page>(path, signal)).features;
}

export async function alive(): Promise<boolean> {
  try {
    return (await fetch(`${root}/healthz`, { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

/** The same style with its links at the root this page came from: a server may have several names. */
function atRoot(sheet: StyleSheet, base: string): StyleSheet {
  if (base === root) return sheet;
  return JSON.parse(JSON.stringify(sheet).replaceAll(`"${base}/`, `"${root}/`)) as StyleSheet;
}

async function read<T>(path: string, signal?: AbortSignal): Promise<T> {
  const url = `${root}/${path}`;
  const response = await fetch(url, {
    signal: signal ?? null,
    headers: { Accept: "application/json, application/geo+json, application/schema+json", ...credentials() },
  });
  if (!response.ok) throw new Refused(response.status, url);
  return (await response.json()) as T;
}
