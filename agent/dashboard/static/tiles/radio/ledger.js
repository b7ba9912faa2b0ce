// Every frame as it came, newest first: of this satellite or of all.

import { arrange, element, keyed, setText } from "../../dom.js";
import { bothClocks, utc } from "../../time.js";

export const title = "Frame ledger";
export const order = 30;
export const size = "full";

const SHOWN = 60;
const HEADS = ["received, UTC", "satellite", "downlink", "station", "octets", "check", "corrected", "SNR, dB", "offset, Hz"];

export function create(page) {
  const all = element("input", { type: "checkbox", onchange: () => page.repaint() });
  const body = element("tbody");
  const none = element("p.quiet");
  const note = element("label.note", {}, all, " all satellites");
  const rows = new Map();
  return {
    element: element("div.scroll.ledger", { tabIndex: 0, role: "group", "aria-label": "frame ledger" }, none, element("table.wide", {}, element("thead", {}, element("tr", {}, ...HEADS.map((text) => element("th", { scope: "col" }, text)))), body)),
    note,
    draw() {
      const satellite = page.satellite();
      const frames = all.checked ? page.store.frames : page.store.frames.filter((item) => item.satellite === satellite);
      const shown = frames.slice(-SHOWN).reverse();
      setText(none, shown.length ? "" : "No frame since this page was opened.");
      const parts = keyed(rows, shown, ({ entry }) => `${entry.station}/${entry.data.archive}/${entry.data.seq}/${entry.receivedMs}`, (_, item) => ({ element: row(item) }));
      arrange(body, parts.map((part) => part.element));
    },
  };
}

function row({ satellite, entry: { data, station, ts } }) {
  const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : "—");
  const cells = [satellite.name, data.downlink, station, data.octets, data.check, data.corrected ?? "—", number(data.snr_db, 1), number(data.frequency_offset_hz, 0)];
  return element("tr", {}, element("th", { scope: "row", title: bothClocks(ts) }, utc(ts)), ...cells.map((cell) => element("td", {}, String(cell ?? "—"))));
}
