/** The address keeps what is on the screen: `#map=14/10.77690/106.70090&layers=roads,wards&lang=en&theme=dark`. */

export type Language = "vi" | "en";
export type Theme = "light" | "dark";

export interface Place {
  zoom: number;
  lat: number;
  lon: number;
}

/** What an address may say; a part that is absent, or makes no sense, is left to the page. */
export interface Address {
  place?: Place;
  layers?: string[];
  language?: Language;
  theme?: Theme;
}

export function parse(hash: string): Address {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const place = placeOf(said.get("map"));
  const layers = said.get("layers");
  const language = said.get("lang");
  const theme = said.get("theme");
  return {
    ...(place && { place }),
    ...(layers !== null && { layers: layers.split(",").filter((name) => /^[a-z][a-z0-9_]*$/.test(name)) }),
    ...((language === "vi" || language === "en") && { language }),
    ...((theme === "light" || theme === "dark") && { theme }),
  };
}

export function format({ place, layers, language, theme }: Address): string {
  const parts = [
    place && `map=${round(place.zoom, 2)}/${place.lat.toFixed(5)}/${place.lon.toFixed(5)}`,
    layers && `layers=${layers.join(",")}`,
    language && `lang=${language}`,
    theme && `theme=${theme}`,
  ];
  return `#${parts.filter(Boolean).join("&")}`;
}

function placeOf(text: string | null): Place | undefined {
  const numbers = (text ?? "").split("/").map((part) => (part === "" ? NaN : Number(part)));
  const [zoom = NaN, lat = NaN, lon = NaN] = numbers;
  const sound = numbers.length === 3 && zoom >= 0 && zoom <= 24 && Math.abs(lat) <= 85 && Math.abs(lon) <= 180;
  return sound ? { zoom, lat, lon } : undefined;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
