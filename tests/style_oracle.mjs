// What the reference implementation of the style specification makes of a style: JSON on standard input and output.
// In: {layers: {name: {parts, features}}, zooms, wanted}. Out: by name, for each part, zoom and feature, the values of
// `wanted`, or null where it is not drawn.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const spec = createRequire(new URL("../viewer/package.json", import.meta.url))("@maplibre/maplibre-gl-style-spec");
const { layers, zooms, wanted } = JSON.parse(readFileSync(0, "utf8"));

function value(part, name, zoom, feature) {
  const [group, given] = name in (part.paint ?? {}) ? ["paint", part.paint[name]] : ["layout", (part.layout ?? {})[name]];
  if (given === undefined) return undefined;
  const made = spec.createPropertyExpression(given, spec.latest[`${group}_${part.type}`][name]);
  if (made.result !== "success") throw new Error(`${part.id} ${name}: ${JSON.stringify(made.value)}`);
  const found = made.value.evaluate({ zoom }, feature);
  return found?.toString ? found.toString() : found;
}

const drawn = ({ parts, features }) => parts.map((part) => zooms.map((zoom) => features.map((properties) => {
  const feature = { type: 1, properties, geometry: [] };
  const seen = (part.minzoom ?? 0) <= zoom && zoom < (part.maxzoom ?? 24);
  if (!seen || !spec.featureFilter(part.filter).filter({ zoom }, feature)) return null;
  return Object.fromEntries(wanted.filter((name) => spec.latest[`paint_${part.type}`][name]).map((name) => [name, value(part, name, zoom, feature)]));
})));
console.log(JSON.stringify(Object.fromEntries(Object.entries(layers).map(([name, layer]) => [name, drawn(layer)]))));
