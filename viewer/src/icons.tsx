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
  measure: "M3.5 15.5l12-12 5 5-12 12zM7 12l2 2M10 9l3 3M13 6l2 2",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M12 7.5V12l3 2",
  table: "M4 5h16v14H4zM4 9.5h16M4 14.2h16M10 5v14",
  filter: "M4 5.5h16l-6.2 7v5.5l-3.6 1.5v-7z",
  link: "M10 14a4 4 0 0 0 6 .4l2.8-2.8a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.4l-2.8 2.8a4 4 0 0 0 5.7 5.7L12 17",
  up: "M12 19V5.5M6.5 11 12 5.5l5.5 5.5",
  down: "M12 5v13.5M6.5 13l5.5 5.5 5.5-5.5",
  download: "M12 4v11M7 10.5l5 5 5-5M5 19.5h14",
  copy: "M9 9h10.5v10.5H9zM5 15H4.5V4.5H15V5",
  play: "M8 5.5v13l10-6.5z",
  pause: "M8 5.5v13M16 5.5v13",
  pin: "M12 21s6.5-6 6.5-11a6.5 6.5 0 0 0-13 0c0 5 6.5 11 6.5 11M12 8a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
  road: "M8.5 20 10 4M15.5 20 14 4M12 5v2.5M12 11v2.5M12 17v2.5",
  ward: "M4 7l5-2.5 6 2.5 5-2.5v13L15 20l-6-2.5L4 20z",
  house: "M4 11.5 12 5l8 6.5M6.5 10v9.5h11V10M10.5 19.5V14h3v5.5",
  more: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.8v4.4M8 14.8v4.4",
  swipe: "M12 3.5v17M4.5 6.5h4.5v11H4.5zM15 6.5h4.5v11H15zM15 9.5l4.5 4.5",
  share: "M12 14V4M8 7.5 12 3.5l4 4M7 11H5v9.5h14V11h-2",
  print: "M7 9V4h10v5M7 17H4.5V9.5h15V17H17M7 14h10v6H7z",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3M12 14.5v2",
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
