/** Attributes as people write them: Vietnamese numbers and dates, codes by their titles. */
import type { Language } from "./address";
import type { Property } from "./engine";

const LOCALES: Record<Language, string> = { vi: "vi-VN", en: "en-GB" };
const CITY_TIME = "Asia/Ho_Chi_Minh";
/** UCUM symbols that people write otherwise. */
const UNITS: Record<string, string | Record<Language, string>> = {
  "1": "",
  m2: "m²",
  m3: "m³",
  km2: "km²",
  "ug/m3": "µg/m³",
  "m3/s": "m³/s",
  Cel: "°C",
  min: { vi: "phút", en: "min" },
  h: { vi: "giờ", en: "h" },
  d: { vi: "ngày", en: "days" },
  a: { vi: "năm", en: "years" },
  "{VND}": { vi: "đồng", en: "VND" },
};

/** A value in words, or undefined when there is none. yes and no: the words for a boolean. */
export function format(
  value: unknown,
  property: Property,
  language: Language,
  yes: string,
  no: string,
): string | undefined {
  if (value === null || value === undefined || value === "") return undefined;
  if (Array.isArray(value)) return value.map((one) => format(one, property, language, yes, no)).join(", ") || undefined;
  const code = property.oneOf?.find((option) => option.const === value);
  if (code) return code.title ?? String(value);
  if (typeof value === "boolean") return value ? yes : no;
  if (typeof value === "number") return withUnit(number(value, property, language), property, language);
  if (typeof value === "object") return JSON.stringify(value);
  return time(String(value), property.format, language);
}

export function unit(property: Property, language: Language): string {
  const symbol = property["x-ogc-unit"] ?? "";
  const written = UNITS[symbol] ?? symbol.replace(/^\{(.*)\}$/, "$1");
  return typeof written === "string" ? written : written[language];
}

/** A bare number, with so many decimals at most. */
export function figure(value: number, language: Language, digits = 1): string {
  return new Intl.NumberFormat(LOCALES[language], { maximumFractionDigits: digits }).format(value);
}

/** The month that a day is in: `05/2026`. */
export function monthOf(day: string): string {
  return `${day.slice(5, 7)}/${day.slice(0, 4)}`;
}

/** The day of an instant, in the city's time. */
export function day(text: string, language: Language): string {
  const at = Date.parse(text);
  return Number.isNaN(at) ? text : shape(at, { dateStyle: "long", timeZone: CITY_TIME }, language);
}

/** Degrees as a person copies them: latitude first, with a full stop whatever the language. */
export function degrees(lon: number, lat: number): string {
  return `${lat.toFixed(5)}, ${lon.toFixed(5)}`;
}

/** Text without case, accents and Đ, for comparing what people type. */
export function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[đĐÐ]/g, "d").toLowerCase();
}

function number(value: number, property: Property, language: Language): string {
  const year = property.type === "integer" && !property["x-ogc-unit"] && value >= 1800 && value <= 2200;
  return new Intl.NumberFormat(LOCALES[language], { maximumFractionDigits: 6, useGrouping: !year }).format(value);
}

function withUnit(text: string, property: Property, language: Language): string {
  const symbol = unit(property, language);
  return symbol ? `${text}${symbol === "%" ? "" : "\u00a0"}${symbol}` : text;
}

function time(text: string, kind: string | undefined, language: Language): string {
  if (kind === "date") return date(text, language) ?? text;
  if (kind === "date-time") return moment(text, language) ?? text;
  return text;
}

function date(text: string, language: Language): string | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  return parts
    ? shape(Date.UTC(+parts[1]!, +parts[2]! - 1, +parts[3]!), { dateStyle: "long", timeZone: "UTC" }, language)
    : undefined;
}

function moment(text: string, language: Language): string | undefined {
  const at = Date.parse(text);
  return Number.isNaN(at)
    ? undefined
    : shape(at, { dateStyle: "medium", timeStyle: "short", timeZone: CITY_TIME }, language);
}

function shape(at: number, options: Intl.DateTimeFormatOptions, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], options).format(at);
}
