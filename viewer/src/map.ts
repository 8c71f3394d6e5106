/** The map itself: MapLibre wired to the page's signals. Nothing else in the page touches MapLibre. */
import { effect } from "@preact/signals";
import maplibregl, { type MapGeoJSONFeature, type LayerSpecification, type Map as MapLibre, type RasterTileSource, type VectorTileSource, type StyleSpecification } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import { close, findings, show } from "./identify";
import { parameters, withParameters } from "./questions";
import { watch } from "./recovery";
import { sketchFeatures, sketchLayers } from "./sketch";
import { arranged, faded } from "./stack";
import * as state from "./state";
import { say } from "./words";

const REACH_PX = 5;
const SELECTION = "selection";
const SKETCH = "sketch";
const OWN = [SELECTION, SKETCH];
/** Room beside what is flown to, as far as panels do not cover it. */
const MARGIN_PX = 60;
const ACCENT = "#e0457b";

export interface Controls {
  zoomBy(steps: number): void;
  northUp(): void;
  home(): void;
  focus(): void;
  /** Goes to a place, or as far out as a box asks for. */
  fly(lon: number, lat: number, box?: readonly number[]): void;
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
  keepTiles(map);
  keepOpacity(map);
  keepOrder(map);
  keepSelection(map);
  keepSketch(map);
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
    fly: (lon, lat, box) => fly(map, lon, lat, box),
  };
}

function fly(map: MapLibre, lon: number, lat: number, box?: readonly number[]): void {
  const [west = lon, south = lat, east = lon, north = lat] = box ?? [];
  const small = Math.max(east - west, north - south) < 2e-4;
  const animate = !calm();
  if (small) map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 16.5), animate });
  else map.fitBounds([west, south, east, north], { padding: padding(), maxZoom: 17.5, animate });
}

/** Room for the panels that lie over the map. */
function padding(): { top: number; bottom: number; left: number; right: number } {
  const wide = innerWidth >= 768;
  const below = document.querySelector(".dock")?.clientHeight ?? 0;
  return { top: MARGIN_PX, bottom: MARGIN_PX + below, left: wide ? 380 : 30, right: wide ? 100 : 30 };
}

/** The style as the user has set it: layers that are on, and a place above them all for the selection. */
function dressed(style: StyleSpecification): StyleSpecification {
  const on = state.shown.value;
  const layers = arranged(style.layers, state.order.value).map((layer) =>
    "source" in layer
      ? {
          ...layer,
          layout: { ...layer.layout, visibility: on.has(layer.source) ? "visible" : "none" },
          paint: { ...layer.paint, ...Object.fromEntries(opacities(layer).filter(([, value]) => value !== undefined)) },
        }
      : layer,
  ) as StyleSpecification["layers"];
  const sources = {
    ...asWanted(style.sources),
    [SELECTION]: { type: "geojson", data: selection() } as const,
    [SKETCH]: { type: "geojson", data: sketchFeatures() } as const,
  };
  return { ...style, sources, layers: [...layers, ...selectionLayers(), ...sketchLayers(SKETCH)] };
}

/** The sources with the tiles that the filters ask for, and without their attributions: these change with the
 * language, and a changed source loads its tiles again. */
function asWanted(sources: StyleSpecification["sources"]): StyleSpecification["sources"] {
  return Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [
      name,
      { ...source, attribution: "", ...("tiles" in source && { tiles: tilesOf(name, source.tiles!) }) },
    ]),
  ) as StyleSpecification["sources"];
}

function tilesOf(name: string, tiles: string[]): string[] {
  return tiles.map((address) => withParameters(address, parameters(state.asked(name))));
}

function opacities(layer: LayerSpecification): [string, unknown][] {
  return "source" in layer ? faded(layer, state.opacity.value.get(layer.source) ?? 100) : [];
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
  const { value: at } = state.pin;
  const pinned: GeoJSON.Point | undefined = at && { type: "Point", coordinates: [at.lon, at.lat] };
  const found = findings.value?.found.filter(({ geometry }) => geometry) ?? [];
  const smallest = found.filter(({ layer }) => layer === found[0]?.layer).slice(0, 1);
  const shapes = [...smallest.map(({ geometry }) => geometry!), ...(pinned && smallest.length === 0 ? [pinned] : [])];
  const features = shapes.map((geometry) => ({ type: "Feature" as const, geometry, properties: {} }));
  return { type: "FeatureCollection", features };
}

function keepPlace(map: MapLibre): void {
  const note = () => {
    const { lng, lat } = map.getCenter();
    state.place.value = { zoom: map.getZoom(), lat, lon: lng };
    const bounds = map.getBounds();
    state.view.value = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
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
      if (!("source" in layer) || OWN.includes(layer.source)) continue;
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

function keepTiles(map: MapLibre): void {
  const apply = () => {
    for (const [name, wanted] of Object.entries(state.style.value?.sources ?? {})) {
      const tiles = "tiles" in wanted ? tilesOf(name, wanted.tiles!) : []; // read before the map has it: to be told again
      const source = map.getSource<VectorTileSource | RasterTileSource>(name);
      if (source?.tiles && tiles.join() !== source.tiles.join()) source.setTiles(tiles);
    }
  };
  map.once("style.load", apply);
  effect(apply);
}

function keepOpacity(map: MapLibre): void {
  let faint = new Set<string>();
  effect(() => {
    const now = new Set(state.opacity.value.keys());
    for (const layer of state.style.peek()?.layers ?? []) {
      if (!("source" in layer) || !(now.has(layer.source) || faint.has(layer.source)) || !map.getLayer(layer.id)) continue;
      opacities(layer).forEach(([property, value]) => map.setPaintProperty(layer.id, property, value));
    }
    faint = now;
  });
}

function keepOrder(map: MapLibre): void {
  let before = state.order.value;
  effect(() => {
    const order = state.order.value;
    if (order === before) return;
    before = order;
    const wanted = arranged(state.style.peek()?.layers ?? [], order).map(({ id }) => id);
    wanted.filter((id) => map.getLayer(id)).forEach((id) => map.moveLayer(id, "selection-area"));
  });
}

/** The sketch is drawn as it grows; a click, or Enter at the middle of the map, adds a point. */
function keepSketch(map: MapLibre): void {
  effect(() => {
    const features = sketchFeatures();
    map.getSource<maplibregl.GeoJSONSource>(SKETCH)?.setData(features);
  });
  effect(() => {
    const on = state.drawing.value;
    map.getCanvas().style.cursor = on ? "crosshair" : "";
    if (on) {
      close();
      map.doubleClickZoom.disable();
    } else map.doubleClickZoom.enable();
  });
  map.on("dblclick", () => (state.drawing.value = false));
}

function add(lon: number, lat: number): void {
  const sketch = state.sketch.value;
  const last = sketch?.points.at(-1);
  if (!sketch || (last && last[0] === lon && last[1] === lat)) return;
  state.sketch.value = { ...sketch, points: [...sketch.points, [lon, lat]] };
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
  map.on("click", ({ point, lngLat, originalEvent }) => {
    if (state.drawing.value) {
      if (originalEvent.detail < 2) add(lngLat.lng, lngLat.lat);
    } else show(lngLat.lng, lngLat.lat, under(map, point));
  });
  canvas.addEventListener("keydown", ({ key }) => {
    const middle = map.getCenter();
    if (key === "Enter" && state.drawing.value) add(middle.lng, middle.lat);
    else if (key === "Escape") state.drawing.value = false;
    else if (key === "Enter") show(middle.lng, middle.lat, under(map, map.project(middle)), { focus: true });
  });
  map.on("mousemove", ({ point }) => {
    if (map.isMoving() || state.drawing.value) return;
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
