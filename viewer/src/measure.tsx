/** Measuring and selecting: lengths and areas in metres of VN-2000, and what lies in a drawn polygon, layer by layer. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { SketchMode } from "./address";
import { type Item, fetchAll, fetchCount, itemsAddress } from "./engine";
import { Icon, type IconName } from "./icons";
import { schemaOf } from "./identify";
import { parameters, withParameters } from "./questions";
import { begin, discard, undo } from "./sketch";
import { asked, cards, drawing, language, shown, sketch, style, title } from "./state";
import { areaOf, lengthOf, vn2000 } from "./vn2000";
import { type Word, say } from "./words";

const MODES = [
  ["length", "measureLength", "measure"],
  ["area", "measureArea", "ward"],
  ["count", "measureCount", "filter"],
] as const satisfies readonly (readonly [SketchMode, Word, IconName])[];
const FILES = [
  ["csv", "CSV"],
  ["xlsx", "Excel"],
  ["gpkg", "GeoPackage"],
] as const;

/** Layers to count in the polygon; undefined means those that are on. */
const wanted = signal<ReadonlySet<string> | undefined>(undefined);
/** More features than this are counted, and not summed. */
const MOST_SUMMED = 20_000;

interface Sum {
  column: string;
  title: string;
  sum: number;
}

const sums = signal<ReadonlyMap<string, readonly Sum[]>>(new Map());
const counts = signal<ReadonlyMap<string, number | "failed">>(new Map());

export function Measure() {
  const { mode, points } = sketch.value!;
  return (
    <section class="card measure" aria-label={say("measure")} onKeyDown={(event) => event.key === "Escape" && discard()}>
      <div class="bar">
        <h2>{say("measure")}</h2>
        <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={discard}>
          <Icon name="close" />
        </button>
      </div>
      <div class="tabs" role="group" aria-label={say("measure")}>
        {MODES.map(([name, word]) => (
          <button key={name} type="button" aria-pressed={mode === name} onClick={() => switchTo(name)}>
            {say(word)}
          </button>
        ))}
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label={say("measure")}>
        <Figures />
        {mode === "count" && points.length > 2 && !drawing.value && <Counts />}
        {drawing.value && <p class="hint">{say("drawHint")}</p>}
        <div class="deeds">
          <Deed word={drawing.value ? "finish" : "resume"} deed={() => (drawing.value = !drawing.value)} />
          <Deed word="undoPoint" deed={undo} off={points.length === 0} />
          <Deed word="restart" deed={() => begin(mode)} off={points.length === 0} />
        </div>
      </div>
    </section>
  );
}

function Deed({ word, deed, off = false }: { word: Word; deed: () => void; off?: boolean }) {
  return (
    <button type="button" class="deed" disabled={off} onClick={deed}>
      {say(word)}
    </button>
  );
}

/** Another measure of the same points, when there are any. */
function switchTo(mode: SketchMode): void {
  if (sketch.value!.points.length === 0) begin(mode);
  else sketch.value = { ...sketch.value!, mode };
}

function Figures() {
  const { mode, points } = sketch.value!;
  const [east, north] = points.length > 0 ? vn2000(points.at(-1)!) : [];
  const ring = points.length > 2 ? [...points, points[0]!] : points;
  return (
    <>
      <dl class="figures" aria-live="polite">
        {mode === "length" ? (
          <Figure term="measureLength" text={metres(lengthOf(points))} big />
        ) : (
          <>
            <Figure term="measureArea" text={squared(points.length > 2 ? areaOf(points) : 0)} big />
            <Figure term="perimeter" text={metres(lengthOf(ring))} />
          </>
        )}
        {east !== undefined && north !== undefined && (
          <Figure term="lastPoint" text={`${number(east, 2)} Đ; ${number(north, 2)} B`.replace(/[ĐB]/g, (at) => compass(at))} />
        )}
      </dl>
      <p class="hint">{say("grid")}</p>
    </>
  );
}

function compass(at: string): string {
  return language.value === "vi" ? at : at === "B" ? "N" : "E";
}

function Figure({ term, text, big = false }: { term: Word; text: string; big?: boolean }) {
  return (
    <div class={big ? "big" : ""}>
      <dt>{say(term)}</dt>
      <dd>{text}</dd>
    </div>
  );
}

function Counts() {
  const chosen = chosenLayers();
  const { points } = sketch.value!;
  useEffect(() => counted(chosen), [points, chosen.join()]);
  return (
    <>
      <ul class="counts">
        {chosen.map((name) => (
          <li key={name} data-count={name}>
            <span class="name">{title(name)}</span>
            <strong>{told(counts.value.get(name))}</strong>
            <Sums name={name} />
            <span class="files">
              {FILES.map(([form, words]) => (
                <a key={form} href={fileOf(name, form)} download={`${name}.${form}`} aria-label={`${title(name)}: ${words}`}>
                  {words}
                </a>
              ))}
            </span>
          </li>
        ))}
      </ul>
      <details class="choice">
        <summary>{say("chooseLayers")}</summary>
        {countable().map((name) => (
          <label class="tick" key={name}>
            <input type="checkbox" checked={chosen.includes(name)} onChange={() => flip(name)} />
            {title(name)}
          </label>
        ))}
      </details>
    </>
  );
}

/** Sums of what adds up, when the features are not too many to be fetched. */
function Sums({ name }: { name: string }) {
  const found = sums.value.get(name);
  if (!found || found.length === 0) return null;
  return (
    <span class="sums">
      {found.map(({ column, title: words, sum }) => (
        <span key={column} data-sum={column}>
          {words}: {number(sum, 1)}
        </span>
      ))}
    </span>
  );
}

/** Vector layers of the list. */
function countable(): string[] {
  return [...cards.value].filter(([name, card]) => card.listed && style.value?.sources[name]?.type === "vector").map(([name]) => name);
}

function chosenLayers(): string[] {
  return countable().filter((name) => (wanted.value ?? shown.value).has(name));
}

function flip(name: string): void {
  const next = new Set(chosenLayers());
  if (!next.delete(name)) next.add(name);
  wanted.value = next;
}

function inside(name: string): URLSearchParams {
  return parameters({ ...asked(name), ring: sketch.value!.points });
}

function fileOf(name: string, form: string): string {
  return withParameters(`${itemsAddress(name)}?f=${form}&lang=${language.value}`, inside(name));
}

/** Counts what meets the polygon in each layer; gives how to stop. */
function counted(names: readonly string[]): () => void {
  const asking = new AbortController();
  counts.value = new Map();
  sums.value = new Map();
  for (const name of names) {
    fetchCount(name, inside(name), asking.signal).then(
      (n) => {
        counts.value = new Map(counts.value).set(name, n);
        if (n > 0 && n <= MOST_SUMMED) void summed(name, asking.signal);
      },
      () => asking.signal.aborted || (counts.value = new Map(counts.value).set(name, "failed")),
    );
  }
  return () => asking.abort();
}

/** Adds up the columns that add up; a layer whose rows do not come has its count alone. */
async function summed(name: string, signal: AbortSignal): Promise<void> {
  const columns = cards.value.get(name)?.sums ?? [];
  if (columns.length === 0) return;
  try {
    const asked = inside(name);
    asked.set("properties", columns.join(","));
    const [rows, schema] = await Promise.all([fetchAll(withParameters(`collections/${name}/items?f=json&limit=5000`, asked), signal), schemaOf(name)]);
    const made = columns.map((column) => ({ column, title: schema.properties[column]?.title ?? column, sum: total(rows, column) }));
    sums.value = new Map(sums.value).set(name, made);
  } catch {
    // the count stands
  }
}

function total(rows: readonly Item[], column: string): number {
  return rows.reduce((sum, { properties }) => sum + (Number(properties[column]) || 0), 0);
}

function told(count: number | "failed" | undefined): string {
  return count === undefined ? "…" : count === "failed" ? "–" : number(count, 0);
}

function metres(length: number): string {
  return length >= 10_000 ? `${number(length / 1000, 3)} km` : `${number(length, 2)} m`;
}

function squared(area: number): string {
  const exact = `${number(area, area >= 10_000 ? 0 : 1)} m²`;
  return area < 10_000 ? exact : `${exact} = ${area >= 1e6 ? `${number(area / 1e6, 3)} km²` : `${number(area / 1e4, 3)} ha`}`;
}

function number(value: number, digits: number): string {
  return value.toLocaleString(language.value === "vi" ? "vi-VN" : "en-GB", { maximumFractionDigits: digits });
}
