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
        <summary>{say("sources")}</summary>
        <ul>
          {attributions().map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      </details>
    </footer>
  );
}

function attributions(): string[] {
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
