/** The time slider: a window of days that every layer with a time is shown of, moved by hand or by itself. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Period } from "./address";
import { day } from "./format";
import { Icon } from "./icons";
import { busy, language, period, span, timeOpen, timed, title } from "./state";
import { type Word, say } from "./words";

const DAY_MS = 86_400_000;
const STEP_MS = 900;
const WINDOWS = [
  ["day", 1],
  ["week", 7],
  ["month", 30],
  ["quarter", 91],
  ["year", 365],
] as const satisfies readonly (readonly [Word, number])[];

const playing = signal(false);

export function TimeBar() {
  const whole = reach();
  useEffect(() => (playing.value ? play() : undefined), [playing.value]);
  const now = period.value ?? whole;
  const length = days(now) + 1;
  const most = Math.max(0, days(whole) + 1 - length);
  return (
    <section class="card timebar" aria-label={say("time")} onKeyDown={(event) => event.key === "Escape" && close()}>
      <div class="bar">
        <h2>{say("timeOf", { layers: timed.value.map(title).join(", ") })}</h2>
        <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <div class="moments">
        <button type="button" class="icon" aria-label={say(playing.value ? "pause" : "play")} title={say(playing.value ? "pause" : "play")} onClick={() => start(now, whole)}>
          <Icon name={playing.value ? "pause" : "play"} />
        </button>
        <input
          type="range"
          min={0}
          max={most}
          step={1}
          disabled={most === 0}
          value={daysBetween(whole.from, now.from)}
          aria-label={say("startOfWindow")}
          aria-valuetext={told(now)}
          onInput={(event) => (period.value = moved(whole.from, Number(event.currentTarget.value), length))}
        />
        <select aria-label={say("window")} value={sizeOf(length)} onChange={(event) => resize(Number(event.currentTarget.value), now, whole)}>
          <option value={0}>{say("allTime")}</option>
          {WINDOWS.map(([word, size]) => (
            <option key={word} value={size}>
              {say(word)}
            </option>
          ))}
          {sizeOf(length) === length && !WINDOWS.some(([, size]) => size === length) && <option value={length}>{`${length} ${language.value === "vi" ? "ngày" : "days"}`}</option>}
        </select>
      </div>
      <div class="ends">
        <Day end="from" now={now} whole={whole} />
        <Day end="to" now={now} whole={whole} />
      </div>
    </section>
  );
}

function Day({ end, now, whole }: { end: "from" | "to"; now: Period; whole: Period }) {
  const change = (value: string) => {
    const next = { ...now, [end]: value };
    if (value && next.from <= next.to) period.value = next;
  };
  return (
    <label>
      {say(end)}
      <input type="date" value={now[end]} min={whole.from} max={whole.to} onChange={(event) => change(event.currentTarget.value)} />
    </label>
  );
}

/** First and last day of all layers that are on and have a time. */
function reach(): Period {
  const spans = timed.value.map((name) => span(name)!);
  const today = new Date().toISOString().slice(0, 10);
  if (spans.length === 0) return period.value ?? { from: today, to: today };
  return {
    from: spans.map(({ from }) => from).reduce((one, other) => (one < other ? one : other)),
    to: spans.map(({ to }) => to).reduce((one, other) => (one > other ? one : other)),
  };
}

/** Moves the window on while the map keeps up; at the end it begins again. Gives how to stop. */
function play(): () => void {
  const timer = setInterval(() => {
    const now = period.value;
    if (busy.value || !now) return;
    const whole = reach();
    const length = days(now) + 1;
    const from = daysBetween(whole.from, now.from) + length;
    period.value = moved(whole.from, from + length > days(whole) + 1 ? 0 : from, length);
  }, STEP_MS);
  return () => clearInterval(timer);
}

/** Starts or stops; without a window of its own the slider takes a month at a time. */
function start(now: Period, whole: Period): void {
  if (!period.value) {
    resize(30, now, whole);
    period.value = moved(whole.from, 0, 30);
  }
  playing.value = !playing.value;
}

function resize(size: number, now: Period, whole: Period): void {
  if (size === 0) {
    period.value = undefined;
    playing.value = false;
    return;
  }
  const last = Math.max(0, days(whole) + 1 - size);
  const from = period.value ? Math.min(daysBetween(whole.from, now.from), last) : last;
  period.value = moved(whole.from, from, size);
}

function close(): void {
  [timeOpen.value, playing.value, period.value] = [false, false, undefined];
}

function moved(start: string, offset: number, length: number): Period {
  return { from: later(start, offset), to: later(start, offset + length - 1) };
}

function later(from: string, count: number): string {
  return new Date(Date.parse(from) + count * DAY_MS).toISOString().slice(0, 10);
}

function days({ from, to }: Period): number {
  return daysBetween(from, to);
}

function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);
}

function sizeOf(length: number): number {
  return period.value ? length : 0;
}

function told({ from, to }: Period): string {
  const [first, last] = [from, to].map((at) => day(`${at}T12:00:00+07:00`, language.value));
  return first === last ? first! : `${first} – ${last}`;
}
