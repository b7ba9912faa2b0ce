// The row in which a view's satellite is chosen. Used by the views that are about one satellite.

import { worstLevel } from "./attention.js";
import { element, setText } from "./dom.js";
import { setSign, sign } from "./severity.js";

export class SatelliteChoice {
  constructor(page, view) {
    this._page = page;
    this._options = "";
    this._sign = sign("unknown");
    this._select = element("select", { "aria-label": "satellite", onchange: () => page.go(view, this._select.value) });
    const step = (by, label, glyph) => element("button", { type: "button", title: `${label} (key ${by < 0 ? "[" : "]"})`, "aria-label": label, onclick: () => page.neighbour(by) }, glyph);
    this._about = element("span.quiet");
    this.element = element("div.toolbar", {}, this._sign, this._select, step(-1, "previous satellite", "‹"), step(1, "next satellite", "›"), this._about);
  }

  /** Draw; returns the satellite chosen, or null when none is known. */
  draw(about) {
    const { store } = this._page;
    const satellites = [...store.satellites.values()].sort((one, other) => one.name.localeCompare(other.name));
    const options = satellites.map((satellite) => `${satellite.slug}\t${satellite.name}`).join("\n");
    if (options !== this._options) {
      this._options = options;
      this._select.replaceChildren(...satellites.map((satellite) => element("option", { value: satellite.slug }, satellite.name)));
      this._chosen = null;
    }
    const satellite = this._page.satellite();
    if (satellite && this._chosen !== satellite.slug) {
      this._chosen = satellite.slug;
      this._select.value = satellite.slug;
    }
    setSign(this._sign, satellite ? worstLevel(satellite) : "unknown");
    setText(this._about, satellite ? about(satellite) : "No satellite heard of yet.");
    return satellite;
  }
}
