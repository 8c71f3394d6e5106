/**
 * The address keeps what is on the screen: `#map=14/10.77690/106.70090&layers=roads,wards&lang=en&theme=dark`, and
 * further what was done to it: opacity, order, filters (`where.schools=…`), the table, the time, a sketch,
 * and the room that is open.
 */
import { type Conditions, long, short } from "./conditions";

export type Language = "vi" | "en";
export type Theme = "light" | "dark";
export type SketchMode = "length" | "area" | "count";

export interface Place {
  zoom: number;
  lat: number;
  lon: number;
}

/** Days of the city, both included. */
export interface Period {
  from: string;
  to: string;
}

export interface Sketch {
  mode: SketchMode;
  points: readonly (readonly [lon: number, lat: number])[];
}

export interface TableView {
  layer: string;
  /** A column, with a minus before it for the falling order. */
  sort?: string;
  /** Only what is in the view of the map. */
  inView?: boolean;
}

/** The ward whose room is open, and the one beside it. */
export interface WardView {
  code: string;
  beside?: string;
}

/** The reform, before on the left of a line and after on its right. */
export interface ReformView {
  /** Per cent of the screen that shows what was before. */
  at: number;
  /** The layer that is counted in both; only boundaries when there is none. */
  layer?: string;
  /** What split units are dealt by; counted by place when it is absent. */
  weight?: Weight;
}

export type Weight = "addresses" | "buildings" | "population" | "area";

/** What an address may say; a part that is absent, or makes no sense, is left to the page. */
export interface Address {
  place?: Place;
  layers?: string[];
  language?: Language;
  theme?: Theme;
  opacity?: Record<string, number>;
  /** Layers from the lowest to the highest, when the user has put them in an order. */
  order?: string[];
  where?: Record<string, Conditions>;
  table?: TableView;
  period?: Period;
  sketch?: Sketch;
  ward?: WardView;
  reform?: ReformView;
}

const NAME = /^[a-z][a-z0-9_]*$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const CODE = /^[A-Za-z0-9-]{1,20}$/;
const MOST_POINTS = 500;

export function parse(hash: string): Address {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const language = said.get("lang");
  const theme = said.get("theme");
  return given({
    place: placeOf(said.get("map")),
    layers: names(said.get("layers")),
    language: language === "vi" || language === "en" ? language : undefined,
    theme: theme === "light" || theme === "dark" ? theme : undefined,
    opacity: opacityOf(said.get("opacity")),
    order: names(said.get("order")),
    where: whereOf(said),
    table: tableOf(said.get("table")),
    period: periodOf(said.get("time")),
    sketch: sketchOf(said.get("sketch")),
    ward: wardOf(said.get("ward")),
    reform: reformOf(said.get("reform")),
  });
}

export function format(address: Address): string {
  const { place, layers, language, theme, opacity, order, where, table, period, sketch, ward, reform } = address;
  const parts = [
    place && `map=${round(place.zoom, 2)}/${place.lat.toFixed(5)}/${place.lon.toFixed(5)}`,
    layers && `layers=${layers.join(",")}`,
    language && `lang=${language}`,
    theme && `theme=${theme}`,
    opacity && `opacity=${Object.entries(opacity).map((pair) => pair.join(":"))}`,
    order && `order=${order.join(",")}`,
    ...Object.entries(where ?? {}).map(([layer, conditions]) => `where.${layer}=${encodeURIComponent(short(conditions))}`),
    table && `table=${[table.layer, table.sort ?? "", ...(table.inView ? ["view"] : [])].join(":").replace(/:$/, "")}`,
    period && `time=${period.from}/${period.to}`,
    sketch && `sketch=${sketch.mode}:${sketch.points.map(([lon, lat]) => `${round(lon, 6)}_${round(lat, 6)}`).join(",")}`,
    reform && `reform=${[Math.round(reform.at), reform.layer ?? "", reform.weight ?? ""].join(":").replace(/:+$/, "")}`,
    ward && `ward=${[ward.code, ...(ward.beside ? [ward.beside] : [])].join(":")}`,
  ];
  return `#${parts.filter(Boolean).join("&")}`;
}

type Loose = { [Part in keyof Address]: Address[Part] | undefined };

function given(address: Loose): Address {
  return Object.fromEntries(Object.entries(address).filter(([, part]) => part !== undefined)) as Address;
}

function placeOf(text: string | null): Place | undefined {
  const numbers = (text ?? "").split("/").map((part) => (part === "" ? NaN : Number(part)));
  const [zoom = NaN, lat = NaN, lon = NaN] = numbers;
  const sound = numbers.length === 3 && zoom >= 0 && zoom <= 24 && Math.abs(lat) <= 85 && Math.abs(lon) <= 180;
  return sound ? { zoom, lat, lon } : undefined;
}

function names(text: string | null): string[] | undefined {
  return text === null ? undefined : text.split(",").filter((name) => NAME.test(name));
}

function opacityOf(text: string | null): Record<string, number> | undefined {
  const pairs = (text ?? "").split(",").map((pair) => pair.split(":"));
  const sound = pairs.filter(([name = "", percent = ""]) => NAME.test(name) && /^\d{1,2}$/.test(percent));
  return sound.length > 0 ? Object.fromEntries(sound.map(([name, percent]) => [name!, Number(percent)])) : undefined;
}

function whereOf(said: URLSearchParams): Record<string, Conditions> | undefined {
  const found = [...said]
    .filter(([key]) => key.startsWith("where.") && NAME.test(key.slice(6)))
    .map(([key, text]) => [key.slice(6), long(text)] as const)
    .filter(([, conditions]) => Object.keys(conditions).length > 0);
  return found.length > 0 ? Object.fromEntries(found) : undefined;
}

function tableOf(text: string | null): TableView | undefined {
  const [layer = "", sort = "", view] = (text ?? "").split(":");
  if (!NAME.test(layer)) return undefined;
  return { layer, ...(NAME.test(sort.replace(/^-/, "")) && { sort }), ...(view === "view" && { inView: true }) };
}

function periodOf(text: string | null): Period | undefined {
  const [from = "", to = ""] = (text ?? "").split("/");
  return DAY.test(from) && DAY.test(to) && from <= to ? { from, to } : undefined;
}

function sketchOf(text: string | null): Sketch | undefined {
  const [, mode, said] = /^(length|area|count):(.+)$/.exec(text ?? "") ?? [];
  if (!mode || !said) return undefined;
  const points = said.split(",").slice(0, MOST_POINTS).map((pair) => pair.split("_").map(Number));
  const sound = points.every(([lon = NaN, lat = NaN]) => Math.abs(lon) <= 180 && Math.abs(lat) <= 85);
  return sound ? { mode: mode as SketchMode, points: points as unknown as Sketch["points"] } : undefined;
}

function wardOf(text: string | null): WardView | undefined {
  const [code = "", beside = ""] = (text ?? "").split(":");
  if (!CODE.test(code)) return undefined;
  return { code, ...(CODE.test(beside) && beside !== code && { beside }) };
}

function reformOf(text: string | null): ReformView | undefined {
  const [, at, , layer, , weight] = /^(\d{1,3})(:([a-z][a-z0-9_]*)?(:(addresses|buildings|population|area))?)?$/.exec(text ?? "") ?? [];
  if (!at || Number(at) > 100) return undefined;
  return { at: Number(at), ...(layer && { layer, ...(weight && { weight: weight as Weight }) }) };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
