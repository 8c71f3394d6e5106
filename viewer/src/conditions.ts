/** Filters as people set them, one condition a column; as CQL2 for the server, and short for the address. */

export type Condition =
  | { kind: "codes"; codes: readonly string[] }
  | { kind: "number" | "date" | "time"; from: string; to: string }
  | { kind: "text"; text: string }
  | { kind: "flag"; value: boolean };

/** Conditions by column; all of them are to be met. */
export type Conditions = Readonly<Record<string, Condition>>;

const SIGNS = { codes: "=", number: "#", date: "d", time: "t", text: "*", flag: "!" } as const;
const DAY_MS = 86_400_000;
/** The city's days begin seven hours before Greenwich's. */
const CITY_OFFSET = "+07:00";

/** Whether a condition says anything. */
export function says(condition: Condition): boolean {
  switch (condition.kind) {
    case "codes":
      return condition.codes.length > 0;
    case "text":
      return condition.text.trim() !== "";
    case "flag":
      return true;
    default:
      return condition.from !== "" || condition.to !== "";
  }
}

/** The conditions as CQL2 text; empty when they say nothing. */
export function cql(conditions: Conditions): string {
  return Object.entries(conditions)
    .filter(([, condition]) => says(condition))
    .map(([column, condition]) => one(column, condition))
    .join(" AND ");
}

function one(column: string, condition: Condition): string {
  switch (condition.kind) {
    case "codes":
      return `${column} IN (${condition.codes.map(quoted).join(",")})`;
    case "text":
      return `CASEI(ACCENTI(${column})) LIKE CASEI(ACCENTI(${quoted(`%${escaped(condition.text.trim())}%`)}))`;
    case "flag":
      return `${column} = ${condition.value ? "TRUE" : "FALSE"}`;
    default:
      return bounds(column, condition);
  }
}

function bounds(column: string, { kind, from, to }: Extract<Condition, { from: string }>): string {
  const told = { number: String, date: (day: string) => `DATE(${quoted(day)})`, time: (day: string) => instant(day) }[
    kind
  ];
  const upper = kind === "time" ? `${column} < ${instant(to, 1)}` : `${column} <= ${told(to)}`;
  return [from && `${column} >= ${told(from)}`, to && upper].filter(Boolean).join(" AND ");
}

/** The first moment of a day of the city, or of one so many days later. */
export function instant(day: string, later = 0): string {
  return `TIMESTAMP(${quoted(moment(day, later))})`;
}

export function moment(day: string, later = 0): string {
  const at = Date.parse(`${day}T00:00:00${CITY_OFFSET}`) + later * DAY_MS;
  return new Date(at).toISOString().replace(".000Z", "Z");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function escaped(text: string): string {
  return text.replace(/[\\%_]/g, "\\$&");
}

/** `level==primary|lower_secondary;pupils=#100..500`: what stands in the address, each part encoded. */
export function short(conditions: Conditions): string {
  return Object.entries(conditions)
    .filter(([, condition]) => says(condition))
    .map(([column, condition]) => `${column}=${SIGNS[condition.kind]}${value(condition)}`)
    .join(";");
}

function value(condition: Condition): string {
  switch (condition.kind) {
    case "codes":
      return condition.codes.map(encodeURIComponent).join("|");
    case "text":
      return encodeURIComponent(condition.text);
    case "flag":
      return condition.value ? "1" : "0";
    default:
      return `${condition.from}..${condition.to}`;
  }
}

/** The conditions of an address; what makes no sense is left out. */
export function long(text: string): Conditions {
  const found: Record<string, Condition> = {};
  for (const part of text.split(";")) {
    const [, column, sign, said] = /^([a-z][a-z0-9_]*)=(.)(.*)$/.exec(part) ?? [];
    const condition = column && sign ? read(sign, said ?? "") : undefined;
    if (column && condition && says(condition)) found[column] = condition;
  }
  return found;
}

function read(sign: string, said: string): Condition | undefined {
  const [from = "", to = ""] = said.split("..");
  const days = [from, to].every((day) => day === "" || /^\d{4}-\d{2}-\d{2}$/.test(day));
  const numbers = [from, to].every((number) => Number.isFinite(Number(number)));
  try {
    if (sign === SIGNS.codes) return { kind: "codes", codes: said.split("|").map(decodeURIComponent) };
    if (sign === SIGNS.text) return { kind: "text", text: decodeURIComponent(said) };
  } catch {
    return undefined;
  }
  if (sign === SIGNS.flag) return { kind: "flag", value: said === "1" };
  if (sign === SIGNS.number && numbers) return { kind: "number", from, to };
  if (sign === SIGNS.date && days) return { kind: "date", from, to };
  if (sign === SIGNS.time && days) return { kind: "time", from, to };
  return undefined;
}
