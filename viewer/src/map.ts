/** The map itself: MapLibre wired to the page's signals. Nothing else in the page touches MapLibre. */
import { effect } from "@preact/signals";
import maplibregl, { type MapGeoJSONFeature, type Map as MapLibre, type StyleSpecification } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import { findings, show } from "./identify";
import { watch } from "./recovery";
import * as state from "./state";
import { say } from "./words";

const REACH_PX = 5;
const SELECTION = "selection";
const ACCENT = "#e0457b";

export interface Controls {
  zoomBy(steps: number): void;
  northUp(): void;
  home(): void;
  focus(): void;
}

/** Draws the map into the element; throws when the browser has no WebGL. */
export function draw(container: HTMLElement): Controls {
  const first = state.style.value!;
  const at = state.place.value;
  const map = new maplibregl.Map({
    container,
    style: dressed(first),
    center: at ? [at.lon, at.lat] : (first.center as [number, number]),
    zoom: at?.zoom ?? first.zoom ?? 2,
    maxZoom: 20,
    attributionControl: false,
    fadeDuration: calm() ? 0 : 200,
    dragRotate: true,
    pitchWithRotate: false,
  });
  map.touchPitch.disable();
  map.addControl(new maplibregl.ScaleControl({ maxWidth: 110 }), "bottom-left");
  keepPlace(map);
  keepLayers(map);
  keepStyle(map);
  keepSelection(map);
  answerClicks(map);
  watch(map);
  map.on("dataloading", () => (state.busy.value = true));
  map.on("idle", () => (state.busy.value = false));
  return controls(map);
}

function controls(map: MapLibre): Controls {
  const animate = !calm();
  return {
    zoomBy: (steps) => void map.zoomTo(map.getZoom() + steps, { animate }),
    northUp: () => void map.easeTo({ bearing: 0, animate }),
    home: () => {
      const { center, zoom } = state.style.value!;
      map.easeTo({ center: center as [number, number], zoom: zoom ?? 2, bearing: 0, animate });
    },
    focus: () => map.getCanvas().focus(),
  };
}

/** The style as the user has set it: layers that are on, and a place above them all for the selection. */
function dressed(style: StyleSpecification): StyleSpecification {
  const on = state.shown.value;
  const layers = style.layers.map((layer) =>
    "source" in layer
      ? { ...layer, layout: { ...layer.layout, visibility: on.has(layer.source) ? "visible" : "none" } }
      : layer,
  ) as StyleSpecification["layers"];
  const sources = { ...nameless(style.sources), [SELECTION]: { type: "geojson", data: selection() } as const };
  return { ...style, sources, layers: [...layers, ...selectionLayers()] };
}

/** The sources without their attributions: these change with the language, and a changed source loads its tiles again. */
function nameless(sources: StyleSpecification["sources"]): StyleSpecification["sources"] {
  return Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, { ...source, attribution: "" }]));
}

function selectionLayers(): StyleSpecification["layers"] {
  return [
    {
      id: "selection-area",
      type: "fill",
      source: SELECTION,
      filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-color": ACCENT, "fill-opacity": 0.04 },
    },
    {
      id: "selection-line",
      type: "line",
      source: SELECTION,
      filter: ["!=", ["geometry-type"], "Point"],
      layout: { "line-join": "round", "line-cap": "round" },
      paint: { "line-color": ACCENT, "line-width": 3 },
    },
    {
      id: "selection-point",
      type: "circle",
      source: SELECTION,
      filter: ["==", ["geometry-type"], "Point"],
      paint: {
        "circle-radius": 11,
        "circle-color": "rgba(0,0,0,0)",
        "circle-stroke-color": ACCENT,
        "circle-stroke-width": 2.5,
      },
    },
  ];
}

function selection(): GeoJSON.FeatureCollection {
  const found = findings.value?.found.filter(({ geometry }) => geometry) ?? [];
  const smallest = found.filter(({ layer }) => layer === found[0]?.layer).slice(0, 1);
  const features = smallest.map(({ geometry }) => ({ type: "Feature" as const, geometry: geometry!, properties: {} }));
  return { type: "FeatureCollection", features };
}

function keepPlace(map: MapLibre): void {
  const note = () => {
    const { lng, lat } = map.getCenter();
    state.place.value = { zoom: map.getZoom(), lat, lon: lng };
  };
  map.on("moveend", note);
  map.on("zoom", () => (state.zoom.value = map.getZoom()));
  map.on("rotate", () => (state.bearing.value = map.getBearing()));
  map.on("mousemove", ({ lngLat }) => (state.cursor.value = { lon: lngLat.lng, lat: lngLat.lat }));
  map.on("mouseout", () => (state.cursor.value = undefined));
  state.zoom.value = map.getZoom();
  note();
  effect(() => {
    const to = state.place.value;
    const { lng, lat } = map.getCenter();
    const away = to && Math.hypot(to.lon - lng, to.lat - lat) + Math.abs(to.zoom - map.getZoom()) > 1e-4;
    if (away && !map.isMoving()) map.jumpTo({ center: [to.lon, to.lat], zoom: to.zoom });
  });
}

function keepLayers(map: MapLibre): void {
  const apply = () => {
    const on = state.shown.value;
    if (!map.getLayer("background")) return;
    for (const layer of map.getStyle().layers) {
      if (!("source" in layer) || layer.source === SELECTION) continue;
      const visibility = on.has(layer.source) ? "visible" : "none";
      if (map.getLayoutProperty(layer.id, "visibility") !== visibility)
        map.setLayoutProperty(layer.id, "visibility", visibility);
    }
  };
  map.once("style.load", apply);
  effect(apply);
}

function keepStyle(map: MapLibre): void {
  let drawn = state.style.value;
  effect(() => {
    const next = state.style.value;
    map.getCanvas().setAttribute("aria-label", say("mapHint"));
    if (!next || next === drawn) return;
    drawn = next;
    map.setStyle(dressed(next), { diff: true });
  });
}

function keepSelection(map: MapLibre): void {
  effect(() => {
    const data = selection();
    const source = map.getSource<maplibregl.GeoJSONSource>(SELECTION);
    source?.setData(data);
  });
}

function answerClicks(map: MapLibre): void {
  const canvas = map.getCanvas();
  let before = findings.value;
  effect(() => {
    if (before?.focus && !findings.value) canvas.focus();
    before = findings.value;
  });
  map.on("click", ({ point, lngLat }) => show(lngLat.lng, lngLat.lat, under(map, point)));
  canvas.addEventListener("keydown", ({ key }) => {
    const middle = map.getCenter();
    if (key === "Enter") show(middle.lng, middle.lat, under(map, map.project(middle)), { focus: true });
  });
  map.on("mousemove", ({ point }) => {
    if (map.isMoving()) return;
    canvas.style.cursor = map.queryRenderedFeatures(point, { layers: pointLayers(map) }).length > 0 ? "pointer" : "";
  });
}

function pointLayers(map: MapLibre): string[] {
  const circles = state.style.value!.layers.filter(
    (layer) => layer.type === "circle" && state.shown.value.has(layer.source),
  );
  return circles.map(({ id }) => id).filter((id) => map.getLayer(id));
}

/** Features of the layers that answer clicks: points and lines within reach, areas that hold the point itself. */
function under(map: MapLibre, { x, y }: { x: number; y: number }): MapGeoJSONFeature[] {
  const box: [[number, number], [number, number]] = [
    [x - REACH_PX, y - REACH_PX],
    [x + REACH_PX, y + REACH_PX],
  ];
  const answering = ({ source }: MapGeoJSONFeature) => state.cards.value.get(source)?.clickable ?? false;
  const areal = ({ geometry }: MapGeoJSONFeature) => geometry.type === "Polygon" || geometry.type === "MultiPolygon";
  const inside = new Set(map.queryRenderedFeatures([x, y]).map(key));
  return map
    .queryRenderedFeatures(box)
    .filter((feature) => answering(feature) && (!areal(feature) || inside.has(key(feature))));
}

function key({ source, id }: MapGeoJSONFeature): string {
  return `${source}/${id}`;
}

function calm(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
