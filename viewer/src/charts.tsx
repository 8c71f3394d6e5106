/** Charts as tables with a drawing in them: who cannot see the drawing reads the same figures. */
import { figure } from "./format";
import { language } from "./state";

export interface Row {
  key: string;
  name: string;
  value: number;
  /** The same of the ward beside it, when two are compared. */
  other?: number | undefined;
}

interface BarsProps {
  caption: string;
  rows: readonly Row[];
  /** Headings of the first column, and of each amount. */
  heads: readonly string[];
}

const WIDE = 100;

/** Horizontal bars, one row each; two bars a row when two wards are compared. */
export function Bars({ caption, rows, heads }: BarsProps) {
  const most = Math.max(1, ...rows.flatMap(({ value, other }) => [value, other ?? 0]));
  const two = heads.length > 2;
  return (
    <table class="bars">
      <caption>{caption}</caption>
      <thead class={two ? "" : "unseen"}>
        <tr>
          {heads.map((head, at) => (
            <th key={at} scope="col" class={at > 0 ? "number" : ""}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, value, other }) => (
          <tr key={key}>
            <th scope="row">
              {name}
              <Bar share={value / most} {...(two && { other: (other ?? 0) / most })} />
            </th>
            <td class="number">{figure(value, language.value, 0)}</td>
            {two && <td class="number">{figure(other ?? 0, language.value, 0)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** One bar, or two of which the second is the other ward's. Shares are between 0 and 1. */
export function Bar({ share, other }: { share: number; other?: number }) {
  const tall = other === undefined ? 6 : 12;
  return (
    <svg class="bar-of" viewBox={`0 0 ${WIDE} ${tall}`} preserveAspectRatio="none" aria-hidden="true">
      <rect width={WIDE} height="6" class="track" />
      <rect width={WIDE * share} height="6" class="one" />
      {other !== undefined && <rect y="7" width={WIDE * other} height="5" class="two" />}
    </svg>
  );
}

interface TrendProps {
  caption: string;
  /** Heading of the amounts. */
  head: string;
  periodHead: string;
  points: readonly (readonly [name: string, value: number])[];
}

const TALL = 64;

/** Columns through time, with the figures as a table below for those who ask, or read by ear. */
export function Trend({ caption, head, periodHead, points }: TrendProps) {
  const most = Math.max(1, ...points.map(([, value]) => value));
  const step = 300 / Math.max(1, points.length);
  return (
    <figure class="trend">
      <svg viewBox={`0 0 300 ${TALL + 2}`} preserveAspectRatio="none" aria-hidden="true">
        {points.map(([name, value], at) => (
          <rect key={name} x={at * step + 1.5} width={step - 3} y={TALL - (TALL * value) / most} height={(TALL * value) / most + 1} class="one">
            <title>{`${name}: ${figure(value, language.value, 0)}`}</title>
          </rect>
        ))}
      </svg>
      <div class="axis" aria-hidden="true">
        <span>{points[0]?.[0]}</span>
        <span>{points.at(-1)?.[0]}</span>
      </div>
      <details>
        <summary>{caption}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{periodHead}</th>
              <th scope="col" class="number">
                {head}
              </th>
            </tr>
          </thead>
          <tbody>
            {points.map(([name, value]) => (
              <tr key={name}>
                <td>{name}</td>
                <td class="number">{figure(value, language.value, 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

/** A line of a few values, as high as a word. */
export function Spark({ values }: { values: readonly number[] }) {
  if (values.length < 2) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const place = (value: number, at: number) => `${(at / (values.length - 1)) * 58 + 1} ${high === low ? 9 : 16 - ((value - low) / (high - low)) * 14}`;
  return (
    <svg class="spark" viewBox="0 0 60 18" aria-hidden="true">
      <polyline points={values.map(place).join(",")} />
    </svg>
  );
}
