/** The layer list: by theme with a search that needs no accents, or in the order of drawing; what is on, its legend. */
import { signal } from "@preact/signals";
import type { LayerCard, Swatch } from "./engine";
import { plain } from "./format";
import { Icon } from "./icons";
import { later } from "./later";
import { broken, cards, filters, move, opacity, shown, stack, style, title, toggle, zoom } from "./state";
import { say } from "./words";

const LayerTools = later(async () => (await import("./layertools")).LayerTools);

const sought = signal("");
const opened = signal<string | undefined>(undefined);
const inOrder = signal(false);

export function LayerList() {
  return (
    <section id="layers" class="card layers" aria-label={say("layers")}>
      <div class="tabs" role="group" aria-label={say("layers")}>
        <button type="button" aria-pressed={!inOrder.value} onClick={() => (inOrder.value = false)}>
          {say("byTheme")}
        </button>
        <button type="button" aria-pressed={inOrder.value} onClick={() => (inOrder.value = true)}>
          {say("byOrder")} <span class="count">{shown.value.size}</span>
        </button>
      </div>
      {inOrder.value ? <Order /> : <Themes />}
    </section>
  );
}

function Themes() {
  const themes = grouped(plain(sought.value.trim()));
  return (
    <>
      <label class="search">
        <Icon name="search" />
        <input
          type="search"
          placeholder={say("findLayer")}
          aria-label={say("findLayer")}
          value={sought.value}
          onInput={(event) => (sought.value = event.currentTarget.value)}
        />
      </label>
      <div class="scroll" tabIndex={0} role="group" aria-label={say("layers")}>
        {themes.length === 0 && style.value && <p class="hint">{say("noSuchLayer")}</p>}
        {themes.map(([theme, members]) => (
          <fieldset key={theme}>
            <legend>{themeTitle(theme)}</legend>
            <ul>
              {members.map(([name, card]) => (
                <Row key={name} name={name} card={card} />
              ))}
            </ul>
          </fieldset>
        ))}
      </div>
    </>
  );
}

/** Layers that are on, the highest first. */
function Order() {
  const names = [...stack.value].reverse().filter((name) => cards.value.get(name)?.listed);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={say("byOrder")}>
      <p class="hint">{say(names.length > 0 ? "orderHint" : "noneShown")}</p>
      <ol class="order">
        {names.map((name, place) => (
          <Row key={name} name={name} card={cards.value.get(name)!}>
            <Step name={name} step={1} off={place === 0} />
            <Step name={name} step={-1} off={place === names.length - 1} />
          </Row>
        ))}
      </ol>
    </div>
  );
}

function Step({ name, step, off }: { name: string; step: 1 | -1; off: boolean }) {
  const label = `${say(step === 1 ? "raise" : "lower")}: ${title(name)}`;
  return (
    <button type="button" class="icon small" aria-label={label} title={label} disabled={off} onClick={() => move(name, step)}>
      <Icon name={step === 1 ? "up" : "down"} />
    </button>
  );
}

function Row({ name, card, children }: { name: string; card: LayerCard; children?: preact.ComponentChildren }) {
  const on = shown.value.has(name);
  const far = on && zoom.value < card.minzoom;
  const open = opened.value === name;
  const percent = opacity.value.get(name);
  return (
    <li class={on ? "on" : ""}>
      <div class="row">
        <label>
          <input type="checkbox" checked={on} onChange={() => toggle(name)} data-layer={name} />
          <Sign swatch={card.legend[0]} />
          <span class="name">
            {title(name)}
            {far && <small class="hint">{say("fromZoom")}</small>}
          </span>
        </label>
        {percent !== undefined && <small class="count">{percent}%</small>}
        {filters.value.has(name) && (
          <span class="chip" title={say("filtered")}>
            <Icon name="filter" />
            <span class="unseen">{say("filtered")}</span>
          </span>
        )}
        {broken.value.has(name) && <Icon name="warning" />}
        {children}
        <button
          type="button"
          class="icon small"
          aria-expanded={open}
          aria-label={`${say("tools")}: ${title(name)}`}
          title={say("tools")}
          data-tools={name}
          onClick={() => (opened.value = open ? undefined : name)}
        >
          <Icon name={open ? "fold" : "more"} />
        </button>
      </div>
      {on && card.legend.length > 1 && <Legend swatches={card.legend} />}
      {open && <LayerTools name={name} />}
    </li>
  );
}

function Legend({ swatches }: { swatches: Swatch[] }) {
  return (
    <ul class="legend" aria-label={say("legend")}>
      {swatches.map((swatch) => (
        <li key={swatch.title}>
          <Sign swatch={swatch} />
          {swatch.title}
        </li>
      ))}
    </ul>
  );
}

export function Sign({ swatch }: { swatch: Swatch | undefined }) {
  if (!swatch) return <svg class="swatch" viewBox="0 0 20 14" aria-hidden="true" />;
  const { shape, color, outline = "none", dashed } = swatch;
  const dash = dashed ? "4 2.5" : undefined;
  return (
    <svg class="swatch" viewBox="0 0 20 14" aria-hidden="true">
      {shape === "fill" && (
        <rect x="1" y="1" width="18" height="12" rx="2.5" fill={color} stroke={outline} stroke-dasharray={dash} />
      )}
      {shape === "line" && outline !== "none" && <path d="M1 7h18" stroke={outline} stroke-width="6" />}
      {shape === "line" && (
        <path d="M1 7h18" stroke={color} stroke-width={outline === "none" ? 2.5 : 4} stroke-dasharray={dash} />
      )}
      {shape === "circle" && <circle cx="10" cy="7" r="5" fill={color} stroke={outline} stroke-width="1.5" />}
    </svg>
  );
}

/** Themes in the order of the city's sheet, then any other, each with the layers whose title holds the text. */
function grouped(text: string): [string, [string, LayerCard][]][] {
  const themes = new Map<string, [string, LayerCard][]>(
    Object.keys(style.value?.metadata["citymap:themes"] ?? {}).map((theme) => [theme, []]),
  );
  for (const [name, card] of cards.value) {
    if (!card.listed || !plain(`${title(name)} ${name}`).includes(text)) continue;
    themes.set(card.theme, [...(themes.get(card.theme) ?? []), [name, card]]);
  }
  return [...themes].filter(([, members]) => members.length > 0);
}

function themeTitle(theme: string): string {
  return style.value?.metadata["citymap:themes"][theme] ?? theme;
}
