/** What the user draws: a line or a ring, as features of the map and as figures in metres. */
import type { LayerSpecification } from "maplibre-gl";
import type { SketchMode } from "./address";
import { drawing, sketch } from "./state";

const INK = "#7a3ff2";

export function begin(mode: SketchMode): void {
  sketch.value = { mode, points: [] };
  drawing.value = true;
}

export function undo(): void {
  const now = sketch.value;
  if (now) sketch.value = { ...now, points: now.points.slice(0, -1) };
}

export function discard(): void {
  sketch.value = undefined;
  drawing.value = false;
}

/** Line, ring and corners of the sketch. */
export function sketchFeatures(): GeoJSON.FeatureCollection {
  const now = sketch.value;
  const points = (now?.points ?? []).map(([lon, lat]) => [lon, lat]);
  const ring = now?.mode !== "length" && points.length > 2;
  const shapes: GeoJSON.Geometry[] = points.map((coordinates) => ({ type: "Point", coordinates }));
  if (ring) shapes.unshift({ type: "Polygon", coordinates: [[...points, points[0]!]] });
  else if (points.length > 1) shapes.unshift({ type: "LineString", coordinates: points });
  return {
    type: "FeatureCollection",
    features: shapes.map((geometry) => ({ type: "Feature", geometry, properties: {} })),
  };
}

export function sketchLayers(source: string): LayerSpecification[] {
  const kind = (name: string) => ["==", ["geometry-type"], name] as ["==", ["geometry-type"], string];
  return [
    {
      id: "sketch-area",
      type: "fill",
      source,
      filter: kind("Polygon"),
      paint: { "fill-color": INK, "fill-opacity": 0.12 },
    },
    {
      id: "sketch-line",
      type: "line",
      source,
      filter: ["!=", ["geometry-type"], "Point"],
      layout: { "line-join": "round", "line-cap": "round" },
      paint: { "line-color": INK, "line-width": 2.5, "line-dasharray": [2, 1.4] },
    },
    {
      id: "sketch-corner",
      type: "circle",
      source,
      filter: kind("Point"),
      paint: {
        "circle-radius": 4.5,
        "circle-color": "#ffffff",
        "circle-stroke-color": INK,
        "circle-stroke-width": 2,
      },
    },
  ];
}
