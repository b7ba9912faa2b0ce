// Every parameter of every packet: value, unit, limits, its last minutes; a click or Enter opens its plot.

import { arrange, element, keyed, setClass, setData, setHidden, setText, setTitle } from "../../dom.js";
import { LimitBar } from "../../limit_bar.js";
import { describe, format, inWords, isStale, parameterKeys, verdict } from "../../parameters.js";
import { setSign, sign } from "../../severity.js";
import { Sparkline } from "../../sparkline.js";
import { ago, bothClocks, utc } from "../../time.js";

export const title = "Parameters";
export const order = 20;
export const size = "full";

export function create(page) {
  const search = element("input", { type: "search", placeholder: "Find a parameter ( / )", "aria-label": "find a parameter", oninput: () => page.repaint() });
  const out = element("input", { type: "checkbox", onchange: () => page.repaint() });
  const none = element("p.quiet");
  const tables = element("div.packets");
  const parts = new Map();
  let shown = null;

  return {
    element: element("div", {}, element("div.toolbar", {}, search, element("label", {}, out, " only out of limits"), none), tables),
    draw(nowMs) {
      const satellite = page.satellite();
      if (satellite !== shown) parts.clear();
      shown = satellite;
      const packets = satellite ? [...satellite.packets.keys()].sort() : [];
      setText(none, packets.length ? "" : "No packet has been received.");
      const blocks = keyed(parts, packets, (packet) => packet, (packet) => new PacketTable(page, packet));
      arrange(tables, blocks.map((block) => block.element));
      for (const block of blocks) block.draw(satellite, search.value.trim().toLowerCase(), out.checked, nowMs);
    },
  };
}

class PacketTable {
  constructor(page, packet) {
    this._page = page;
    this._packet = packet;
    this._rows = new Map();
    this._age = element("span.quiet.number");
    this._body = element("tbody");
    const heads = ["parameter", "value", "limits", "last values", "result"].map((text) => element("th", { scope: "col" }, text));
    this.element = element(
      "section.packet",
      { "aria-label": `packet ${packet}` },
      element("div.line", {}, element("h3", {}, packet), this._age),
      element("table.parameters", {}, element("thead", {}, element("tr", {}, ...heads)), this._body),
    );
  }

  draw(satellite, wanted, onlyOut, nowMs) {
    const entry = satellite.packets.get(this._packet);
    const second = Math.floor(nowMs / 1000);
    const stamp = `${entry.receivedMs}/${second}/${wanted}/${onlyOut}/${satellite.health?.ts}`;
    if (stamp === this._stamp) return;
    const slow = second !== this._second || !entry.data || wanted !== this._wanted || onlyOut !== this._onlyOut;
    Object.assign(this, { _stamp: stamp, _second: second, _wanted: wanted, _onlyOut: onlyOut });
    const stale = isStale(satellite, this._packet, entry, nowMs);
    setText(this._age, `${stale ? "stale · " : ""}received ${ago(entry.ts, nowMs)} at ${utc(entry.ts, nowMs)} by ${entry.station}`);
    setTitle(this._age, bothClocks(entry.ts));
    setClass(this.element, "stale", stale);
    const keys = parameterKeys(entry.data);
    const rows = keyed(this._rows, keys, (key) => key, (key) => new Row(this._page, satellite, this._packet, key));
    arrange(this._body, rows.map((row) => row.element));
    for (const row of rows) row.draw(satellite, entry, wanted, onlyOut, slow, nowMs);
  }
}

class Row {
  constructor(page, satellite, packet, key) {
    this._key = key;
    this._packet = packet;
    this._name = element("button.name", { type: "button", onclick: () => open() });
    this._value = element("span.value.number");
    this._unit = element("span.quiet");
    this._bar = new LimitBar();
    this._limits = element("td", {}, this._bar.element);
    this._line = new Sparkline();
    this._sign = sign("unknown");
    this._result = element("span");
    this.element = element(
      "tr",
      {},
      element("th", { scope: "row" }, this._name),
      element("td.reading", {}, this._value, " ", this._unit),
      this._limits,
      element("td", {}, this._line.element),
      element("td.result", {}, this._sign, this._result),
    );
    const open = () => dispatchEvent(new CustomEvent("plot", { detail: { satellite: satellite.slug, packet, key } }));
    this._name.title = "show its plot";
    this.element.addEventListener("click", (event) => event.target.closest("button") || open());
    this._about = null;
  }

  draw(satellite, entry, wanted, onlyOut, slow, nowMs) {
    const value = entry.data[this._key];
    setText(this._value, format(value));
    if (!slow && this._about) return;
    const about = describe(satellite, this._packet, this._key);
    this._about = about;
    const found = verdict(satellite, about.name);
    const level = found?.level ?? (about.limits && satellite.health ? "normal" : "unknown");
    setText(this._name, about.label);
    setTitle(this._name, `${about.description || about.name}\n${inWords(about.limits, about.unit)}`);
    setText(this._unit, about.unit);
    this._bar.draw(about.limits, about.unit, value);
    this._line.rule = about.limits;
    this._line.element.hidden = typeof value !== "number";
    if (typeof value === "number") this._line.draw(satellite.histories.get(this._packet), this._key);
    setSign(this._sign, level);
    setText(this._result, found ? `${level}${found.range ? ` ${found.range}` : ""}` : about.limits ? (satellite.health ? "in limits" : "unknown") : "no limits");
    setClass(this._result, "quiet", !found);
    setData(this.element, "level", found ? level : "");
    const hidden = (wanted && !`${about.label} ${about.name}`.toLowerCase().includes(wanted)) || (onlyOut && !found);
    setHidden(this.element, Boolean(hidden));
  }
}
