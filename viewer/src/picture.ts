/** The map as a picture with what a map needs below it: title, layers, scale, north, day and sources. */
import { day, figure } from "./format";
import { tell } from "./roomwords";
import { bearing, cards, language, place, shown, style, title } from "./state";
import { attributions } from "./smallprint";
import { metresPerPixel, roundLength, scaleOf } from "./titleblock";

const BLOCK_PX = 92;
const [PAPER, INK, FAINT] = ["#fffdf9", "#22272b", "#5b6267"];

/** A copy of the map with a title block below. drawn: in device pixels. */
export async function titled(drawn: HTMLCanvasElement): Promise<HTMLCanvasElement> {
  await document.fonts.ready;
  const ratio = drawn.width / innerWidth;
  const made = document.createElement("canvas");
  [made.width, made.height] = [drawn.width, drawn.height + BLOCK_PX * ratio];
  const pen = made.getContext("2d")!;
  pen.fillStyle = PAPER;
  pen.fillRect(0, 0, made.width, made.height);
  pen.drawImage(drawn, 0, 0);
  pen.setTransform(ratio, 0, 0, ratio, 0, drawn.height);
  const wide = made.width / ratio;
  const left = Math.min(wide * 0.6, wide - 230);
  words(pen, left - 32);
  bar(pen, left);
  north(pen, wide - 34);
  return made;
}

/** Title, layers, day and sources, each cut to the width. */
function words(pen: CanvasRenderingContext2D, wide: number): void {
  const layers = [...shown.value].filter((name) => cards.value.get(name)?.listed).map(title);
  const said: [text: string, y: number, font: string, ink: string][] = [
    [style.value?.name ?? "", 26, "600 17px", INK],
    [layers.join(", "), 46, "400 12px", INK],
    [attributions().join(" · "), 64, "400 11px", FAINT],
    [`${tell("onDay", { day: day(new Date().toISOString(), language.value) })} · ${location.host}`, 81, "400 11px", FAINT],
  ];
  for (const [text, y, font, ink] of said) {
    [pen.font, pen.fillStyle] = [`${font} "Be Vietnam Pro", sans-serif`, ink];
    pen.fillText(cut(pen, text, wide), 16, y);
  }
}

function cut(pen: CanvasRenderingContext2D, text: string, wide: number): string {
  if (pen.measureText(text).width <= wide) return text;
  let end = text.length;
  while (end > 0 && pen.measureText(`${text.slice(0, end)}…`).width > wide) end -= 1;
  return `${text.slice(0, end)}…`;
}

function bar(pen: CanvasRenderingContext2D, left: number): void {
  const { zoom = 0, lat = 0 } = place.value ?? {};
  const metres = metresPerPixel(zoom, lat);
  const length = roundLength(metres * 150);
  const long = length / metres;
  [pen.fillStyle, pen.strokeStyle, pen.lineWidth] = [INK, INK, 1];
  pen.fillRect(left, 30, long / 2, 7);
  pen.strokeRect(left + 0.5, 30.5, long, 6);
  pen.font = `400 12px "Be Vietnam Pro", sans-serif`;
  pen.fillText(length >= 1000 ? `${figure(length / 1000, language.value)} km` : `${figure(length, language.value)} m`, left, 54);
  pen.fillText(`≈ 1:${figure(scaleOf(zoom, lat), language.value, 0)} (96 dpi)`, left, 72);
}

/** An arrow that points north, however the map is turned. */
function north(pen: CanvasRenderingContext2D, x: number): void {
  pen.save();
  pen.translate(x, 42);
  pen.rotate((-bearing.value * Math.PI) / 180);
  pen.beginPath();
  for (const [right, down] of [[0, -22], [9, 14], [0, 7], [-9, 14]] as const) pen.lineTo(right, down);
  pen.closePath();
  pen.fillStyle = INK;
  pen.fill();
  pen.restore();
}

export function download(drawn: HTMLCanvasElement, name: string): void {
  drawn.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement("a");
    [link.href, link.download] = [URL.createObjectURL(blob), name];
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }, "image/png");
}
