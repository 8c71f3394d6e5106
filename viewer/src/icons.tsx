/** The few signs of the page, drawn here. */
const PATHS = {
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  home: "M4 11.5 12 5l8 6.5M6.5 10v9h11v-9",
  north: "M12 4l5 15-5-3.5L7 19z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  layers: "M12 4 3.5 8.5 12 13l8.5-4.5zM3.5 12.5 12 17l8.5-4.5M3.5 16.2 12 20.7l8.5-4.5",
  fold: "M6 15l6-6 6 6",
  close: "M6 6l12 12M18 6 6 18",
  search: "M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M15 15l5 5",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M12 11v5.5M12 7.5v.2",
  warning: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.2",
} as const;

export type IconName = keyof typeof PATHS | "city";

export function Icon({ name }: { name: IconName }) {
  if (name === "city") return <City />;
  return (
    <svg class="sign" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

function City() {
  return (
    <svg class="emblem" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" class="ground" />
      <path d="M7 9.5 13 7l6 2.5L25 7v15.5L19 25l-6-2.5L7 25z" class="paper" />
      <path d="M13 7v15.5M19 9.5V25" class="fold" />
      <path d="M7 19c4-1 6-5 9-5s5 3 9 1" class="river" />
    </svg>
  );
}
