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
    const points = newest(history, key);
    if (points.length < 2) return;
    let low = Infinity;
    let high = -Infinity;
    for (const [, value] of points) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
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
    const [first] = points[0];
    const [last, value] = points.at(-1);
    const x = (time) => ((time - first) / (last - first || 1)) * (width - 4) + 1;
    context.strokeStyle = context.fillStyle = colour("plot");
    context.lineWidth = 1.5;
    context.beginPath();
    points.forEach(([time, level], index) => context[index ? "lineTo" : "moveTo"](x(time), y(level)));
    context.stroke();
    context.beginPath();
    context.arc(x(last), y(value), 2, 0, 7);
    context.fill();
  }
}

/** The newest values that are there, oldest first: [[time, value], …]. */
function newest(history, key) {
  const column = history?.columns.get(key);
  const points = [];
  for (let index = (column?.length ?? 0) - 1; index >= 0 && points.length < POINTS; index--) {
    if (column[index] !== null) points.push([history.times[index], column[index]]);
  }
  return points.reverse();
}
