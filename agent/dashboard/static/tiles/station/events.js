// What happened: passes as they began and ended, alarms that are over. Newest first, as far as this page remembers.

import { arrange, element, keyed, setText } from "../../dom.js";
import { setSign, sign } from "../../severity.js";
import { bothClocks, utc } from "../../time.js";

export const title = "Lately";
export const order = 40;
export const size = "third";

const SHOWN = 14;
const WORDS = { aos: "rose", tca: "was highest", los: "set" };

export function create(page) {
  const list = element("ol.events.number");
  const none = element("p.quiet");
  const rows = new Map();
  return {
    element: element("div", {}, none, list),
    draw() {
      const station = page.station();
      const events = (station?.events ?? []).map(({ data, ts }) => ({
        ts,
        level: "normal",
        words: `${page.store.satellites.get(data.satellite)?.name ?? data.satellite} ${WORDS[data.type] ?? data.type} at ${data.elevation_deg?.toFixed(0) ?? "?"}°, azimuth ${data.azimuth_deg?.toFixed(0) ?? "?"}°${data.type === "los" ? `: ${data.frames ?? "unknown"} frames` : ""}`,
      }));
      const ended = page.store.endedAlarms
        .filter(({ alarm }) => alarm.station === station?.name)
        .map(({ alarm, endedMs }) => ({ ts: endedMs, level: "unknown", words: `${alarm.satellite.name}: the alarm on ${String(alarm.data.parameter).replaceAll("_", " ")} (${alarm.data.level}) is over` }));
      const shown = [...events, ...ended].sort((one, other) => other.ts - one.ts).slice(0, SHOWN);
      setText(none, shown.length ? "" : "Nothing since this page was opened.");
      const parts = keyed(rows, shown, (item) => `${item.ts}/${item.words}`, (_, item) => makeRow(item));
      arrange(list, parts.map((part) => part.element));
    },
  };
}

function makeRow({ ts, level, words }) {
  const mark = sign(level);
  setSign(mark, level);
  return { element: element("li", {}, element("time", { title: bothClocks(ts) }, utc(ts)), mark, element("span", {}, words)) };
}
