/** What is here: a card for every feature under the place, its attributes under their titles. */
import { useEffect, useRef } from "preact/hooks";
import { WARDS } from "./city";
import type { Property } from "./engine";
import { itemPage } from "./engine";
import { degrees, format } from "./format";
import { Icon } from "./icons";
import { type Found, close, findings } from "./identify";
import { Sign } from "./layers";
import { cards, collections, language, title, ward } from "./state";
import { say } from "./words";

export function Here() {
  const asked = findings.value;
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    if (asked?.focus) card.current?.focus();
  }, [asked?.lon, asked?.lat]);
  if (!asked) return null;
  return (
    <section
      ref={card}
      tabIndex={-1}
      class="card here"
      aria-label={say("here")}
      onKeyDown={(event) => event.key === "Escape" && close()}
    >
      <div class="bar">
        <h2>{say("here")}</h2>
        <span class="place">{degrees(asked.lon, asked.lat)}</span>
        <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <div class="scroll" aria-live="polite" tabIndex={0} role="group" aria-label={say("here")}>
        {asked.found.length === 0 && <p class="hint">{say("nothingHere")}</p>}
        {asked.found.map((found, place) => (
          <Feature
            key={`${asked.lon}/${asked.lat}/${found.layer}/${found.id ?? place}`}
            found={found}
            open={place === 0}
          />
        ))}
      </div>
    </section>
  );
}

function Feature({ found, open }: { found: Found; open: boolean }) {
  const swatch = cards.value.get(found.layer)?.legend[0];
  const name = nameOf(found);
  return (
    <details class="feature" open={open}>
      <summary>
        <Sign swatch={swatch} />
        <span class="name">{name ?? title(found.layer)}</span>
        <span class="of">{name ? title(found.layer) : say("unnamed")}</span>
      </summary>
      <State found={found} />
      <ToRoom found={found} />
      <Attributes found={found} />
      {found.id !== undefined && (
        <a class="more" href={itemPage(found.layer, found.id, language.value)} target="_blank" rel="noopener">
          {say("openData")}
        </a>
      )}
    </details>
  );
}

/** A ward has a room of its own. */
function ToRoom({ found }: { found: Found }) {
  const code = found.layer === WARDS && found.properties.code;
  if (!code) return null;
  return (
    <button type="button" class="deed lead" onClick={() => (ward.value = { code: String(code) })}>
      <Icon name="ward" />
      {say("openWard")}
    </button>
  );
}

function State({ found }: { found: Found }) {
  const notes = {
    loading: say("searching"),
    partial: say("partial"),
    closed: say("needsRight"),
    grouped: say("grouped"),
    whole: undefined,
  };
  const note = notes[found.state];
  return (
    <>
      {collections.value.get(found.layer)?.synthetic && <p class="tag">{say("synthetic")}</p>}
      {note && <p class="hint">{note}</p>}
    </>
  );
}

function Attributes({ found }: { found: Found }) {
  const rows = attributes(found);
  if (rows.length === 0) return found.state === "whole" ? <p class="hint">{say("noAttributes")}</p> : null;
  return (
    <dl class="attributes">
      {rows.map(({ name, heading, help, value }) => (
        <div key={name} data-column={name}>
          <dt title={help}>{heading}</dt>
          <dd>{isAddress(value) ? <Link href={value} /> : value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Link({ href }: { href: string }) {
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {href}
    </a>
  );
}

interface Attribute {
  name: string;
  heading: string;
  help: string | undefined;
  value: string;
}

/** Every attribute that has a value, in words, in the order of the layer's columns. */
function attributes({ properties, schema }: Found): Attribute[] {
  const names = [...new Set([...Object.keys(schema), ...Object.keys(properties)])];
  return names.flatMap((name): [Attribute] | [] => {
    const property: Property = schema[name] ?? {};
    if (property.format?.startsWith("geometry-") || property["x-ogc-role"] === "id") return [];
    const value = format(properties[name], property, language.value, say("yes"), say("no"));
    return value === undefined ? [] : [{ name, heading: property.title ?? name, help: property.description, value }];
  });
}

function nameOf({ layer, properties }: Found): string | undefined {
  const column = cards.value.get(layer)?.name;
  const value = column ? properties[column] : undefined;
  return value ? String(value) : undefined;
}

function isAddress(text: string): boolean {
  return /^https?:\/\//.test(text);
}
