/** The dialog for a key of access: tried before it is used, so that a wrong one closes nothing that was open. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { closed } from "./answers";
import { fetchCollections } from "./engine";
import { Icon } from "./icons";
import { key, use } from "./key";
import { tell } from "./roomwords";
import "./rooms.css";
import { language, unlocking } from "./state";
import { say } from "./words";

const fault = signal<string | undefined>(undefined);

export function Unlock() {
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const done = () => dialog.current?.close();
  return (
    <dialog ref={dialog} class="card connect" aria-labelledby="key-title" onClose={() => (unlocking.value = false)}>
      <div class="bar">
        <h2 id="key-title">{tell("keyTitle")}</h2>
        <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={done}>
          <Icon name="close" />
        </button>
      </div>
      <form
        class="scroll"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(field.current!.value.trim(), done);
        }}
      >
        <p class="hint">{tell("keyHint")}</p>
        <input ref={field} type="password" autocomplete="off" required aria-label={tell("keyTitle")} />
        <p role="alert" class={fault.value ? "warned" : "unseen"}>
          {fault.value}
        </p>
        <div class="deeds">
          <button type="submit" class="deed lead">
            {tell("keyApply")}
          </button>
          {key.value && (
            <button type="button" class="deed" onClick={() => (use(undefined), done())}>
              {tell("keyForget")}
            </button>
          )}
        </div>
      </form>
    </dialog>
  );
}

async function attempt(given: string, done: () => void): Promise<void> {
  const before = key.value;
  use(given);
  try {
    await fetchCollections(language.value);
    fault.value = undefined;
    done();
  } catch (error) {
    use(before);
    fault.value = tell(closed(error) ? "keyWrong" : "failing");
  }
}
