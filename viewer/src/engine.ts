/** The engine's doors, as far as this page uses them. Every address is relative to the root of the server. */
import type { StyleSpecification } from "maplibre-gl";
import type { Language, Theme } from "./address";

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

async function read<T>(path: string): Promise<T> {
  const url = `${root}/${path}`;
  const response = await fetch(url, {
    headers: { Accept: "application/json, application/geo+json, application/schema+json" },
  });
  if (!response.ok) throw new Refused(response.status, url);
  return (await response.json()) as T;
}
