/** Coordinates under the cursor, and where the data shown comes from. */
import { degrees } from "./format";
import { cursor, place, shown, style, zoom } from "./state";
import { say } from "./words";

export function SmallPrint() {
  const at = cursor.value ?? place.value;
  return (
    <footer class="print">
      {at && (
        <span class="coordinates">
          {degrees(at.lon, at.lat)} · z{zoom.value.toFixed(1)}
        </span>
      )}
      <details class="sources">
        <summary title={say("sources")}>{credit() || say("sources")}</summary>
        <ul>
          {attributions().map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      </details>
    </footer>
  );
}

/** Whom a licence tells us to name at all times; the rest is one click away. */
function credit(): string {
  const named = attributions().flatMap((text) => /©[^;.]*/.exec(text)?.[0].trim() ?? []);
  return [...new Set(named)].join(" · ");
}

export function attributions(): string[] {
  const sources = style.value?.sources ?? {};
  const texts = [...shown.value].map((name) => {
    const source = sources[name];
    return source && "attribution" in source ? decoded(source.attribution) : "";
  });
  return [...new Set(texts)].filter((text) => text !== "");
}

/** The style escapes attributions, because other viewers take them for HTML. */
function decoded(html: string | undefined): string {
  return new DOMParser().parseFromString(html ?? "", "text/html").body.textContent ?? "";
}
