/** How layers lie upon each other, and how much of each is seen: pure functions of a style. */
import type { LayerSpecification } from "maplibre-gl";

type Expression = readonly unknown[];

const OPACITIES: Record<string, readonly string[]> = {
  fill: ["fill-opacity"],
  line: ["line-opacity"],
  circle: ["circle-opacity", "circle-stroke-opacity"],
  symbol: ["text-opacity", "icon-opacity"],
  raster: ["raster-opacity"],
  heatmap: ["heatmap-opacity"],
  "fill-extrusion": ["fill-extrusion-opacity"],
};

/** Sources of a style from the lowest to the highest: as drawn, or in the order given, newcomers on top. */
export function stacked(layers: readonly LayerSpecification[], order: readonly string[] | undefined): readonly string[] {
  const drawn = new Map<string, number>();
  layers.forEach((layer, at) => {
    if ("source" in layer && (layer.type !== "symbol" || !drawn.has(layer.source))) drawn.set(layer.source, at);
  });
  const names = [...drawn].sort(([, one], [, other]) => one - other).map(([name]) => name);
  if (!order) return names;
  const known = order.filter((name) => drawn.has(name));
  return [...known, ...names.filter((name) => !known.includes(name))];
}

/** The layers of a style in the user's order: labels stay above everything. */
export function arranged(layers: readonly LayerSpecification[], order: readonly string[] | undefined): LayerSpecification[] {
  if (!order) return [...layers];
  const place = new Map(stacked(layers, order).map((name, at) => [name, at]));
  const height = (layer: LayerSpecification) =>
    "source" in layer ? (layer.type === "symbol" ? 1e6 : 0) + (place.get(layer.source) ?? 0) : -1;
  return [...layers].sort((one, other) => height(one) - height(other)); // stable: parts of a layer keep their order
}

/** The opacities of one layer of a style, at so many per cent of what the style says. */
export function faded(layer: LayerSpecification, percent: number): [property: string, value: unknown][] {
  const paint = ("paint" in layer ? layer.paint : undefined) as Record<string, unknown> | undefined;
  return (OPACITIES[layer.type] ?? []).map((property) => {
    const said = paint?.[property];
    return [property, percent >= 100 ? said : times(said ?? 1, percent / 100)];
  });
}

/** An opacity, or an expression of one, times a factor; what hangs on the zoom has to stay outermost. */
export function times(value: unknown, factor: number): unknown {
  if (typeof value === "number") return Number((value * factor).toFixed(3));
  if (!Array.isArray(value)) return value;
  const [name] = value as Expression;
  if (name === "interpolate") return value.map((part, at) => (at > 3 && at % 2 === 0 ? times(part, factor) : part));
  if (name === "step") return value.map((part, at) => (at === 2 || (at > 2 && at % 2 === 0) ? times(part, factor) : part));
  return ["*", value, factor];
}
