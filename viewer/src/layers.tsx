/** The layer list: by theme, with a switch and a legend each, and a search that needs no accents. */
import { signal } from "@preact/signals";
import type { LayerCard, Swatch } from "./engine";
import { root } from "./engine";
import { day, plain } from "./format";
import { Icon } from "./icons";
import { broken, cards, collections, language, shown, style, title, toggle, zoom } from "./state";
import { say } from "./words";

const sought = signal("");
const explained = signal<string | undefined>(undefined);

export function LayerList() {
  const themes = grouped(plain(sought.value.trim()));
  return (
    <section id="layers" class="card layers" aria-label={say("layers")}>
      <label class="search">
        <Icon name="search" />
        <input
          type="search"
          placeholder={say("findLayer")}
          aria-label={say("findLayer")}
          value={sought.value}
          onInput={(event) => (sought.value = event.currentTarget.value)}
        />
        <span class="count">{say("shown", { n: shown.value.size })}</span>
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
    </section>
  );
}

function Row({ name, card }: { name: string; card: LayerCard }) {
  const on = shown.value.has(name);
  const far = on && zoom.value < card.minzoom;
  const open = explained.value === name;
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
        {broken.value.has(name) && <Icon name="warning" />}
        <button
          type="button"
          class="icon small"
          aria-expanded={open}
          aria-label={`${say("about")}: ${title(name)}`}
          title={say("about")}
          onClick={() => (explained.value = open ? undefined : name)}
        >
          <Icon name="info" />
        </button>
      </div>
      {on && card.legend.length > 1 && <Legend swatches={card.legend} />}
      {open && <About name={name} />}
    </li>
  );
}

function Legend({ swatches }: { swatches: Swatch[] }) {
  return (
    <ul class="legend">
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

function About({ name }: { name: string }) {
  const collection = collections.value.get(name);
  if (!collection) return null;
  return (
    <div class="about">
      {collection.synthetic && <p class="tag">{say("synthetic")}</p>}
      <p>{collection.description}</p>
      <dl>
        <Line term={say("owner")} text={collection.owner} />
        <Line term={say("source")} text={collection.source} />
        <Line term={say("licence")} text={collection.licence} />
        <Line term={say("updated")} text={collection.updated && day(collection.updated, language.value)} />
      </dl>
      <a href={`${root}/collections/${name}?f=html&lang=${language.value}`} target="_blank" rel="noopener">
        {say("openData")}
      </a>
    </div>
  );
}

function Line({ term, text }: { term: string; text: string | undefined }) {
  if (!text) return null;
  return (
    <div>
      <dt>{term}</dt>
      <dd>{text}</dd>
    </div>
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
