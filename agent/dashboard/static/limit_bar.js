// A parameter's limits as bands on a line, and a mark where the value stands.

import { element, setTitle } from "./dom.js";
import { inWords, scale, zones } from "./parameters.js";

const WIDTH = 1000;
const SVG = "http://www.w3.org/2000/svg";

export class LimitBar {
  constructor() {
    this.element = element("span.limit-bar");
    this._svg = document.createElementNS(SVG, "svg");
    this._svg.setAttribute("viewBox", `0 0 ${WIDTH} 16`);
    this._svg.setAttribute("preserveAspectRatio", "none");
    this._svg.setAttribute("aria-hidden", "true");
    this._mark = element("i");
    this.element.append(this._svg, this._mark);
    this._shown = null;
  }

  draw(rule, unit, value) {
    const range = scale(rule, value);
    this.element.hidden = range === null;
    if (!range) return;
    const stamp = `${range.low}/${range.high}`;
    if (this._shown !== stamp || this._rule !== rule) {
      this._shown = stamp;
      this._rule = rule;
      this._bands(rule, range);
      setTitle(this.element, inWords(rule, unit));
    }
    const known = typeof value === "number" && Number.isFinite(value);
    this._mark.hidden = !known;
    if (!known) return;
    const left = `${(((value - range.low) / (range.high - range.low)) * 100).toFixed(1)}%`;
    if (this._left !== left) this._mark.style.left = this._left = left;
  }

  _bands(rule, { low, high }) {
    const at = (value) => ((value - low) / (high - low)) * WIDTH;
    const bands = zones(rule, low, high).map(({ from, to, level }) => {
      const rectangle = document.createElementNS(SVG, "rect");
      rectangle.setAttribute("x", at(from));
      rectangle.setAttribute("width", at(to) - at(from));
      rectangle.setAttribute("y", 0);
      rectangle.setAttribute("height", 16);
      rectangle.setAttribute("class", `band level-${level}`);
      return rectangle;
    });
    this._svg.replaceChildren(...bands);
  }
}
