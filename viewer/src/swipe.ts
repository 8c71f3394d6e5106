/** Before and after: where the line between them stands, and what is drawn on either side. Pure functions. */
import type { LayerSpecification, StyleSpecification } from "maplibre-gl";
import type { Theme } from "./address";
import type { Aggregate } from "./engine";

export const FIGURES = "figures";
export const BOUNDARIES = "boundaries";
export const HATCH = "hatch";
/** Width of the grip of the line. */
export const GRIP_PX = 44;

const RAMP: Record<Theme, readonly string[]> = {
  light: ["#f7efdc", "#f9d49a", "#ef9f60", "#d0653a", "#8f3116"],
  dark: ["#2b2f33", "#54412c", "#8a5a32", "#c77c40", "#ffb36b"],
};
export const NOTHING: Record<Theme, string> = { light: "#e3e1dc", dark: "#202428" };

/** Pixels from the left at which the line stands, as the grip of a range input stands. */
export function edge(percent: number, width: number): number {
  return GRIP_PX / 2 + ((width - GRIP_PX) * percent) / 100;
}

/** Lower bounds of at most five classes of equal number, over the figures above nought of both sides. */
export function classes(values: readonly number[]): number[] {
  const sorted = values.filter((value) => value > 0).sort((one, other) => one - other);
  if (sorted.length === 0) return [];
  const bounds = [0, 0.2, 0.4, 0.6, 0.8].map((share) => sorted[Math.floor(share * sorted.length)]!);
  return [...new Set(bounds)];
}

export function colours(bounds: readonly number[], theme: Theme): readonly string[] {
  return RAMP[theme].slice(RAMP[theme].length - bounds.length);
}

/** Units whose figure was at least so much estimated, and less than the bound. */
export function estimated({ features }: Aggregate, from: number, below: number): number[] {
  return features.filter(({ properties: { estimated: share = 0 } }) => share >= from && share < below).map(({ id }) => id);
}

interface Choropleth {
  tiles: string;
  bounds: readonly number[];
  theme: Theme;
  /** Ids of units that are estimated wholly, and in part. */
  wholly: readonly number[];
  partly: readonly number[];
}

/** Source and layers of a choropleth: a colour by class, hatched where it is estimated. */
export function choropleth({ tiles, bounds, theme, wholly, partly }: Choropleth): { sources: StyleSpecification["sources"]; layers: LayerSpecification[] } {
  const steps = bounds.flatMap((bound, at) => [bound, colours(bounds, theme)[at]!]);
  const colour = bounds.length > 0 ? ["step", ["coalesce", ["get", "value"], 0], NOTHING[theme], ...steps] : NOTHING[theme];
  const shared = { source: FIGURES, "source-layer": "aggregate", type: "fill" } as const;
  const hatched = (id: string, ids: readonly number[], opacity: number): LayerSpecification => ({
    ...shared,
    id: `${FIGURES}-${id}`,
    filter: ["in", ["id"], ["literal", [...ids]]],
    paint: { "fill-pattern": HATCH, "fill-opacity": opacity },
  });
  return {
    sources: { [FIGURES]: { type: "vector", tiles: [tiles], maxzoom: 14 } },
    layers: [
      { ...shared, id: FIGURES, paint: { "fill-color": colour as string, "fill-opacity": 0.88, "fill-outline-color": "rgba(90,70,110,0.45)" } },
      ...(wholly.length > 0 ? [hatched("wholly", wholly, 0.6)] : []),
      ...(partly.length > 0 ? [hatched("partly", partly, 0.28)] : []),
    ],
  };
}

/** Lines and names of the boundaries before. */
export function oldBoundaries(tiles: readonly string[], layer: string, theme: Theme): { sources: StyleSpecification["sources"]; layers: LayerSpecification[] } {
  const [ink, halo] = theme === "light" ? ["#5d4770", "#fbf9f4"] : ["#c3b2d6", "#1a1f23"];
  const shared = { source: BOUNDARIES, "source-layer": layer } as const;
  return {
    sources: { [BOUNDARIES]: { type: "vector", tiles: [...tiles], minzoom: 8, maxzoom: 14 } },
    layers: [
      { ...shared, id: `${BOUNDARIES}-line`, type: "line", paint: { "line-color": ink, "line-width": ["interpolate", ["linear"], ["zoom"], 8, 0.5, 12, 1.2, 16, 2.4] } },
      {
        ...shared,
        id: `${BOUNDARIES}-name`,
        type: "symbol",
        minzoom: 12,
        layout: { "text-field": ["get", "name"], "text-font": ["Be Vietnam Pro Medium"], "text-size": ["interpolate", ["linear"], ["zoom"], 12, 10.5, 16, 14], "text-max-width": 7 },
        paint: { "text-color": ink, "text-halo-color": halo, "text-halo-width": 1.4 },
      },
    ],
  };
}
