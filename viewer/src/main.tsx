/** Starts the page: shell at once, style and catalogue beside the map library, then the map. */
import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { format, parse } from "./address";
import { App } from "./app";
import { fetchCollections, fetchStyle } from "./engine";
import { retell } from "./identify";
import { key } from "./key";
import { persistently } from "./recovery";
import { address, collections, follow, language, noWebGl, serverAway, style, theme } from "./state";
import type { Controls } from "./map";

export const controls = signal<Controls | undefined>(undefined);

const library = import("./map");

/** The style and the catalogue in the language and theme of now; true once both are here. */
async function load(): Promise<boolean> {
  const [wantedLanguage, wantedTheme] = [language.value, theme.value];
  try {
    const [sheet, catalogue] = await Promise.all([
      fetchStyle(wantedLanguage, wantedTheme),
      fetchCollections(wantedLanguage),
    ]);
    if (wantedLanguage !== language.value || wantedTheme !== theme.value) return true;
    [style.value, collections.value, serverAway.value] = [sheet, catalogue, false];
    return true;
  } catch (error) {
    console.warn(String(error));
    serverAway.value = true;
    return false;
  }
}

async function surely(task: () => Promise<boolean>): Promise<void> {
  if (!(await task())) persistently(task);
}

function keepPage(): void {
  effect(() => {
    document.documentElement.lang = language.value;
    document.documentElement.dataset.theme = theme.value;
    document.title = style.value?.name ?? document.title;
  });
  effect(() => history.replaceState(null, "", format(address.value)));
  addEventListener("hashchange", () => follow(parse(location.hash)));
}

async function draw(): Promise<void> {
  const { draw: drawMap } = await library;
  try {
    controls.value = drawMap(document.getElementById("map")!);
  } catch (error) {
    console.warn(String(error));
    noWebGl.value = true;
  }
}

keepPage();
render(<App controls={controls} />, document.getElementById("app")!);
effect(() => {
  void [language.value, theme.value, key.value];
  void surely(load);
});
effect(() => {
  void language.value;
  queueMicrotask(retell);
});
const stop = effect(() => {
  if (!style.value) return;
  queueMicrotask(() => stop());
  void draw();
});
