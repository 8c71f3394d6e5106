/** Before and after the reform: a line to swipe, lines from old units to new, and figures on either boundaries. */
import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ReformView, Weight } from "./address";
import { type Answer, useAnswer } from "./answers";
import { EVE, LINES, OLD_WARDS, WARDS } from "./city";
import { type Aggregate, type Figure, fetchAggregate, fetchCount, root } from "./engine";
import { figure } from "./format";
import { Icon } from "./icons";
import type { Controls } from "./map";
import { tell } from "./roomwords";
import { type Overlay, type Side, cards, language, overlay, pointed, reform, shown, style, theme, title, toggle } from "./state";
import { NOTHING, choropleth, classes, colours, edge, estimated, oldBoundaries } from "./swipe";
import { say } from "./words";
import "./rooms.css";

const SIDES = ["before", "after"] as const;
const WEIGHTS = ["addresses", "population", "area"] as const satisfies readonly Weight[];
const LABELS = "ward_labels";

type Both = Record<Side, Aggregate>;

export function ReformRoom({ controls }: { controls: Signal<Controls | undefined> }) {
  const { layer, weight } = reform.value!;
  const figures = useAnswer(`reform/${layer ?? ""}/${weight ?? ""}`, () => (layer ? bothOf(layer, weight) : Promise.resolve(undefined)));
  const both = figures.state === "here" ? figures.value : undefined;
  const bounds = both ? classes(SIDES.flatMap((side) => both[side].features.map(rateOf))) : [];
  const sheet = style.value;
  useEffect(() => {
    if (sheet) overlay.value = overlays(both, bounds);
  }, [both, sheet]);
  useEffect(() => () => void (overlay.value = pointed.value = undefined), []);
  return (
    <>
      <Swipe controls={controls} />
      <section class="card measure reform" aria-labelledby="reform-title" onKeyDown={(event) => event.key === "Escape" && close()}>
        <div class="bar">
          <h2 id="reform-title">{say("reform")}</h2>
          <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={close}>
            <Icon name="close" />
          </button>
        </div>
        <div class="scroll" tabIndex={0} role="group" aria-label={say("reform")}>
          <MadeUp />
          <Choices />
          {layer && <Figures answer={figures} bounds={bounds} />}
        </div>
      </section>
    </>
  );
}

/** The map before, cut off at a line that a grip moves. */
function Swipe({ controls }: { controls: Signal<Controls | undefined> }) {
  const past = useRef<HTMLDivElement>(null);
  const ready = controls.value !== undefined && overlay.value !== undefined;
  useEffect(() => (ready && past.current ? controls.value!.before(past.current) : undefined), [ready]);
  const { at } = reform.value!;
  const line = `${edge(at, innerWidth)}px`;
  return (
    <div class="swipe">
      <div ref={past} class="past" style={{ clipPath: `inset(0 calc(100% - ${line}) 0 0)` }} />
      <div class="divide" style={{ left: line }}>
        <span>{tell("until")}</span>
        <span>{tell("since")}</span>
      </div>
      <input type="range" min="0" max="100" step="1" value={at} aria-label={tell("swipe")} onInput={(event) => set({ at: Number(event.currentTarget.value) })} />
    </div>
  );
}

function Choices() {
  const { layer, weight } = reform.value!;
  const layers = [...cards.value].filter(([, card]) => card.counted && card.listed).map(([name]) => name);
  return (
    <>
      <label class="tick">
        <input type="checkbox" checked={shown.value.has(LINES)} onChange={() => toggle(LINES)} />
        {tell("lines")}
      </label>
      <label class="field">
        {tell("countWhat")}
        <select value={layer ?? ""} onChange={(event) => choose(event.currentTarget.value)}>
          <option value="">{tell("onlyBoundaries")}</option>
          {layers.map((name) => (
            <option key={name} value={name}>
              {title(name)}
            </option>
          ))}
        </select>
      </label>
      {layer && (
        <label class="field">
          {tell("howCounted")}
          <select value={weight ?? ""} onChange={(event) => set({ weight: (event.currentTarget.value || undefined) as Weight | undefined })}>
            <option value="">{tell("byPlace")}</option>
            {WEIGHTS.map((kind) => (
              <option key={kind} value={kind}>
                {tell("estimatedBy", { weight: tell(kind) })}
              </option>
            ))}
          </select>
        </label>
      )}
    </>
  );
}

function Figures({ answer, bounds }: { answer: Answer<Both | undefined>; bounds: readonly number[] }) {
  if (answer.state === "loading") return <p class="hint" role="status">{tell("askingEngine")}</p>;
  if (answer.state !== "here") return <p class="warned" role="status">{tell(answer.state === "closed" ? "notAllowed" : "failing")}</p>;
  if (!answer.value) return null;
  return (
    <>
      <Legend bounds={bounds} hatched={reform.value!.weight !== undefined} />
      <Pointed both={answer.value} />
      <p class="hint">{tell(reform.value!.weight ? "estimateNote" : "placeNote")}</p>
      <Listed both={answer.value} />
    </>
  );
}

function Legend({ bounds, hatched }: { bounds: readonly number[]; hatched: boolean }) {
  const ramp = colours(bounds, theme.value);
  const told = (value: number) => figure(value, language.value, value < 0.1 ? 3 : value < 10 ? 2 : 0);
  return (
    <figure class="key">
      <figcaption>{tell("perKm2Legend", { layer: title(reform.value!.layer!) })}</figcaption>
      <ul>
        <li>
          <Colour of={NOTHING[theme.value]} /> 0
        </li>
        {bounds.map((bound, at) => (
          <li key={bound}>
            <Colour of={ramp[at]!} /> {at + 1 < bounds.length ? `${told(bound)} – ${told(bounds[at + 1]!)}` : `≥ ${told(bound)}`}
          </li>
        ))}
        {hatched && (
          <li>
            <svg class="swatch" viewBox="0 0 20 14" aria-hidden="true">
              <path d="M0 14 14 0M7 14 20 1M-4 10 6 0M14 14l6-6" class="hatch" />
            </svg>
            {tell("hatched")}
          </li>
        )}
      </ul>
    </figure>
  );
}

function Colour({ of }: { of: string }) {
  return (
    <svg class="swatch" viewBox="0 0 20 14" aria-hidden="true">
      <rect x="0.5" y="0.5" width="19" height="13" rx="3" fill={of} stroke="currentColor" stroke-opacity="0.3" />
    </svg>
  );
}

/** The unit under the pointer, with what it may be off by. */
function Pointed({ both }: { both: Both }) {
  const at = pointed.value;
  const unit = at && both[at.side].features.find(({ id }) => id === at.id)?.properties;
  return (
    <p class="pointed" aria-live="polite">
      {unit ? (
        <>
          <strong>{unit.name}</strong> {at.side === "before" ? tell("until") : tell("since")}: {valueOf(unit)}
        </>
      ) : (
        <span class="hint">{tell("pointAt")}</span>
      )}
    </p>
  );
}

/** Outlines that nobody surveyed are said to be so, wherever they are seen. */
function MadeUp() {
  const counted = useAnswer("made-up", () => fetchCount(OLD_WARDS, new URLSearchParams({ filter: "geometry_source = 'made up'" })));
  const n = counted.state === "here" ? counted.value : 0;
  return n > 0 ? <p class="warned">{tell("madeUp", { n })}</p> : null;
}

/** The same figures as a table, the most first. */
function Listed({ both }: { both: Both }) {
  return (
    <>
      {SIDES.map((side) => (
        <details key={side} class="choice">
          <summary>{tell(side === "before" ? "tableBefore" : "tableAfter", { n: both[side].features.length })}</summary>
          <table class="plain">
            <tbody>
              {[...both[side].features]
                .sort((one, other) => other.properties.value - one.properties.value)
                .map(({ id, properties }) => (
                  <tr key={id}>
                    <th scope="row">{properties.name}</th>
                    <td class="number">{valueOf(properties)}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </details>
      ))}
    </>
  );
}

/** `≈ 12,4 (9,8 – 13,1), ước tính 64%`, or a plain count. */
function valueOf({ value, low, high, estimated: share = 0 }: Figure): string {
  const told = (number: number) => figure(number, language.value, 1);
  if (share === 0) return told(value);
  const band = low !== undefined && high !== undefined && low !== high ? ` (${told(low)} – ${told(high)})` : "";
  return `≈ ${told(value)}${band}, ${tell("shareEstimated", { n: `${figure(share * 100, language.value, 0)}%` })}`;
}

async function bothOf(layer: string, weight: Weight | undefined): Promise<Both> {
  const asked = { by: "ward", per: "km2", ...(weight && { weight }) };
  const [before, after] = await Promise.all([fetchAggregate(layer, { ...asked, boundaries: EVE }), fetchAggregate(layer, asked)]);
  return { before, after };
}

function rateOf({ properties }: Aggregate["features"][number]): number {
  return properties.km2 ?? 0;
}

function overlays(both: Both | undefined, bounds: readonly number[]): Record<Side, Overlay> {
  const old = style.value!.sources[OLD_WARDS];
  const outlines = oldBoundaries((old && "tiles" in old && old.tiles) || [], OLD_WARDS, theme.value);
  const of = (side: Side) => (both ? drawn(both, side, bounds) : { sources: {}, layers: [] });
  const before = of("before");
  return {
    after: { ...of("after"), instead: [] },
    before: { sources: { ...before.sources, ...outlines.sources }, layers: [...before.layers, ...outlines.layers], instead: [WARDS, LABELS, OLD_WARDS] },
  };
}

function drawn(both: Both, side: Side, bounds: readonly number[]): ReturnType<typeof choropleth> {
  const { layer, weight } = reform.value!;
  const asked = new URLSearchParams({ per: "km2", ...(weight && { weight }), ...(side === "before" && { boundaries: EVE }) });
  return choropleth({
    tiles: `${root}/collections/${layer}/aggregate/tiles/WebMercatorQuad/{z}/{y}/{x}?${asked}`,
    bounds,
    theme: theme.value,
    wholly: estimated(both[side], 0.5, 2),
    partly: estimated(both[side], 1e-9, 0.5),
  });
}

function choose(layer: string): void {
  const { at } = reform.value!;
  reform.value = { at, ...(layer && { layer }) };
}

function set(change: { at?: number; weight?: Weight | undefined }): void {
  const { weight, ...view } = { ...reform.value!, ...change };
  reform.value = { ...view, ...(weight && { weight }) } as ReformView;
}

function close(): void {
  reform.value = undefined;
}
