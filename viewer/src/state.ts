/** What the page knows, as signals: the parts read them, and nothing else passes between the parts. */
import { computed, signal } from "@preact/signals";
import type { LayerSpecification, StyleSpecification } from "maplibre-gl";
import {
  type Address,
  type Language,
  type Period,
  type Place,
  type ReformView,
  type Sketch,
  type TableView,
  type Theme,
  type WardView,
  parse,
} from "./address";
import { type Conditions, says } from "./conditions";
import type { Collection, LayerCard, StyleSheet } from "./engine";
import type { Asked } from "./questions";
import { stacked } from "./stack";

export type Side = "before" | "after";

/** Sources and layers that lie between the areas and the lines of a style; labels go on top. */
export interface Overlay {
  sources: StyleSpecification["sources"];
  layers: LayerSpecification[];
  /** Sources of the style whose lines and labels it stands for. */
  instead: readonly string[];
}

const opened = parse(location.hash);
const wide = matchMedia("(min-width: 48rem)");

export const language = signal<Language>(opened.language ?? "vi");
export const theme = signal<Theme>(opened.theme ?? kept("theme") ?? preferred());
export const place = signal<Place | undefined>(opened.place);

/** The assembled style, once it is here. */
export const style = signal<StyleSheet | undefined>(undefined);
/** Collections by id; empty until they are here. */
export const collections = signal<ReadonlyMap<string, Collection>>(new Map());
/** Layers the user chose; undefined while the style's own choice stands. */
export const chosen = signal<ReadonlySet<string> | undefined>(opened.layers && new Set(opened.layers));
/** Per cent of each layer that was faded. */
export const opacity = signal<ReadonlyMap<string, number>>(new Map(Object.entries(opened.opacity ?? {})));
/** Layers from the lowest to the highest, once the user has put them in an order. */
export const order = signal<readonly string[] | undefined>(opened.order);
/** What each filtered layer is filtered by. */
export const filters = signal<ReadonlyMap<string, Conditions>>(new Map(Object.entries(opened.where ?? {})));
export const table = signal<TableView | undefined>(opened.table);
/** Days that layers with time are shown of; undefined means all. */
export const period = signal<Period | undefined>(opened.period);
export const sketch = signal<Sketch | undefined>(opened.sketch);
/** The ward whose room is open. */
export const ward = signal<WardView | undefined>(opened.ward);
/** Before and after the reform, when they are compared. */
export const reform = signal<ReformView | undefined>(opened.reform);
/** What the comparison draws besides the style, on either side. */
export const overlay = signal<Record<Side, Overlay> | undefined>(undefined);
/** The unit under the pointer that has a figure. */
export const pointed = signal<{ side: Side; id: number } | undefined>(undefined);
/** Whether clicks add points to the sketch. */
export const drawing = signal(false);
/** The layer whose addresses are shown, to be copied. */
export const connecting = signal<string | undefined>(undefined);
export const timeOpen = signal(opened.period !== undefined);
/** What was searched and chosen: shown by a pin. */
export const pin = signal<{ lon: number; lat: number } | undefined>(undefined);

export const cards = computed<ReadonlyMap<string, LayerCard>>(
  () => new Map(Object.entries(style.value?.metadata["citymap:layers"] ?? {})),
);
/** Layers that are on, whatever the zoom. */
export const shown = computed<ReadonlySet<string>>(() => {
  const wanted = chosen.value;
  return new Set([...cards.value].filter(([name, card]) => wanted?.has(name) ?? card.visible).map(([name]) => name));
});
/** Layers that are on, from the lowest to the highest. */
export const stack = computed<readonly string[]>(() =>
  stacked(style.value?.layers ?? [], order.value).filter((name) => shown.value.has(name)),
);
/** Layers that are on and have a time of their own. */
export const timed = computed<readonly string[]>(() => [...shown.value].filter((name) => span(name) !== undefined));

export const cursor = signal<{ lon: number; lat: number } | undefined>(undefined);
export const zoom = signal(opened.place?.zoom ?? 0);
export const bearing = signal(0);
/** West, south, east, north of what the map shows. */
export const view = signal<readonly [number, number, number, number] | undefined>(undefined);
export const busy = signal(true);
export const panelOpen = signal(wide.matches);

/** Whether the page stands inside another one, with nothing but the map. */
export const embedded = new URLSearchParams(location.search).get("embed") === "1";
export const sharing = signal(false);
/** Whether the dialog for a key of access is open. */
export const unlocking = signal(false);

/** What is wrong now; empty when nothing is. */
export const serverAway = signal(false);
export const broken = signal<ReadonlyMap<string, number>>(new Map());
export const noWebGl = signal(false);

export function title(name: string): string {
  return collections.value.get(name)?.title ?? cards.value.get(name)?.title ?? name;
}

export function toggle(name: string): void {
  const next = new Set(shown.value);
  if (!next.delete(name)) next.add(name);
  chosen.value = next;
}

export function fade(name: string, percent: number): void {
  const next = new Map(opacity.value);
  if (percent >= 100) next.delete(name);
  else next.set(name, percent);
  opacity.value = next;
}

/** Moves a layer among those that are on: one step up, or down. */
export function move(name: string, step: 1 | -1): void {
  const on = stack.value;
  const neighbour = on[on.indexOf(name) + step];
  if (neighbour === undefined) return;
  const all = [...stacked(style.value?.layers ?? [], order.value)];
  const [from, to] = [all.indexOf(name), all.indexOf(neighbour)];
  all.splice(from, 1);
  all.splice(to, 0, name);
  order.value = all;
}

export function restrict(name: string, conditions: Conditions): void {
  const said = Object.fromEntries(Object.entries(conditions).filter(([, condition]) => says(condition)));
  const next = new Map(filters.value);
  if (Object.keys(said).length > 0) next.set(name, said);
  else next.delete(name);
  filters.value = next;
}

/** First and last day of a layer with a time, or undefined; a layer that keeps its history has no days of its own. */
export function span(name: string): Period | undefined {
  const [from, to] = collections.value.get(name)?.extent?.temporal?.interval[0] ?? [];
  if (!from || !to || !cards.value.get(name)?.time) return undefined;
  return { from: from.slice(0, 10), to: to.slice(0, 10) };
}

/** What the user has asked of a layer, wherever it is shown. */
export function asked(name: string): Asked {
  const time = cards.value.get(name)?.time;
  return { conditions: filters.value.get(name), period: time ? period.value : undefined, time };
}

/** The address of what is on the screen now. */
export const address = computed<Address>(() => ({
  ...(place.value && { place: place.value }),
  ...(chosen.value && { layers: [...chosen.value].sort() }),
  ...(language.value !== "vi" && { language: language.value }),
  ...(theme.value !== preferred() && { theme: theme.value }),
  ...(opacity.value.size > 0 && { opacity: Object.fromEntries(opacity.value) }),
  ...(order.value && { order: [...order.value] }),
  ...(filters.value.size > 0 && { where: Object.fromEntries(filters.value) }),
  ...(table.value && { table: table.value }),
  ...(period.value && { period: period.value }),
  ...(sketch.value && sketch.value.points.length > 0 && { sketch: sketch.value }),
  ...(ward.value && { ward: ward.value }),
  ...(reform.value && { reform: reform.value }),
}));

/** Takes over an address typed or walked back to. */
export function follow(next: Address): void {
  language.value = next.language ?? "vi";
  if (next.theme) theme.value = next.theme;
  chosen.value = next.layers && new Set(next.layers);
  opacity.value = new Map(Object.entries(next.opacity ?? {}));
  order.value = next.order;
  filters.value = new Map(Object.entries(next.where ?? {}));
  table.value = next.table;
  period.value = next.period;
  sketch.value = next.sketch;
  ward.value = next.ward;
  reform.value = next.reform;
  if (next.place) place.value = next.place;
}

export function keepTheme(next: Theme): void {
  theme.value = next;
  try {
    localStorage.setItem("citymap:theme", next);
  } catch {
    // a browser that keeps nothing still shows the map
  }
}

function kept(name: "theme"): Theme | undefined {
  try {
    const value = localStorage.getItem(`citymap:${name}`);
    return value === "light" || value === "dark" ? value : undefined;
  } catch {
    return undefined;
  }
}

function preferred(): Theme {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
