// The sources of the station: what comes in, what was dropped, why one is not there.

import { arrange, element, keyed, setText, setTitle } from "../../dom.js";
import { setSign, sign } from "../../severity.js";
import { ago, bothClocks } from "../../time.js";

export const title = "Sources";
export const order = 10;
export const size = "two-thirds";

const HEADS = ["source", "state", "last heard", "frames", "refused", "dropped", "remark"];

export function create(page) {
  const body = element("tbody");
  const none = element("p.quiet");
  const table = element("table.wide", {}, element("thead", {}, element("tr", {}, ...HEADS.map((text) => element("th", { scope: "col" }, text)))), body);
  const rows = new Map();
  return {
    element: element("div.scroll-x", { tabIndex: 0, role: "group", "aria-label": "sources" }, none, table),
    draw(nowMs) {
      const sources = [...(page.station()?.sources ?? new Map())].sort();
      none.hidden = sources.length > 0;
      table.hidden = sources.length === 0;
      setText(none, "No source has been published.");
      const parts = keyed(rows, sources, ([name]) => `${page.station().name}/${name}`, () => new Row());
      arrange(body, parts.map((part) => part.element));
      parts.forEach((part, index) => part.draw(sources[index], nowMs));
    },
  };
}

class Row {
  constructor() {
    this._sign = sign("unknown");
    this._state = element("span");
    this._name = element("th", { scope: "row" });
    this._cells = HEADS.slice(1).map(() => element("td"));
    this._cells[0].append(element("span.told", {}, this._sign, this._state));
    this.element = element("tr", {}, this._name, ...this._cells);
  }

  draw([name, { data }], nowMs) {
    const [, last, frames, refused, dropped, remark] = this._cells;
    const level = data.online ? "normal" : data.ended ? "unknown" : "critical";
    setText(this._name, name);
    setSign(this._sign, level);
    setText(this._state, data.online ? "online" : data.ended ? "ended" : "offline");
    setText(last, ago(data.last_ts, nowMs));
    setTitle(last, bothClocks(data.last_ts));
    setText(frames, count(data.frames));
    setText(refused, count(data.rejected));
    setText(dropped, count(data.dropped));
    setText(remark, data.error ?? (data.outside_band ? `outside its band: ${data.outside_band}` : data.rate ? `${data.rate} per second` : ""));
  }
}

const count = (value) => (Number.isFinite(value) ? String(value) : "unknown");
