/** What the user should know now: the server is away, a layer is broken, data is synthetic. */
import type { ComponentChildren } from "preact";
import { root } from "./engine";
import { Icon } from "./icons";
import { tryNow } from "./recovery";
import { broken, collections, noWebGl, serverAway, shown, style, title, unlocking } from "./state";
import { say } from "./words";

export function Notices() {
  return (
    <aside class="notices" aria-label={say("notices")}>
      <div role="status" aria-live="polite">
        {noWebGl.value && (
          <Notice>
            {say("noWebGl")} <a href={`${root}/collections?f=html`}>{say("catalogue")}</a>
          </Notice>
        )}
        {serverAway.value ? <Away /> : <Broken />}
        {!style.value && !serverAway.value && <p class="card notice quiet">{say("loading")}</p>}
      </div>
      <Synthetic />
    </aside>
  );
}

function Away() {
  return (
    <Notice>
      {say("serverAway")}{" "}
      <button type="button" class="text" onClick={tryNow}>
        {say("tryNow")}
      </button>
    </Notice>
  );
}

function Broken() {
  const of = (closed: boolean) =>
    [...broken.value]
      .filter(([, status]) => (status === 401 || status === 403) === closed)
      .map(([name]) => title(name));
  const [failed, closed] = [of(false), of(true)];
  return (
    <>
      {failed.length > 0 && <Notice>{say("layerBroken", { layers: failed.join(", ") })}</Notice>}
      {closed.length > 0 && (
        <Notice>
          {say("layerClosed", { layers: closed.join(", ") })}{" "}
          <button type="button" class="text" onClick={() => (unlocking.value = true)}>
            {say("useKey")}
          </button>
        </Notice>
      )}
    </>
  );
}

function Notice({ children }: { children: ComponentChildren }) {
  return (
    <p class="card notice">
      <Icon name="warning" />
      <span>{children}</span>
    </p>
  );
}

function Synthetic() {
  const names = [...shown.value].filter((name) => collections.value.get(name)?.synthetic).map(title);
  if (names.length === 0) return null;
  return (
    <details class="card synthetic">
      <summary>{say("synthetic")}</summary>
      <p>
        {say("syntheticWhy")} {names.join(", ")}.
      </p>
    </details>
  );
}
