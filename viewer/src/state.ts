/** What the page knows, as signals: the parts read them, and nothing else passes between the parts. */
import { computed, signal } from "@preact/signals";
import { type Address, type Language, type Place, type Theme, parse } from "./address";
import type { Collection, LayerCard, StyleSheet } from "./engine";

const opened = parse(location.hash);

export const language = signal<Language>(opened.language ?? "vi");
export const theme = signal<Theme>(opened.theme ?? kept("theme") ?? preferred());
export const place = signal<Place | undefined>(opened.place);

/** The assembled style, once it is here. */
export const style = signal<StyleSheet | undefined>(undefined);
/** Collections by id; empty until they are here. */
export const collections = signal<ReadonlyMap<string, Collection>>(new Map());
/** Layers the user chose; undefined while the style's own choice stands. */
export const chosen = signal<ReadonlySet<string> | undefined>(opened.layers && new Set(opened.layers));

export const cards = computed<ReadonlyMap<string, LayerCard>>(
  () => new Map(Object.entries(style.value?.metadata["citymap:layers"] ?? {})),
);
/** Layers that are on, whatever the zoom. */
export const shown = computed<ReadonlySet<string>>(() => {
  const wanted = chosen.value;
  return new Set([...cards.value].filter(([name, card]) => wanted?.has(name) ?? card.visible).map(([name]) => name));
});

export const cursor = signal<{ lon: number; lat: number } | undefined>(undefined);
export const zoom = signal(opened.place?.zoom ?? 0);
export const bearing = signal(0);
export const busy = signal(true);
export const panelOpen = signal(matchMedia("(min-width: 48rem)").matches);

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

/** The address of what is on the screen now. */
export const address = computed<Address>(() => ({
  ...(place.value && { place: place.value }),
  ...(chosen.value && { layers: [...chosen.value].sort() }),
  ...(language.value !== "vi" && { language: language.value }),
  ...(theme.value !== preferred() && { theme: theme.value }),
}));

/** Takes over an address typed or walked back to. */
export function follow(next: Address): void {
  language.value = next.language ?? "vi";
  if (next.theme) theme.value = next.theme;
  chosen.value = next.layers && new Set(next.layers);
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
