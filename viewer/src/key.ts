/** The key that tells the engine who is asking: kept as long as the tab is open, and sent to this server only. */
import { signal } from "@preact/signals";

const PLACE = "citymap:key";

export const key = signal<string | undefined>(kept());

export function use(next: string | undefined): void {
  key.value = next;
  try {
    if (next) sessionStorage.setItem(PLACE, next);
    else sessionStorage.removeItem(PLACE);
  } catch {
    // a browser that keeps nothing asks for the key again
  }
}

/** Headers of a request that is made with the key; none when there is no key. */
export function credentials(): Record<string, string> {
  return key.value ? { Authorization: `Bearer ${key.value}` } : {};
}

function kept(): string | undefined {
  if (self !== top) return undefined; // inside a page of somebody else's only the public is shown
  try {
    return sessionStorage.getItem(PLACE) ?? undefined;
  } catch {
    return undefined;
  }
}
