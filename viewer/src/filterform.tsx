/** A layer's filter as a form, made of what the engine says can be asked: codes to tick, numbers and days from and to. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Condition, type Conditions, says } from "./conditions";
import { type Property, fetchCount } from "./engine";
import { unit } from "./format";
import { schemaOf } from "./identify";
import { parameters } from "./questions";
import { asked, filters, language, restrict, title } from "./state";
import { say } from "./words";

type Kind = Condition["kind"];

const columns = signal<readonly [string, Property][]>([]);
const count = signal<number | "asking" | "failed">("asking");

export function FilterForm({ name }: { name: string }) {
  const conditions = filters.value.get(name) ?? {};
  useEffect(() => {
    columns.value = [];
    void schemaOf(name).then(({ properties }) => (columns.value = filterable(properties)));
  }, [name, language.value]);
  useEffect(() => counted(name), [name, filters.value]);
  const form = useRef<HTMLFormElement>(null);
  const ready = columns.value.length > 0;
  useEffect(() => form.current?.scrollIntoView({ block: "nearest" }), [ready]);
  const set = (column: string, condition: Condition) => restrict(name, { ...conditions, [column]: condition });
  return (
    <form
      ref={form}
      class="filter" aria-label={say("filterOf", { layer: title(name) })} onSubmit={(event) => event.preventDefault()}>
      {columns.value.map(([column, property]) => (
        <Field key={column} column={column} property={property} conditions={conditions} set={(one) => set(column, one)} />
      ))}
      <div class="foot">
        <span role="status">{told()}</span>
        {Object.keys(conditions).length > 0 && (
          <button type="button" class="text" onClick={() => restrict(name, {})}>
            {say("clearFilter")}
          </button>
        )}
      </div>
    </form>
  );
}

interface FieldProps {
  column: string;
  property: Property;
  conditions: Conditions;
  set: (condition: Condition) => void;
}

function Field({ column, property, conditions, set }: FieldProps) {
  const kind = kindOf(property)!;
  const now = conditions[column];
  const label = [property.title ?? column, kind === "number" ? unit(property, language.value) : ""].filter(Boolean);
  const parts = { codes: Codes, number: Range, date: Range, time: Range, text: Contains, flag: Flag };
  const Part = parts[kind] as typeof Codes;
  return (
    <fieldset class={now && says(now) ? "set" : ""} data-filter={column}>
      <legend title={property.description}>{label.join(", ")}</legend>
      <Part kind={kind} property={property} now={now} set={set} />
    </fieldset>
  );
}

interface PartProps {
  kind: Kind;
  property: Property;
  now: Condition | undefined;
  set: (condition: Condition) => void;
}

function Codes({ property, now, set }: PartProps) {
  const codes = now?.kind === "codes" ? now.codes : [];
  const flip = (code: string) =>
    set({ kind: "codes", codes: codes.includes(code) ? codes.filter((one) => one !== code) : [...codes, code] });
  return (
    <div class="choices">
      {property.oneOf!.map(({ const: code, title: words }) => (
        <label key={String(code)}>
          <input type="checkbox" checked={codes.includes(String(code))} onChange={() => flip(String(code))} />
          {words ?? String(code)}
        </label>
      ))}
    </div>
  );
}

function Range({ kind, property, now, set }: PartProps) {
  const ends = now && "from" in now ? now : { from: "", to: "" };
  const change = (end: "from" | "to") => (event: { currentTarget: HTMLInputElement }) =>
    set({ kind: kind as "number", from: ends.from, to: ends.to, [end]: event.currentTarget.value });
  const field = (end: "from" | "to") => (
    <label>
      {say(end)}
      <input
        type={kind === "number" ? "number" : "date"}
        step="any"
        aria-label={`${property.title}: ${say(end)}`}
        value={ends[end]}
        onChange={change(end)}
      />
    </label>
  );
  return (
    <div class="ends">
      {field("from")}
      {field("to")}
    </div>
  );
}

function Contains({ property, now, set }: PartProps) {
  return (
    <input
      type="text"
      placeholder={say("contains")}
      aria-label={`${property.title}: ${say("contains")}`}
      value={now?.kind === "text" ? now.text : ""}
      onChange={(event) => set({ kind: "text", text: event.currentTarget.value })}
    />
  );
}

function Flag({ property, now, set }: PartProps) {
  const value = now?.kind === "flag" ? String(now.value) : "";
  return (
    <select
      aria-label={property.title}
      value={value}
      onChange={({ currentTarget: { value: said } }) =>
        set(said ? { kind: "flag", value: said === "true" } : { kind: "text", text: "" })
      }
    >
      <option value="">{say("any")}</option>
      <option value="true">{say("yes")}</option>
      <option value="false">{say("no")}</option>
    </select>
  );
}

/** Columns that a condition can be set on, choices first. */
function filterable(properties: Record<string, Property>): [string, Property][] {
  const order: Kind[] = ["codes", "flag", "number", "date", "time", "text"];
  return Object.entries(properties)
    .filter(([, property]) => kindOf(property) !== undefined)
    .sort(([, one], [, other]) => order.indexOf(kindOf(one)!) - order.indexOf(kindOf(other)!));
}

function kindOf(property: Property): Kind | undefined {
  if (property["x-ogc-role"] === "id" || property.format?.startsWith("geometry-")) return undefined;
  if (property.oneOf) return "codes";
  if (property.type === "boolean") return "flag";
  if (property.type === "integer" || property.type === "number") return "number";
  if (property.format === "date") return "date";
  if (property.format === "date-time") return "time";
  return property.type === "string" && property.format !== "uri" ? "text" : undefined;
}

/** Counts what the filter keeps; gives how to stop. */
function counted(name: string): () => void {
  const asking = new AbortController();
  count.value = "asking";
  fetchCount(name, parameters(asked(name)), asking.signal).then(
    (n) => (count.value = n),
    () => {
      if (!asking.signal.aborted) count.value = "failed";
    },
  );
  return () => asking.abort();
}

function told(): string {
  if (count.value === "asking") return say("counting");
  if (count.value === "failed") return say("filterFailed");
  return say("matching", { n: count.value.toLocaleString(language.value === "vi" ? "vi-VN" : "en-GB") });
}
