/** What can be done with one layer: fade it, filter it, read it as a table, connect to it; and where it comes from. */
import { signal } from "@preact/signals";
import { root } from "./engine";
import { FilterForm } from "./filterform";
import { day } from "./format";
import { Icon, type IconName } from "./icons";
import { chosen, collections, connecting, fade, filters, language, opacity, shown, style, table, title } from "./state";
import { type Word, say } from "./words";

const filtering = signal<string | undefined>(undefined);

export function LayerTools({ name }: { name: string }) {
  const percent = opacity.value.get(name) ?? 100;
  const raster = style.value?.sources[name]?.type === "raster";
  return (
    <div class="about">
      {collections.value.get(name)?.synthetic && <p class="tag">{say("synthetic")}</p>}
      <label class="slider">
        {say("opacity")}
        <input
          type="range"
          min="10"
          max="100"
          step="5"
          value={percent}
          aria-label={`${say("opacity")}: ${title(name)}`}
          onInput={(event) => fade(name, Number(event.currentTarget.value))}
        />
        <output>{percent}%</output>
      </label>
      <div class="deeds">
        {!raster && (
          <Deed icon="filter" word="filter" on={filters.value.has(name)} open={filtering.value === name} deed={() => (filtering.value = filtering.value === name ? undefined : name)} />
        )}
        {!raster && <Deed icon="table" word="openTable" deed={() => openTable(name)} />}
        <Deed icon="link" word="connect" deed={() => (connecting.value = name)} />
      </div>
      {filtering.value === name && <FilterForm key={name} name={name} />}
      <About name={name} />
    </div>
  );
}

interface DeedProps {
  icon: IconName;
  word: Word;
  deed: () => void;
  on?: boolean;
  open?: boolean;
}

function Deed({ icon, word, deed, on = false, open }: DeedProps) {
  return (
    <button type="button" class={on ? "deed on" : "deed"} {...(open !== undefined && { "aria-expanded": open })} onClick={deed}>
      <Icon name={icon} />
      {say(word)}
    </button>
  );
}

/** The table of a layer, which is then on the map too: a row leads there. */
function openTable(name: string): void {
  if (!shown.value.has(name)) chosen.value = new Set([...shown.value, name]);
  table.value = { layer: name };
}

function About({ name }: { name: string }) {
  const collection = collections.value.get(name);
  if (!collection) return null;
  return (
    <>
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
    </>
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
