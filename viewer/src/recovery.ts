/** What to do when tiles do not come: say so, find out whether the server is away, and try again by itself. */
import type { Map as MapLibre, VectorTileSource } from "maplibre-gl";
import { alive } from "./engine";
import { broken, serverAway } from "./state";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;

const waiting = new Set<() => void>();

/** Runs the task until it gives true, waiting longer each time. */
export function persistently(task: () => Promise<boolean>): void {
  let wait = FIRST_WAIT_MS;
  let timer: ReturnType<typeof setTimeout>;
  const attempt = async () => {
    clearTimeout(timer);
    waiting.delete(again);
    if (!(await task())) rest();
  };
  const again = () => void attempt();
  const rest = () => {
    waiting.add(again);
    timer = setTimeout(again, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  };
  rest();
}

/** Tries at once what is waiting to be tried. */
export function tryNow(): void {
  [...waiting].forEach((again) => again());
}

let recovering = false;

export function watch(map: MapLibre): void {
  map.on("error", (event: { error: Error; sourceId?: string }) => {
    const layer = event.sourceId;
    if (!layer || !map.getSource(layer)) {
      console.error(event.error);
      return;
    }
    const status = (event.error as Error & { status?: number }).status ?? 0;
    broken.value = new Map(broken.value).set(layer, status);
    if (!recovering) persistently(() => recover(map));
    recovering = true;
  });
}

/** Asks the server whether it lives; if so loads again what was broken. True when nothing more is to be done here. */
async function recover(map: MapLibre): Promise<boolean> {
  serverAway.value = !(await alive());
  if (serverAway.value) return false;
  const again = [...broken.value].filter(([, status]) => status !== 401 && status !== 403).map(([layer]) => layer);
  broken.value = new Map([...broken.value].filter(([layer]) => !again.includes(layer)));
  again.forEach((layer) => reload(map, layer));
  await idle(map);
  const failed = [...broken.value.values()].some((status) => status !== 401 && status !== 403);
  recovering = failed;
  return !failed;
}

function reload(map: MapLibre, layer: string): void {
  const source = map.getSource<VectorTileSource>(layer);
  if (source?.tiles) source.setTiles(source.tiles);
}

function idle(map: MapLibre): Promise<void> {
  return new Promise((done) => void map.once("idle", () => done()));
}
