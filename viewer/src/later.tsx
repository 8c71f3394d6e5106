/** Parts of the page that are fetched when they are first shown. */
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";

export function later<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  const part = signal<{ Part: ComponentType<Props> } | undefined>(undefined);
  let asked = false;
  const ask = async () => {
    asked = true;
    try {
      part.value = { Part: await load() };
    } catch {
      asked = false; // asked again when it is shown again
    }
  };
  return (props: Props) => {
    if (!asked) void ask();
    const here = part.value;
    return here ? <here.Part {...props} /> : null;
  };
}
