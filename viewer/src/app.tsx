/** The page: a map under everything, a header, the layer list, what is here, and the small print. */
import type { Signal } from "@preact/signals";
import { format } from "./address";
import { OLD_WARDS } from "./city";
import { root } from "./engine";
import { Here } from "./here";
import { Icon } from "./icons";
import { later } from "./later";
import { LayerList } from "./layers";
import type { Controls } from "./map";
import { Notices } from "./notices";
import { SearchBox } from "./searchbox";
import { begin, discard } from "./sketch";
import { SmallPrint } from "./smallprint";
import {
  address,
  bearing,
  busy,
  cards,
  connecting,
  embedded,
  keepTheme,
  language,
  noWebGl,
  panelOpen,
  reform,
  sharing,
  sketch,
  style,
  table,
  theme,
  timeOpen,
  timed,
  unlocking,
  ward,
} from "./state";
import { say } from "./words";

const LANGUAGES = [
  ["vi", "Tiếng Việt"],
  ["en", "English"],
] as const;

const Table = later(async () => (await import("./table")).Table);
const Connect = later(async () => (await import("./connect")).Connect);
const Measure = later(async () => (await import("./measure")).Measure);
const WardRoom = later(async () => (await import("./wardroom")).WardRoom);
const ReformRoom = later(async () => (await import("./reformroom")).ReformRoom);
const Share = later(async () => (await import("./share")).Share);
const Unlock = later(async () => (await import("./unlock")).Unlock);
const TimeBar = later(async () => (await import("./timebar")).TimeBar);

interface Props {
  controls: Signal<Controls | undefined>;
}

export function App({ controls }: Props) {
  return (
    <>
      <a class="skip" href="#map" onClick={(event) => (event.preventDefault(), controls.value?.focus())}>
        {say("skip")}
      </a>
      <main id="map" class={noWebGl.value ? "empty" : ""} aria-label={say("map")} />
      {reform.value && <ReformRoom controls={controls} />}
      <div class={busy.value ? "progress on" : "progress"} role="presentation" />
      {embedded ? <WholeMap /> : <Side controls={controls} />}
      {ward.value ? <WardRoom /> : <Here />}
      <div class="tray">
        <Buttons controls={controls} />
        {!embedded && <Tools />}
      </div>
      {sketch.value && <Measure />}
      <div class="foot-of-map">
        {timeOpen.value && <TimeBar />}
        {table.value && <Table controls={controls} />}
      </div>
      {connecting.value && <Connect key={connecting.value} />}
      {sharing.value && <Share controls={controls} />}
      {unlocking.value && <Unlock />}
      <Notices />
      <SmallPrint />
    </>
  );
}

function Side({ controls }: Props) {
  return (
    <div class="side">
      <div class="card head">
        <Header />
        <SearchBox controls={controls} />
      </div>
      {panelOpen.value && <LayerList />}
    </div>
  );
}

/** From a page that holds the map to the map itself, as it stands. */
function WholeMap() {
  return (
    <header class="side embedded">
      <a class="card" href={`${root}/map${format(address.value)}`} target="_blank" rel="noopener">
        <Icon name="city" />
        <span>
          <h1>{style.value?.name || say("loading")}</h1>
          {say("wholeMap")}
        </span>
      </a>
    </header>
  );
}

function Header() {
  const open = panelOpen.value;
  return (
    <header class="header">
      <Icon name="city" />
      <h1>{style.value?.name || say("loading")}</h1>
      <div class="switch" role="group" aria-label={say("language")}>
        {LANGUAGES.map(([code, name]) => (
          <button
            key={code}
            type="button"
            lang={code}
            aria-label={`${code.toUpperCase()} · ${name}`}
            title={name}
            aria-pressed={language.value === code}
            onClick={() => (language.value = code)}
          >
            {code.toUpperCase()}
          </button>
        ))}
      </div>
      <ThemeButton />
      <button
        type="button"
        class="icon"
        aria-expanded={open}
        aria-controls="layers"
        aria-label={say(open ? "closeLayers" : "openLayers")}
        title={say(open ? "closeLayers" : "openLayers")}
        onClick={() => (panelOpen.value = !open)}
      >
        <Icon name={open ? "fold" : "layers"} />
      </button>
    </header>
  );
}

/** What opens a tool: measuring, and time where a layer that is on has one. */
function Tools() {
  const measuring = sketch.value !== undefined;
  return (
    <div class="card buttons">
      <button
        type="button"
        class="icon"
        aria-pressed={measuring}
        aria-label={say("measure")}
        title={say("measure")}
        onClick={() => (measuring ? discard() : only(() => begin("length")))}
      >
        <Icon name="measure" />
      </button>
      {cards.value.has(OLD_WARDS) && (
        <button
          type="button"
          class="icon"
          aria-pressed={reform.value !== undefined}
          aria-label={say("reform")}
          title={say("reform")}
          onClick={() => (reform.value ? (reform.value = undefined) : only(() => (reform.value = { at: 50 })))}
        >
          <Icon name="swipe" />
        </button>
      )}
      <button type="button" class="icon" aria-label={say("share")} title={say("share")} onClick={() => (sharing.value = true)}>
        <Icon name="share" />
      </button>
      {(timed.value.length > 0 || timeOpen.value) && (
        <button
          type="button"
          class="icon"
          aria-pressed={timeOpen.value}
          aria-label={say("time")}
          title={say("time")}
          onClick={() => (timeOpen.value = !timeOpen.value)}
        >
          <Icon name="clock" />
        </button>
      )}
    </div>
  );
}

/** Opens a room in the place of what stands there. */
function only(open: () => void): void {
  discard();
  [reform.value, ward.value] = [undefined, undefined];
  open();
}

function ThemeButton() {
  const next = theme.value === "light" ? "dark" : "light";
  const label = say(next === "dark" ? "toDark" : "toLight");
  return (
    <button type="button" class="icon" aria-label={label} title={label} onClick={() => keepTheme(next)}>
      <Icon name={next === "dark" ? "moon" : "sun"} />
    </button>
  );
}

function Buttons({ controls }: Props) {
  const turned = Math.abs(bearing.value) > 0.5;
  const deeds = [
    ["zoomIn", "plus", () => controls.value?.zoomBy(1)],
    ["zoomOut", "minus", () => controls.value?.zoomBy(-1)],
    ["home", "home", () => controls.value?.home()],
    ...(turned ? ([["north", "north", () => controls.value?.northUp()]] as const) : []),
  ] as const;
  return (
    <div class="card buttons">
      {deeds.map(([word, icon, deed]) => (
        <button key={word} type="button" class="icon" aria-label={say(word)} title={say(word)} onClick={deed}>
          <Icon name={icon} />
        </button>
      ))}
    </div>
  );
}
