// Everything the station says of itself, as it says it: nothing published stays unseen because no tile was made for it.

import { arrange, element, keyed, setText } from "../../dom.js";
import { format } from "../../parameters.js";

export const title = "As published";
export const order = 30;
export const size = "two-thirds";

const UNITS = [[/_ms$/, "ms"], [/_mb$/, "MB"], [/_c$/, "°C"], [/_s$/, "s"], [/_deg$/, "°"], [/_m$/, "m"], [/_percent$/, "%"]];

export function create(page) {
  const body = element("dl.facts.columns.number");
  const none = element("p.quiet");
  const rows = new Map();
  return {
    element: element("div", {}, none, body),
    draw() {
      const data = page.station()?.health?.data ?? {};
      const keys = Object.keys(data).filter((key) => key !== "ts");
      setText(none, keys.length ? "" : "Nothing published.");
      const parts = keyed(rows, keys, (key) => key, (key) => makeRow(key));
      arrange(body, parts.map((part) => part.element));
      parts.forEach((part, index) => setText(part.value, `${format(data[keys[index]])} ${part.unit}`));
    },
  };
}

function makeRow(key) {
  const [pattern, unit] = UNITS.find(([end]) => end.test(key)) ?? [/$^/, ""];
  const value = element("dd");
  return { value, unit, element: element("div", {}, element("dt", {}, key.replace(pattern, "").replaceAll("_", " ")), value) };
}
