/** What is shown now, for others: a link, its QR code, a page to embed, a picture with a title block. */
import type { Signal } from "@preact/signals";
import qrcode from "qrcode-generator";
import { useEffect, useRef } from "preact/hooks";
import { format } from "./address";
import { root } from "./engine";
import { figure } from "./format";
import { Icon } from "./icons";
import type { Controls } from "./map";
import { download, titled } from "./picture";
import { tell } from "./roomwords";
import { address, language, sharing } from "./state";
import { scaleOf } from "./titleblock";
import { say } from "./words";
import "./rooms.css";

/** The most bytes that a QR code of the lowest correction holds. */
const MOST_BYTES = 2_953;

export function Share({ controls }: { controls: Signal<Controls | undefined> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const here = format(address.value);
  const { zoom = 0, lat = 0 } = address.value.place ?? {};
  return (
    <dialog ref={dialog} class="card connect share" aria-labelledby="share-title" onClose={() => (sharing.value = false)}>
      <div class="bar">
        <h2 id="share-title">{say("share")}</h2>
        <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label={say("share")}>
        <p class="hint">{tell("shareHint")}</p>
        <Copied name={tell("link")} text={`${root}/map${here}`} />
        <Code text={`${root}/map${here}`} />
        <Copied name={tell("embed")} text={`<iframe src="${root}/map?embed=1${here}" width="800" height="500" title="${document.title}"></iframe>`} />
        <div>
          <h3>{tell("picture")}</h3>
          <p class="hint">
            {tell("pictureHint")} {tell("pictureScale", { n: figure(scaleOf(zoom, lat), language.value, 0) })}.
          </p>
          <button type="button" class="deed lead" disabled={!controls.value} onClick={() => void save(controls.value!)}>
            <Icon name="download" />
            PNG
          </button>
        </div>
      </div>
    </dialog>
  );
}

async function save(controls: Controls): Promise<void> {
  download(await titled(await controls.picture()), "map.png");
}

function Copied({ name, text }: { name: string; text: string }) {
  const field = useRef<HTMLInputElement>(null);
  const copy = () => {
    field.current?.select();
    void navigator.clipboard?.writeText(text);
  };
  return (
    <div>
      <h3>{name}</h3>
      <div class="copy">
        <input ref={field} type="text" readOnly value={text} aria-label={name} onFocus={(event) => event.currentTarget.select()} />
        <button type="button" class="deed" aria-label={`${say("copy")}: ${name}`} onClick={copy}>
          <Icon name="copy" />
          {say("copy")}
        </button>
      </div>
    </div>
  );
}

/** The QR code as one path, with the quiet zone of four modules that readers need. */
function Code({ text }: { text: string }) {
  if (new TextEncoder().encode(text).length > MOST_BYTES) return <p class="hint">{tell("qrLong")}</p>;
  const code = qrcode(0, "L");
  code.addData(text);
  code.make();
  const size = code.getModuleCount();
  const places = Array.from({ length: size * size }, (_, at) => [at % size, Math.floor(at / size)] as const);
  const path = places.filter(([x, y]) => code.isDark(y, x)).map(([x, y]) => `M${x} ${y}h1v1h-1z`).join("");
  return (
    <svg class="qr" viewBox={`-4 -4 ${size + 8} ${size + 8}`} role="img" aria-label={tell("qr")} shape-rendering="crispEdges">
      <rect x="-4" y="-4" width={size + 8} height={size + 8} fill="#ffffff" />
      <path d={path} fill="#000000" />
    </svg>
  );
}
