// A small line of the last values, with limits as bands behind it. No axis: the number beside it says the value.

import { canvasContext, colour, element } from "./dom.js";
import { zones } from "./parameters.js";

const POINTS = 90;

export class Sparkline {
  constructor(rule = null) {
    this.element = element("canvas.sparkline", { "aria-hidden": "true" });
    this.rule = rule;
    this._drawn = "";
    this.element.addEventListener("resized", () => (this._drawn = ""));
  }

  draw(history, key) {
    const length = history?.times.length ?? 0;
    const stamp = length ? `${length}/${history.times[length - 1]}/${key}/${document.documentElement.dataset.theme}` : "";
    if (stamp === this._drawn) return;
    const context = canvasContext(this.element);
    if (!context) return;
    this._drawn = stamp;
    const column = history?.columns.get(key);
    if (!column || length < 2) return;
    const from = Math.max(0, length - POINTS);
    let low = Infinity;
    let high = -Infinity;
    for (let index = from; index < length; index++) {
      const value = column[index];
      if (value === null) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) return;
    const air = (high - low) * 0.15 || Math.abs(high) * 0.05 || 1;
    low -= air;
    high += air;
    const { boxWidth: width, boxHeight: height } = context;
    const y = (value) => height - 1 - ((value - low) / (high - low)) * (height - 2);
    for (const zone of zones(this.rule, low, high)) {
      if (zone.level === "normal") continue;
      context.fillStyle = colour(`band-${zone.level}`);
      context.fillRect(0, y(zone.to), width, y(zone.from) - y(zone.to));
    }
    const first = history.times[from];
    const last = history.times[length - 1];
    const x = (time) => ((time - first) / (last - first || 1)) * (width - 4) + 1;
    context.strokeStyle = colour("plot");
    context.lineWidth = 1.5;
    context.beginPath();
    let drawing = false;
    for (let index = from; index < length; index++) {
      const value = column[index];
      if (value === null) drawing = false;
      else if (drawing) context.lineTo(x(history.times[index]), y(value));
      else {
        context.moveTo(x(history.times[index]), y(value));
        drawing = true;
      }
    }
    context.stroke();
    const value = column[length - 1];
    if (value !== null) {
      context.fillStyle = colour("plot");
      context.beginPath();
      context.arc(x(last), y(value), 2, 0, 7);
      context.fill();
    }
  }
}
