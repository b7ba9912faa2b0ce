// What was received last: frames as octets, and the packets decoded from them.

import { arrange, element, keyed, setClass, setText, setTitle } from "../../dom.js";
import { describe, format, parameterKeys } from "../../parameters.js";
import { bothClocks, utc } from "../../time.js";

export const title = "Frames and packets";
export const order = 40;
export const size = "full";

const SHOWN = 40;

/** Octets as people read them: offset, hex, ASCII. */
export function hexDump(hex) {
  const lines = [];
  for (let at = 0; at < hex.length; at += 32) {
    const octets = hex.slice(at, at + 32).match(/../g) ?? [];
    const letters = octets.map((octet) => {
      const code = parseInt(octet, 16);
      return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : "·";
    });
    lines.push(`${(at / 2).toString(16).padStart(4, "0")}  ${octets.join(" ").padEnd(48)} ${letters.join("")}`);
  }
  return lines.join("\n");
}

export function create(page) {
  const list = element("ol.frames.number", { "aria-label": "received, newest first" });
  const none = element("p.quiet");
  const heading = element("p.quiet.number");
  const dump = element("pre.hex", { hidden: true, tabIndex: 0, "aria-label": "octets" });
  const fields = element("tbody");
  const table = element("table.fields", {}, fields);
  const rows = new Map();
  let chosen = null;
  let shown = null;
  let drawn = "";

  const choose = (item) => {
    chosen = item;
    drawn = "";
    page.repaint();
  };

  /** Frames and packets in one list; a packet received at the same moment belongs to the frame. */
  function items(satellite) {
    const found = satellite.frames.map((entry) => ({ entry, kind: "frame", key: `f${entry.data.seq ?? entry.receivedMs}/${entry.ts}` }));
    const times = new Set(satellite.frames.map((entry) => entry.ts));
    for (const { packet, entry } of satellite.reports) {
      if (!times.has(entry.ts)) found.push({ entry, kind: packet, key: `p${packet}/${entry.ts}` });
    }
    return found.sort((one, other) => (other.entry.ts ?? 0) - (one.entry.ts ?? 0)).slice(0, SHOWN);
  }

  function drawChosen(satellite, item) {
    const { data, ts } = item.entry;
    setText(heading, item.kind === "frame" ? `${utc(ts)} UTC · ${data.downlink} · ${data.octets} octets · check ${data.check} · corrected ${data.corrected ?? 0}` : `${utc(ts)} UTC · packet ${item.kind} · its frame is not in this page's memory`);
    setTitle(heading, bothClocks(ts));
    setText(dump, typeof data.hex === "string" ? hexDump(data.hex) : "");
    dump.hidden = typeof data.hex !== "string";
    const reports = item.kind === "frame" ? satellite.reports.filter(({ entry }) => entry.ts === ts) : [{ packet: item.kind, entry: item.entry }];
    fields.replaceChildren(
      ...reports.flatMap(({ packet, entry }) => [
        element("tr", {}, element("th.packet-name", { colSpan: 2, scope: "colgroup" }, packet)),
        ...parameterKeys(entry.data).map((key) => {
          const about = describe(satellite, packet, key);
          return element("tr", {}, element("th", { scope: "row" }, about.label), element("td", {}, `${format(entry.data[key])} ${about.unit}`));
        }),
      ]),
      ...(reports.length ? [] : [element("tr", {}, element("td.quiet", {}, "No packet decoded from this frame is known to this page."))]),
    );
  }

  return {
    element: element("div.packet-view", {}, element("div.scroll", { tabIndex: 0, role: "group", "aria-label": "received" }, none, list), element("div.chosen", {}, heading, dump, element("div.scroll", { tabIndex: 0, role: "group", "aria-label": "decoded fields" }, table))),
    draw() {
      const satellite = page.satellite();
      if (satellite !== shown) {
        chosen = null;
        rows.clear();
        drawn = "";
      }
      shown = satellite;
      const present = satellite ? items(satellite) : [];
      setText(none, present.length ? "" : "Nothing received since this page was opened.");
      const parts = keyed(rows, present, (item) => item.key, (_, item) => new Row(item, choose));
      arrange(list, parts.map((part) => part.element));
      const current = present.find((item) => item.key === chosen?.key) ?? chosen ?? present[0];
      for (const part of parts) part.draw(part.item.key === current?.key);
      const stamp = current && `${current.key}/${satellite.reports.length}/${satellite.reports.at(-1)?.entry.ts}`;
      if (current && stamp !== drawn) {
        drawn = stamp;
        drawChosen(satellite, current);
      }
    },
  };
}

class Row {
  constructor(item, choose) {
    this.item = item;
    const { data, ts } = item.entry;
    const said = item.kind === "frame" ? `${data.downlink ?? ""} ${data.octets ?? "?"} octets` : item.kind;
    this._button = element("button", { type: "button", onclick: () => choose(item) }, element("span", {}, utc(ts)), element("span.quiet", {}, said));
    this.element = element("li", {}, this._button);
  }

  draw(chosen) {
    setClass(this._button, "current", chosen);
    this._button.setAttribute("aria-pressed", String(chosen));
  }
}
