// The passes of the next hours, beside the fleet.

import { arrange, element, keyed, setClass, setText, setTitle } from "../../dom.js";
import { bothClocks, countdown } from "../../time.js";

export const title = "Next passes";
export const order = 20;
export const size = "side";

const SHOWN = 8;

export function create(page) {
  const list = element("ol.passes.number");
  const none = element("p.quiet");
  const rows = new Map();
  return {
    element: element("div", {}, none, list),
    draw(nowMs) {
      const passes = page.store.passes().filter((pass) => (pass.los_ts ?? Infinity) > nowMs).slice(0, SHOWN);
      setText(none, passes.length ? "" : "No pass is known: no station has published any.");
      none.hidden = passes.length > 0;
      const parts = keyed(rows, passes, (pass) => `${pass.station}/${pass.satellite}/${Math.round(pass.tca_ts / 60000)}`, () => new Row());
      arrange(list, parts.map((part) => part.element));
      parts.forEach((part, index) => part.draw(page, passes[index], nowMs));
    },
  };
}

class Row {
  constructor() {
    this._name = element("a");
    this._where = element("span.quiet");
    this._when = element("span.when");
    this._high = element("span.quiet");
    this.element = element("li", {}, element("span", {}, this._name, this._where), this._high, this._when);
  }

  draw(page, pass, nowMs) {
    const satellite = page.store.satellites.get(pass.satellite);
    const begun = (pass.aos_ts ?? 0) <= nowMs;
    setText(this._name, satellite?.name ?? pass.satellite);
    this._name.href = `#satellite/${pass.satellite}`;
    setText(this._where, page.store.stations.size > 1 ? ` ${pass.station}` : "");
    setText(this._high, `${pass.max_elevation_deg?.toFixed(0) ?? "?"}°`);
    setText(this._when, pass.kind === "always_up" ? "always up" : begun ? `LOS ${countdown(pass.los_ts, nowMs)}` : countdown(pass.aos_ts, nowMs));
    setTitle(this.element, `AOS ${bothClocks(pass.aos_ts)}\nTCA ${bothClocks(pass.tca_ts)}\nLOS ${bothClocks(pass.los_ts)}`);
    setClass(this.element, "begun", begun);
  }
}
