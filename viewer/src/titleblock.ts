/** Scales of a map of the web: pure functions. */

/** Metres of one CSS pixel at a zoom and latitude; tiles are of 512 pixels. */
export function metresPerPixel(zoom: number, lat: number): number {
  return (40_075_016.686 * Math.cos((lat * Math.PI) / 180)) / (512 * 2 ** zoom);
}

/** The denominator of the scale on a screen of 96 dots to the inch, to two digits. */
export function scaleOf(zoom: number, lat: number): number {
  const exact = metresPerPixel(zoom, lat) / (0.0254 / 96);
  const step = 10 ** Math.max(0, Math.floor(Math.log10(exact)) - 1);
  return Math.round(exact / step) * step;
}

/** The longest round length, 1, 2 or 5 with noughts, of at most so many metres. */
export function roundLength(most: number): number {
  const ten = 10 ** Math.floor(Math.log10(most));
  return ten * ([5, 2, 1].find((digit) => digit * ten <= most) ?? 1);
}
