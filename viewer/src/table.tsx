/** A layer as a table below the map: rows come as one scrolls, sorted and filtered by the engine; a row leads to its place. */
import { type Signal, batch, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Item, type Property, fetchCount, fetchPage, itemsAddress } from "./engine";
import { format, unit } from "./format";
import { Icon } from "./icons";
import { schemaOf, showItem } from "./identify";
import type { Controls } from "./map";
import { parameters, withParameters } from "./questions";
import { asked, cards, connecting, filters, language, style, table, title, view } from "./state";
import { say } from "./words";

const PAGE = 100;
/** Outlines of areas are heavy: fewer of them at a time. */
const PAGE_OF_AREAS = 25;
const ROW_PX = 34;
const SPARE_ROWS = 12;
export const FILES = [
  ["csv", "CSV"],
  ["xlsx", "Excel (XLSX)"],
  ["gpkg", "GeoPackage"],
  ["geojsonseq", "GeoJSONSeq"],
  ["parquet", "GeoParquet"],
  ["fgb", "FlatGeobuf"],
  ["shp", "Shapefile"],
] as const;

const schema = signal<Record<string, Property>>({});
const rows = signal<readonly Item[]>([]);
const total = signal<number | undefined>(undefined);
const next = signal<string | undefined>(undefined);
const state = signal<"loading" | "idle" | "failed">("loading");
const first = signal(0);
const height = signal(400);
const picked = signal<string | number | undefined>(undefined);
let asking: AbortController | undefined;

export function Table({ controls }: { controls: Signal<Controls | undefined> }) {
  const { layer, sort, inView } = table.value!;
  const scroll = useRef<HTMLDivElement>(null);
  const question = questionNow();
  useEffect(() => {
    void schemaOf(layer).then(({ properties }) => (schema.value = properties));
  }, [layer, language.value]);
  useEffect(() => {
    scroll.current?.scrollTo({ top: 0 });
    void begin(layer, question, sort);
    return () => asking?.abort();
  }, [layer, question, sort]);
  return (
    <section class="card dock" aria-label={`${say("openTable")}: ${title(layer)}`} onKeyDown={(event) => event.key === "Escape" && close()}>
      <div class="bar">
        <h2>
          {title(layer)} <span class="place">{total.value !== undefined && say("features", { n: grouped(total.value) })}</span>
        </h2>
        {filters.value.has(layer) && (
          <span class="chip wordy">
            <Icon name="filter" />
            {say("filtered")}
          </span>
        )}
        <label class="tick">
          <input type="checkbox" checked={inView ?? false} onChange={() => (table.value = { ...table.value!, inView: !inView })} />
          {say("inView")}
        </label>
        <Export layer={layer} question={question} sort={sort} />
        <button type="button" class="icon" aria-label={say("connect")} title={say("connect")} onClick={() => (connecting.value = layer)}>
          <Icon name="link" />
        </button>
        <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <div ref={scroll} class="scroll rows" tabIndex={0} role="group" aria-label={title(layer)} onScroll={(event) => scrolled(event.currentTarget)}>
        <Rows layer={layer} sort={sort} controls={controls} />
      </div>
    </section>
  );
}

function Rows({ layer, sort, controls }: { layer: string; sort: string | undefined; controls: Signal<Controls | undefined> }) {
  const columns = columnsOf(schema.value, cards.value.get(layer)?.name);
  const from = Math.max(0, first.value - SPARE_ROWS);
  const to = Math.min(rows.value.length, first.value + Math.ceil(height.value / ROW_PX) + SPARE_ROWS);
  return (
    <>
      <table aria-rowcount={total.value ?? -1}>
        <thead>
          <tr>
            {columns.map(([name, property]) => (
              <Heading key={name} name={name} property={property} sort={sort} />
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap rows={from} />
          {rows.value.slice(from, to).map((item, place) => (
            <Row key={item.id} item={item} place={from + place} columns={columns} layer={layer} controls={controls} />
          ))}
          <Gap rows={rows.value.length - to} />
        </tbody>
      </table>
      <p class="hint" role="status">
        {state.value === "loading" && say("searching")}
        {state.value === "failed" && say("tableFailed")}
        {state.value === "idle" && rows.value.length === 0 && say("emptyTable")}
      </p>
    </>
  );
}

function Gap({ rows }: { rows: number }) {
  return rows > 0 ? <tr class="gap" aria-hidden="true" style={{ height: `${rows * ROW_PX}px` }} /> : null;
}

function Heading({ name, property, sort }: { name: string; property: Property; sort: string | undefined }) {
  const way = sort === name ? "ascending" : sort === `-${name}` ? "descending" : "none";
  const following = { none: name, ascending: `-${name}`, descending: undefined }[way];
  const words = [property.title ?? name, unit(property, language.value)].filter(Boolean).join(", ");
  return (
    <th scope="col" aria-sort={way} class={numeric(property) ? "number" : ""}>
      <button type="button" title={say("sortBy", { column: words })} onClick={() => sortBy(following)}>
        {words}
        <span aria-hidden="true">{{ none: "", ascending: " ▲", descending: " ▼" }[way]}</span>
      </button>
    </th>
  );
}

interface RowProps {
  item: Item;
  place: number;
  columns: [string, Property][];
  layer: string;
  controls: Signal<Controls | undefined>;
}

function Row({ item, place, columns, layer, controls }: RowProps) {
  const go = () => visit(layer, item, controls.value);
  const name = String(item.properties[cards.value.get(layer)?.name ?? ""] ?? item.id);
  return (
    <tr aria-rowindex={place + 2} class={picked.value === item.id ? "picked" : ""} onClick={go}>
      {columns.map(([column, property], at) => {
        const text = format(item.properties[column], { ...property, "x-ogc-unit": "1" }, language.value, say("yes"), say("no"));
        return (
          <td key={column} class={numeric(property) ? "number" : ""} title={text}>
            {at === 0 ? (
              <button type="button" title={say("goTo", { name })} onClick={go}>
                {text ?? name}
              </button>
            ) : (
              text
            )}
          </td>
        );
      })}
    </tr>
  );
}

interface ExportProps {
  layer: string;
  question: string;
  sort: string | undefined;
}

function Export({ layer, question, sort }: ExportProps) {
  const wanted = new URLSearchParams(question);
  if (sort) wanted.set("sortby", sort);
  wanted.set("lang", language.value);
  return (
    <details class="menu" onFocusOut={(event) => !event.currentTarget.contains(event.relatedTarget as Node | null) && (event.currentTarget.open = false)}>
      <summary class="deed">
        <Icon name="download" />
        {say("export")}
      </summary>
      <div class="card">
        <p class="hint">{say("exportHint")}</p>
        {FILES.map(([form, words]) => (
          <a key={form} href={withParameters(`${itemsAddress(layer)}?f=${form}`, wanted)} download={`${layer}.${form}`}>
            {words}
          </a>
        ))}
      </div>
    </details>
  );
}

/** What the table asks now, as text, so that it is asked again only when that changes. */
function questionNow(): string {
  const { layer, inView } = table.value!;
  return parameters({ ...asked(layer), bbox: inView ? view.value : undefined }).toString();
}

async function begin(layer: string, question: string, sort: string | undefined): Promise<void> {
  const wanted = new URLSearchParams(question);
  asking?.abort();
  asking = new AbortController();
  const { signal: stop } = asking;
  batch(() => {
    [rows.value, next.value, first.value, total.value] = [[], undefined, 0, undefined];
  });
  fetchCount(layer, wanted, stop).then(
    (n) => (total.value = n),
    () => undefined,
  );
  if (sort) wanted.set("sortby", sort);
  await more(withParameters(`collections/${layer}/items?f=json&limit=${pageOf(layer)}`, wanted), stop);
}

async function more(path: string, stop: AbortSignal): Promise<void> {
  state.value = "loading";
  next.value = undefined;
  try {
    const page = await fetchPage(path, stop);
    const onward = page.links.find(({ rel }) => rel === "next");
    batch(() => {
      rows.value = [...rows.value, ...page.features];
      next.value = onward && `${path.split("?")[0]}${new URL(onward.href).search}`;
      state.value = "idle";
    });
  } catch {
    if (!stop.aborted) state.value = "failed";
  }
}

function scrolled({ scrollTop, clientHeight }: HTMLElement): void {
  first.value = Math.floor(scrollTop / ROW_PX);
  height.value = clientHeight;
  const near = (rows.value.length - first.value) * ROW_PX < 2 * clientHeight;
  if (near && next.value && state.value === "idle" && asking) void more(next.value, asking.signal);
}

function visit(layer: string, item: Item, controls: Controls | undefined): void {
  picked.value = item.id;
  const box = item.geometry && boxOf(item.geometry);
  if (!box || item.id === undefined) return;
  const [lon, lat] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  controls?.fly(lon, lat, box);
  showItem(layer, item.id, lon, lat);
}

function close(): void {
  table.value = undefined;
}

function sortBy(column: string | undefined): void {
  const { sort: _, ...rest } = table.value!;
  table.value = { ...rest, ...(column && { sort: column }) };
}

/** The name first, then every other column that a cell can hold. */
function columnsOf(properties: Record<string, Property>, name: string | null | undefined): [string, Property][] {
  const all = Object.entries(properties).filter(
    ([, property]) => !property.format?.startsWith("geometry-") && property["x-ogc-role"] !== "id" && property.type !== "array",
  );
  return all.sort(([one], [other]) => Number(other === name) - Number(one === name));
}

function numeric(property: Property): boolean {
  return property.type === "integer" || property.type === "number";
}

function pageOf(layer: string): number {
  const areal = style.value?.layers.some((part) => "source" in part && part.source === layer && part.type === "fill");
  return areal ? PAGE_OF_AREAS : PAGE;
}

function grouped(n: number): string {
  return n.toLocaleString(language.value === "vi" ? "vi-VN" : "en-GB");
}

type Box = [west: number, south: number, east: number, north: number];

function boxOf(geometry: GeoJSON.Geometry): Box | undefined {
  const box: Box = [Infinity, Infinity, -Infinity, -Infinity];
  const walk = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    if (typeof part[0] !== "number") part.forEach(walk);
    else {
      const [lon, lat] = part as [number, number];
      [box[0], box[1], box[2], box[3]] = [Math.min(box[0], lon), Math.min(box[1], lat), Math.max(box[2], lon), Math.max(box[3], lat)];
    }
  };
  if ("coordinates" in geometry) walk(geometry.coordinates);
  return Number.isFinite(box[0]) ? box : undefined;
}
