/** The search box: one line for wards, streets, places, addresses and coordinates; a list one walks with the arrows. */
import { type Signal, batch, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Hit, fetchHits, fetchPage } from "./engine";
import { Icon, type IconName } from "./icons";
import { findings, showItem } from "./identify";
import type { Controls } from "./map";
import { cards, language, pin } from "./state";
import { say } from "./words";

const PAUSE_MS = 160;
const SIGNS: Record<Hit["properties"]["kind"], IconName> = {
  coordinates: "pin",
  unit: "ward",
  address: "house",
  feature: "pin",
};

interface Answer {
  text: string;
  hits: readonly Hit[];
  state: "whole" | "away";
}

const text = signal("");
const answer = signal<Answer | undefined>(undefined);
const open = signal(false);
const active = signal(0);
let asking: AbortController | undefined;
let waiting: ReturnType<typeof setTimeout>;

export function SearchBox({ controls }: { controls: Signal<Controls | undefined> }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => slash(() => input.current?.focus()), []);
  const list = open.value && answer.value && text.value.trim() !== "" ? answer.value : undefined;
  const choose = (hit: Hit | undefined) => hit && go(hit, controls.value);
  return (
    <div class="find" onFocusOut={(event) => leaves(event) && (open.value = false)}>
      <Icon name="search" />
      <input
        ref={input}
        type="text"
        role="combobox"
        enterkeyhint="search"
        autocomplete="off"
        spellcheck={false}
        placeholder={say("search")}
        aria-label={say("searchLabel")}
        aria-expanded={list !== undefined && list.hits.length > 0}
        aria-controls="found"
        aria-autocomplete="list"
        {...(list?.hits[active.value] && { "aria-activedescendant": `found-${active.value}` })}
        value={text.value}
        onFocus={() => (open.value = true)}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => press(event, choose)}
      />
      {text.value && (
        <button type="button" class="icon small" aria-label={say("clear")} title={say("clear")} onClick={() => (clear(), input.current?.focus())}>
          <Icon name="close" />
        </button>
      )}
      {list && <Hits answer={list} choose={choose} />}
    </div>
  );
}

function Hits({ answer: { text: asked, hits, state }, choose }: { answer: Answer; choose: (hit: Hit) => void }) {
  if (hits.length === 0) {
    return (
      <p class="found card hint" role="status">
        {state === "away" ? say("searchAway") : say("noHit", { text: asked })}
      </p>
    );
  }
  return (
    <>
      <ul id="found" class="found card scroll" role="listbox" aria-label={say("searchLabel")}>
        {hits.map((hit, place) => (
          <li
            key={place}
            id={`found-${place}`}
            role="option"
            aria-selected={place === active.value}
            onPointerDown={(event) => event.preventDefault()}
            onPointerMove={() => (active.value = place)}
            onClick={() => choose(hit)}
          >
            <Icon name={sign(hit)} />
            <span class="name">{hit.properties.title}</span>
            <span class="of">{hit.properties.detail}</span>
          </li>
        ))}
      </ul>
      <p class="unseen" role="status">
        {say("hits", { n: hits.length })}
      </p>
    </>
  );
}

function sign({ properties: { kind, layer } }: Hit): IconName {
  if (layer === "wards") return "ward";
  return cards.value.get(layer ?? "")?.legend[0]?.shape === "line" ? "road" : SIGNS[kind];
}

function type(typed: string): void {
  [text.value, open.value] = [typed, true];
  clearTimeout(waiting);
  waiting = setTimeout(() => void ask(typed.trim()), PAUSE_MS);
}

async function ask(wanted: string): Promise<void> {
  asking?.abort();
  asking = new AbortController();
  if (!wanted) {
    answer.value = undefined;
    return;
  }
  try {
    const hits = await fetchHits(wanted, language.value, asking.signal);
    batch(() => {
      answer.value = { text: wanted, hits, state: "whole" };
      active.value = 0;
    });
  } catch (error) {
    if ((error as Error).name !== "AbortError") answer.value = { text: wanted, hits: [], state: "away" };
  }
}

function press(event: KeyboardEvent, choose: (hit: Hit | undefined) => void): void {
  const hits = answer.value?.hits ?? [];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step !== undefined && hits.length > 0) {
    open.value = true;
    active.value = (active.value + step + hits.length) % hits.length;
    document.getElementById(`found-${active.value}`)?.scrollIntoView({ block: "nearest" });
    event.preventDefault();
  } else if (event.key === "Enter") void atOnce().then(() => choose(answer.value?.hits[active.value]));
  else if (event.key === "Escape") {
    if (open.value && hits.length > 0) open.value = false;
    else clear();
  }
}

/** The answer to what stands in the box now, for those who type faster than it comes. */
async function atOnce(): Promise<void> {
  clearTimeout(waiting);
  const wanted = text.value.trim();
  if (answer.value?.text !== wanted) await ask(wanted);
}

function clear(): void {
  [text.value, answer.value, pin.value] = ["", undefined, undefined];
}

function go(hit: Hit, controls: Controls | undefined): void {
  const [lon = 0, lat = 0] = hit.geometry.coordinates;
  const { layer, feature, code, title } = hit.properties;
  batch(() => {
    [text.value, open.value, pin.value, findings.value] = [title, false, { lon, lat }, undefined];
  });
  answer.value = undefined;
  controls?.fly(lon, lat, hit.bbox);
  if (layer && feature !== null) showItem(layer, feature, lon, lat);
  else if (layer && code) void showByCode(layer, code, lon, lat);
}

async function showByCode(layer: string, code: string, lon: number, lat: number): Promise<void> {
  const { features } = await fetchPage(`collections/${layer}/items?f=json&limit=1&code=${encodeURIComponent(code)}`);
  const id = features[0]?.id;
  if (id !== undefined) showItem(layer, id, lon, lat);
}

function leaves(event: FocusEvent): boolean {
  return !(event.currentTarget as HTMLElement).contains(event.relatedTarget as Node | null);
}

/** A slash anywhere but in a field goes to the box. */
function slash(focus: () => void): () => void {
  const press = (event: KeyboardEvent) => {
    if (event.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test((event.target as HTMLElement).tagName)) return;
    event.preventDefault();
    focus();
  };
  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}
