/** The room of one ward: its people and ground, what it has, its petitions, its indicators and where it came from. */
import { useEffect } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { type Answer, useAnswer } from "./answers";
import { Bar, Bars, type Row, Spark, Trend } from "./charts";
import {
  EVE,
  INDICATORS,
  INDICATOR_VALUES,
  LINKS,
  PETITIONS,
  PETITIONS_BY_WARD,
  PETITIONS_PUBLIC,
  REFORM,
  WARDS,
} from "./city";
import { type Aggregate, type Item, fetchAggregate, fetchItems } from "./engine";
import { day, figure, monthOf } from "./format";
import { Icon } from "./icons";
import { close as closeHere, findings, schemaOf, showItem } from "./identify";
import { cards, collections, language, shown, title, toggle, unlocking, ward } from "./state";
import { tell } from "./roomwords";
import { byCode, byMonth, origins, outline, type Origin, type Reading, readings, standing } from "./ward";
import { say } from "./words";
import "./rooms.css";

const MONTHS = 24;

interface Compared {
  code: string;
  beside: string | undefined;
}

export function WardRoom() {
  const { code, beside } = ward.value!;
  const one = useAnswer(`ward/${code}`, () => wardBy(code));
  const two = useAnswer(`ward/${beside ?? ""}`, () => (beside ? wardBy(beside) : Promise.resolve(undefined)));
  followMap(code, one);
  return (
    <section class={beside ? "card room two" : "card room"} aria-labelledby="room-title" onKeyDown={(event) => event.key === "Escape" && close()}>
      <div class="bar">
        <Icon name="ward" />
        <h2 id="room-title">{nameOf(one) ?? tell("wardRoom")}</h2>
        <button type="button" class="deed" onClick={() => print()}>
          <Icon name="print" />
          {tell("print")}
        </button>
        <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label={tell("wardRoom")}>
        <Told answer={one}>{(item) => (item ? <Rooms item={item} other={valueOf(two)} /> : <p class="hint">{tell("wardUnknown", { code })}</p>)}</Told>
      </div>
    </section>
  );
}

function Rooms({ item, other }: { item: Item; other: Item | undefined }) {
  const compared = { code: String(item.properties.code), beside: other && String(other.properties.code) };
  return (
    <>
      <div class="faces">
        <Face item={item} named={other !== undefined} />
        {other && <Face item={other} named second />}
      </div>
      <Choice {...compared} />
      <Contents {...compared} names={[shortOf(item), ...(other ? [shortOf(other)] : [])]} />
      <Petitions {...compared} names={[shortOf(item), ...(other ? [shortOf(other)] : [])]} />
      <Indicators code={compared.code} />
      {other && <Indicators code={compared.beside!} name={shortOf(other)} />}
      <Lineage item={item} />
      {other && <Lineage item={other} name={shortOf(other)} />}
      <p class="hint printed">{tell("printed", { day: day(new Date().toISOString(), language.value), address: location.href })}</p>
    </>
  );
}

/** The ward in a picture and three figures. */
function Face({ item, named, second = false }: { item: Item; named: boolean; second?: boolean }) {
  const { full_name: name, code, area_km2_published: km2, population } = item.properties;
  const told = (value: unknown, unit: string) => (typeof value === "number" ? `${figure(value, language.value, 2)} ${unit}` : tell("notKnown"));
  const dense = typeof km2 === "number" && typeof population === "number" ? tell("perKm2", { n: figure(population / km2, language.value, 0) }) : tell("notKnown");
  return (
    <div class={second ? "face second" : "face"}>
      <svg viewBox="-2 -2 100 100" aria-hidden="true">
        <path d={outline(item.geometry, 96)} />
      </svg>
      {named && <h3>{String(name)}</h3>}
      <dl>
        <Line term={tell("people")} text={told(population, "").trim()} />
        <Line term={tell("ground")} text={told(km2, "km²")} />
        <Line term={tell("density")} text={dense} />
        <Line term={tell("code")} text={String(code)} />
      </dl>
      {item.synthetic && <p class="tag">{say("synthetic")}</p>}
    </div>
  );
}

function Line({ term, text }: { term: string; text: string }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{text}</dd>
    </div>
  );
}

/** Which ward to put beside this one. */
function Choice({ code, beside }: Compared) {
  const first = countedLayers()[0];
  const units = useAnswer(`units/${first}`, () => (first ? aggregateOf(first, "ward") : Promise.resolve(undefined)));
  const wards = (valueOf(units)?.features ?? []).map(({ properties }) => properties).filter((unit) => unit.code !== code);
  wards.sort((one, other) => one.name.localeCompare(other.name, "vi"));
  return (
    <label class="choose">
      {tell("compareWith")}
      <select value={beside ?? ""} onChange={(event) => (ward.value = { code, ...(event.currentTarget.value && { beside: event.currentTarget.value }) })}>
        <option value="">{tell("nobody")}</option>
        {wards.map((unit) => (
          <option key={unit.code} value={unit.code}>
            {unit.name}
          </option>
        ))}
      </select>
    </label>
  );
}

interface Named extends Compared {
  names: readonly string[];
}

/** How many of each layer that is counted by ward, beside the mean of the city. */
function Contents({ code, beside, names }: Named) {
  const layers = countedLayers();
  return (
    <section aria-labelledby="in-ward">
      <h3 id="in-ward">{tell("inWard")}</h3>
      <table class="contents">
        <thead>
          <tr>
            <th scope="col">{tell("what")}</th>
            <th scope="col" class="number">
              {beside ? names[0] : tell("amount")}
            </th>
            {beside && (
              <th scope="col" class="number">
                {names[1]}
              </th>
            )}
            <th scope="col" class="number">
              {tell("ofCity")}
            </th>
            {!beside && (
              <th scope="col" class="number">
                {tell("rank")}
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {layers.map((name) => (
            <Counted key={name} name={name} code={code} beside={beside} />
          ))}
        </tbody>
      </table>
      <Total layers={layers} />
    </section>
  );
}

function Counted({ name, code, beside }: Compared & { name: string }) {
  const counted = useAnswer(`counted/${name}`, () => aggregateOf(name, "ward"));
  const all = valueOf(counted);
  const [own, other] = [all && standing(all, code), all && beside ? standing(all, beside) : undefined];
  const told = (value: number | undefined, digits = 0) => (value === undefined ? emptiness(counted) : figure(value, language.value, digits));
  const shares = own && { share: own.value / Math.max(1, own.most), ...(other && { other: other.value / Math.max(1, other.most) }) };
  return (
    <tr data-counted={name}>
      <th scope="row">
        {title(name)}
        {collections.value.get(name)?.synthetic && <abbr title={say("synthetic")}> *</abbr>}
        {shares && <Bar {...shares} />}
      </th>
      <td class="number">{told(own?.value)}</td>
      {beside && <td class="number">{told(other?.value)}</td>}
      <td class="number">{told(own?.mean, 1)}</td>
      {!beside && (
        <td class="number" {...(own && { title: tell("rankTitle", { n: own.of }) })}>
          {told(own?.rank)}
        </td>
      )}
    </tr>
  );
}

function Total({ layers }: { layers: readonly string[] }) {
  const first = layers[0];
  const units = useAnswer(`units/${first}`, () => (first ? aggregateOf(first, "ward") : Promise.resolve(undefined)));
  const made = layers.some((name) => collections.value.get(name)?.synthetic);
  return (
    <p class="hint">
      {tell("inWardNote", { n: valueOf(units)?.features.length ?? "…" })}
      {made && ` * ${say("synthetic")}.`}
    </p>
  );
}

/** Petitions by field and month; who may not see them is told what is public instead. */
function Petitions(compared: Named) {
  const open = collections.value.has(PETITIONS);
  return (
    <section aria-labelledby="petitions">
      <h3 id="petitions">{tell("petitions")}</h3>
      {open ? <PetitionFigures {...compared} /> : <PetitionsClosed />}
    </section>
  );
}

function PetitionsClosed() {
  const there = cards.value.has(PETITIONS_PUBLIC);
  return (
    <>
      <p class="hint">{tell("petitionsClosed")}</p>
      <div class="deeds">
        {there && (
          <button type="button" class="deed" disabled={shown.value.has(PETITIONS_PUBLIC)} onClick={() => toggle(PETITIONS_PUBLIC)}>
            {tell("showPublic")}
          </button>
        )}
        <button type="button" class="deed" onClick={() => (unlocking.value = true)}>
          <Icon name="lock" />
          {say("useKey")}
        </button>
      </div>
    </>
  );
}

function PetitionFigures({ code, beside, names }: Named) {
  const fields = useAnswer(`petitions/field/${language.value}`, fieldsOf);
  const months = useAnswer("petitions/month", () => aggregateOf(PETITIONS, "ward,month"));
  const own = useAnswer(`petitions/ward/${code}`, () => petitionsOf(code));
  return (
    <>
      <Told answer={own}>{(row) => <Ends row={row} />}</Told>
      <Told answer={fields}>
        {({ counts, titles }) => {
          const rows = fieldRows(counts, titles, code, beside);
          return rows.length > 0 ? <Bars caption={tell("byField")} heads={[tell("field"), ...(beside ? names : [tell("received")])]} rows={rows} /> : <p class="hint">{tell("noPetition")}</p>;
        }}
      </Told>
      <Told answer={months}>{(counts) => <Months counts={counts} code={code} />}</Told>
    </>
  );
}

function Ends({ row }: { row: Item | undefined }) {
  if (!row) return null;
  const { received, open, late, late_pct: share } = row.properties as Record<string, number | null>;
  const percent = share === null || share === undefined ? "" : ` (${figure(share, language.value, 1)}%)`;
  return (
    <dl class="ends-of">
      <Line term={tell("received")} text={figure(received ?? 0, language.value, 0)} />
      <Line term={tell("stillOpen")} text={figure(open ?? 0, language.value, 0)} />
      <Line term={tell("late")} text={figure(late ?? 0, language.value, 0) + percent} />
    </dl>
  );
}

function Months({ counts, code }: { counts: Aggregate; code: string }) {
  const points = byMonth(counts, code, MONTHS).map(([month, amount]) => [monthOf(month), amount] as const);
  if (points.length === 0) return null;
  const caption = tell("byMonth", { from: points[0]![0], to: points.at(-1)![0] });
  return <Trend caption={caption} periodHead={tell("month")} head={tell("received")} points={points} />;
}

interface Fields {
  counts: Aggregate;
  /** Titles of the fields by their codes. */
  titles: ReadonlyMap<string, string>;
}

async function fieldsOf(): Promise<Fields> {
  const [counts, schema] = await Promise.all([aggregateOf(PETITIONS, "ward,field"), schemaOf(PETITIONS)]);
  const codes = schema.properties.field?.oneOf ?? [];
  return { counts, titles: new Map(codes.map(({ const: code, title: name }) => [String(code), name ?? String(code)])) };
}

function fieldRows(counts: Aggregate, titles: Fields["titles"], code: string, beside: string | undefined): Row[] {
  const others = new Map(beside ? byCode(counts, beside, "field") : []);
  const own = byCode(counts, code, "field");
  const missing = [...others.keys()].filter((field) => !own.some(([known]) => known === field));
  return [...own, ...missing.map((field) => [field, 0] as const)].map(([field, value]) => ({
    key: field,
    name: titles.get(field) ?? field,
    value,
    other: beside ? (others.get(field) ?? 0) : undefined,
  }));
}

const petitionsOf = async (code: string): Promise<Item | undefined> => (await fetchItems(PETITIONS_BY_WARD, { code, limit: "1" }))[0];

/** Indicators of the latest period, what misses its plan first. */
function Indicators({ code, name }: { code: string; name?: string }) {
  const answer = useAnswer(`indicators/${code}`, () => Promise.all([fetchItems(INDICATOR_VALUES, { area_code: code, limit: "5000" }), fetchItems(INDICATORS, { limit: "500" })]));
  return (
    <section aria-label={tell("indicators")}>
      <h3>{[tell("indicators"), name].filter(Boolean).join(" – ")}</h3>
      <Told answer={answer}>{([values, definitions]) => <ReadingTable rows={readings(values, definitions, language.value)} />}</Told>
    </section>
  );
}

function ReadingTable({ rows }: { rows: readonly Reading[] }) {
  if (rows.length === 0) return <p class="hint">{tell("noIndicator")}</p>;
  const bad = rows.filter(({ health }) => health === "bad").length;
  return (
    <>
      <p class={bad > 0 ? "tag" : "hint"}>{bad > 0 ? tell("alert", { n: bad }) : tell("noAlert")}</p>
      <table class="readings">
        <thead>
          <tr>
            <th scope="col">{tell("indicator")}</th>
            <th scope="col" class="number">
              {tell("value")}
            </th>
            <th scope="col" class="number">
              {tell("plan")}
            </th>
            <th scope="col">{tell("state")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <ReadingRow key={row.indicator} row={row} />
          ))}
        </tbody>
      </table>
    </>
  );
}

function ReadingRow({ row }: { row: Reading }) {
  const told = (value: number | undefined) => (value === undefined ? "–" : figure(value, language.value, 1));
  return (
    <tr class={row.health} data-indicator={row.indicator}>
      <th scope="row">
        {row.title}
        <span class="hint">
          {row.unit}, {monthOf(row.period)} <Spark values={row.series.map(([, value]) => value)} />
        </span>
      </th>
      <td class="number">{told(row.value)}</td>
      <td class="number">{told(row.plan)}</td>
      <td>
        <span class="health">{tell(row.value === undefined ? "missing" : row.health)}</span>
      </td>
    </tr>
  );
}

/** The old units that became this ward, and what its code meant before. */
function Lineage({ item, name }: { item: Item; name?: string }) {
  const code = String(item.properties.code);
  const answer = useAnswer(`lineage/${code}`, () => Promise.all([linksOf("to_code", code), linksOf("from_code", code)]));
  return (
    <section aria-label={tell("lineage")}>
      <h3>{[tell("lineage"), name].filter(Boolean).join(" – ")}</h3>
      <Told answer={answer}>
        {([came, went]) => (
          <>
            <Origins rows={origins(came)} />
            <OldMeaning code={code} name={String(item.properties.full_name)} went={went} />
          </>
        )}
      </Told>
    </section>
  );
}

const linksOf = (column: string, code: string): Promise<Item[]> => fetchItems(LINKS, { [column]: code, datetime: `${EVE}/${REFORM}`, limit: "200" });

function Origins({ rows }: { rows: readonly Origin[] }) {
  if (rows.length === 0) return <p class="hint">{tell("noLineage")}</p>;
  if (rows.length === 1 && rows[0]!.unchanged) return <p>{tell("unchangedWard")} <OldName row={rows[0]!} /></p>;
  const clauses = rows.some(({ clause }) => clause);
  const weight = rows.find(({ whole, share }) => !whole && share)?.share?.weight;
  return (
    <>
      <table class="origins">
        <thead>
          <tr>
            <th scope="col">{tell("oldUnit")}</th>
            <th scope="col">{tell("came")}</th>
            {clauses && <th scope="col">{tell("clause")}</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.uid} data-origin={row.code}>
              <th scope="row">
                <OldName row={row} />
              </th>
              <td>{partOf(row)}</td>
              {clauses && <td>{row.clause ?? "–"}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint">
        {weight && tell("weightNote", { weight: tell(weight) })} {!clauses && tell("noClause")}
      </p>
    </>
  );
}

function OldName({ row }: { row: Origin }) {
  return (
    <>
      {row.name}
      {row.district && <span class="hint">{row.district}</span>}
    </>
  );
}

function partOf({ whole, share }: Origin): string {
  if (whole) return tell("whole");
  return share ? tell("partOf", { n: `${figure(share.value * 100, language.value, 0)}%` }) : tell("part");
}

function OldMeaning({ code, name, went }: { code: string; name: string; went: readonly Item[] }) {
  const before = went[0]?.properties;
  if (!before || before.from_name === name) return null;
  const old = [before.from_name, before.from_parent].filter(Boolean).join(", ");
  return <p class="warned">{tell("oldMeaning", { code, name: old })}</p>;
}

/** What an answer tells: the figures, or in words why there are none. */
function Told<T>({ answer, children }: { answer: Answer<T>; children: (value: T) => ComponentChildren }) {
  if (answer.state === "here") return <>{children(answer.value)}</>;
  if (answer.state === "loading") return <p class="hint" role="status">{tell("askingEngine")}</p>;
  return (
    <p class="warned" role="status">
      {tell(answer.state === "closed" ? "notAllowed" : "failing")}
    </p>
  );
}

function emptiness(answer: Answer<unknown>): string {
  return answer.state === "loading" ? "…" : "–";
}

function valueOf<T>(answer: Answer<T>): T | undefined {
  return answer.state === "here" ? answer.value : undefined;
}

function nameOf(answer: Answer<Item | undefined>): string | undefined {
  const name = valueOf(answer)?.properties.full_name;
  return name === undefined ? undefined : String(name);
}

function shortOf({ properties }: Item): string {
  return String(properties.name ?? properties.full_name);
}

/** Layers of the list that are counted by ward. */
function countedLayers(): string[] {
  return [...cards.value].filter(([name, card]) => card.counted && card.listed && name !== PETITIONS).map(([name]) => name);
}

const wardBy = async (code: string): Promise<Item | undefined> => (await fetchItems(WARDS, { code, limit: "1" }))[0];
const asked = new Map<string, Promise<Aggregate>>();

/** Figures of every ward, asked once while the room is open. */
function aggregateOf(layer: string, by: string): Promise<Aggregate> {
  const key = `${layer}/${by}`;
  const known = asked.get(key) ?? fetchAggregate(layer, { by });
  asked.set(key, known);
  known.catch(() => asked.delete(key));
  return known;
}

function close(): void {
  asked.clear();
  ward.value = undefined;
  closeHere();
}

/** The map shows the ward of the room, and a click on another ward opens that one. */
function followMap(code: string, answer: Answer<Item | undefined>): void {
  const found = findings.value?.found.find(({ layer }) => layer === WARDS)?.properties.code;
  const item = valueOf(answer);
  useEffect(() => {
    if (found === undefined || found === code) return;
    const { beside } = ward.value!;
    ward.value = { code: String(found), ...(beside && beside !== found && { beside }) };
  }, [found]);
  useEffect(() => {
    const [lon, lat] = middle(item?.geometry ?? null);
    if (item && item.properties.code !== found && item.id !== undefined) showItem(WARDS, item.id, lon, lat);
  }, [item]);
}

function middle(geometry: GeoJSON.Geometry | null): [number, number] {
  const ring = geometry?.type === "Polygon" ? geometry.coordinates[0] : geometry?.type === "MultiPolygon" ? geometry.coordinates[0]?.[0] : undefined;
  const points = ring ?? [[0, 0]];
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + (point[at] ?? 0), 0) / points.length;
  return [mean(0), mean(1)];
}
