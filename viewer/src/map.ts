/** The map itself: MapLibre wired to the page's signals. Nothing else in the page touches MapLibre. */
import { effect } from "@preact/signals";
import maplibregl, { type MapGeoJSONFeature, type LayerSpecification, type Map as MapLibre, type RasterTileSource, type VectorTileSource, type StyleSpecification } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import { root } from "./engine";
import { close, findings, show } from "./identify";
import { credentials } from "./key";
import { parameters, withParameters } from "./questions";
import { watch } from "./recovery";
import { BOUNDARIES, FIGURES, HATCH, edge } from "./swipe";
import { sketchFeatures, sketchLayers } from "./sketch";
import { arranged, faded } from "./stack";
import * as state from "./state";
import { say } from "./words";

const REACH_PX = 5;
const SELECTION = "selection";
const SKETCH = "sketch";
const OWN = [SELECTION, SKETCH, FIGURES, BOUNDARIES];
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
  /** What the map shows now, as a picture. */
  picture(): Promise<HTMLCanvasElement>;
  /** Draws what was before the reform into the element, and keeps it at the place of this map; gives how to end it. */
  before(container: HTMLElement): () => void;
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
    transformRequest,
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
    picture: () => picture(map),
    before: (container) => before(map, container),
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

/** A copy taken while a frame stands: WebGL forgets it afterwards. */
function picture(map: MapLibre): Promise<HTMLCanvasElement> {
  return new Promise((done) => {
    map.once("render", () => {
      const [drawn, copy] = [map.getCanvas(), document.createElement("canvas")];
      [copy.width, copy.height] = [drawn.width, drawn.height];
      copy.getContext("2d")!.drawImage(drawn, 0, 0);
      done(copy);
    });
    map.triggerRepaint();
  });
}

/** A second map that shows the side before the reform; it follows this one, and takes no events of its own. */
function before(map: MapLibre, container: HTMLElement): () => void {
  const place = () => ({ center: map.getCenter(), zoom: map.getZoom(), bearing: map.getBearing() });
  const past = new maplibregl.Map({
    container,
    style: dressed(state.style.value!, "before"),
    ...place(),
    interactive: false,
    attributionControl: false,
    fadeDuration: 0,
    transformRequest,
  });
  past.getCanvas().removeAttribute("tabindex");
  past.getCanvas().setAttribute("aria-hidden", "true");
  past.on("styleimagemissing", () => hatch(past));
  const follow = () => void past.jumpTo(place());
  map.on("move", follow);
  const restyle = restyled(past);
  let drawn = state.overlay.peek();
  const stop = effect(() => {
    const [style, overlay] = [state.style.value, state.overlay.value];
    if (style && overlay && overlay !== drawn) restyle(dressed(style, "before"));
    drawn = overlay;
  });
  other = past;
  return () => {
    stop();
    map.off("move", follow);
    other = undefined;
    past.remove();
  };
}

/** The map of the other side, while there is one. */
let other: MapLibre | undefined;

/** The map that shows a place of the screen, and which side it is. */
function shownAt(map: MapLibre, x: number): { map: MapLibre; side: state.Side } {
  const past = other && state.reform.value && x < edge(state.reform.value.at, map.getContainer().clientWidth);
  return past ? { map: other!, side: "before" } : { map, side: "after" };
}

/** Sets styles by their difference, once there is a style to differ from. */
function restyled(map: MapLibre): (style: StyleSpecification) => void {
  let loaded = false;
  map.once("style.load", () => (loaded = true));
  return (style) => void map.setStyle(style, { diff: loaded });
}

/** Diagonal lines: what was estimated. */
function hatch(map: MapLibre): void {
  const size = 8;
  const data = new Uint8Array(size * size * 4);
  for (let at = 0; at < size * size; at++) {
    const on = ((at % size) + Math.floor(at / size)) % size < 2;
    data.set(on ? [40, 30, 60, 150] : [0, 0, 0, 0], at * 4);
  }
  if (!map.hasImage(HATCH)) map.addImage(HATCH, { width: size, height: size, data });
}

function transformRequest(url: string): { url: string; headers: Record<string, string> } {
  return { url, headers: url.startsWith(`${root}/`) ? credentials() : {} };
}

/** The style as the user has set it: layers that are on, and a place above them all for the selection. */
function dressed(style: StyleSpecification, side: state.Side = "after"): StyleSpecification {
  const on = state.shown.value;
  const overlay = state.overlay.value?.[side];
  const replaced = (layer: LayerSpecification) =>
    "source" in layer && layer.type !== "fill" && (overlay?.instead.includes(layer.source as string) ?? false);
  const styled = arranged(style.layers, state.order.value).filter((layer) => !replaced(layer));
  const layers = styled.map((layer) =>
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
    ...overlay?.sources,
    [SELECTION]: { type: "geojson", data: selection() } as const,
    [SKETCH]: { type: "geojson", data: sketchFeatures() } as const,
  };
  return { ...style, sources, layers: [...between(layers, overlay?.layers ?? []), ...selectionLayers(), ...sketchLayers(SKETCH)] };
}

/** Areas of the overlay below the first line of the style, everything else of it on top. */
function between(layers: readonly LayerSpecification[], added: readonly LayerSpecification[]): LayerSpecification[] {
  const line = layers.findIndex(({ type }) => type === "line");
  const at = line < 0 ? layers.length : line;
  const areas = added.filter(({ type }) => type === "fill");
  return [...layers.slice(0, at), ...areas, ...layers.slice(at), ...added.filter(({ type }) => type !== "fill")];
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
  const restyle = restyled(map);
  let [drawn, laid] = [state.style.value, state.overlay.value];
  map.on("styleimagemissing", () => hatch(map));
  effect(() => {
    const [next, overlay] = [state.style.value, state.overlay.value];
    map.getCanvas().setAttribute("aria-label", say("mapHint"));
    if (!next || (next === drawn && overlay === laid)) return;
    [drawn, laid] = [next, overlay];
    restyle(dressed(next));
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
    } else show(lngLat.lng, lngLat.lat, under(shownAt(map, point.x).map, point));
  });
  canvas.addEventListener("keydown", ({ key }) => {
    const middle = map.getCenter();
    if (key === "Enter" && state.drawing.value) add(middle.lng, middle.lat);
    else if (key === "Escape") state.drawing.value = false;
    else if (key === "Enter") show(middle.lng, middle.lat, under(map, map.project(middle)), { focus: true });
  });
  map.on("mousemove", ({ point }) => {
    if (map.isMoving() || state.drawing.value) return;
    if (state.overlay.value) state.pointed.value = figureAt(map, point);
    canvas.style.cursor = map.queryRenderedFeatures(point, { layers: pointLayers(map) }).length > 0 ? "pointer" : "";
  });
}

/** The unit with a figure at a place of the screen, on the side that is shown there. */
function figureAt(map: MapLibre, point: { x: number; y: number }): { side: state.Side; id: number } | undefined {
  const { map: there, side } = shownAt(map, point.x);
  if (!there.getLayer(FIGURES)) return undefined;
  const [found] = there.queryRenderedFeatures([point.x, point.y], { layers: [FIGURES] });
  return found && { side, id: Number(found.id) };
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
