// A plot over time, by uPlot: UTC on the axis, limits as bands, drag or buttons to zoom. Knows no satellite.

import uPlot from "./vendor/uplot-1.6.32/uPlot.esm.js";
import { colour, element, letters } from "./dom.js";
import { format, scale, zones } from "./parameters.js";
import { utcClock, utcDay } from "./time.js";

/** A shorter silence is not worth breaking a line for. */
const LONG_S = 20;

const SPANS = [
  ["2 min", 120],
  ["10 min", 600],
  ["1 h", 3600],
  ["6 h", 21600],
  ["all", 0],
];

/** One row of buttons that choose how much time several plots show. */
export class SpanChoice {
  constructor(chosen, changed) {
    this.seconds = chosen;
    this._buttons = SPANS.map(([label, seconds]) =>
      element("button", { type: "button", onclick: () => this._choose(seconds, changed), "aria-pressed": String(seconds === chosen) }, label),
    );
    this.element = element("div.spans", { role: "group", "aria-label": "time shown" }, ...this._buttons);
  }

  _choose(seconds, changed) {
    this.seconds = seconds;
    this._buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(SPANS[index][1] === seconds)));
    changed(seconds);
  }
}

export class Plot {
  /** `lines`: [{ label, colour }]; `rule` draws limits; `height` in CSS pixels. */
  constructor({ label, unit = "", rule = null, lines = [{ label, colour: "plot" }], height = 180, points = false }) {
    this.element = element("div.plot", { role: "img", "aria-label": label });
    this._options = { label, unit, rule, lines, height, points };
    this._spanS = 0;
    this._zoomed = false;
    this._data = [[], ...lines.map(() => [])];
    this._stamp = "";
    this._resized = new ResizeObserver(() => this._fit());
    this._resized.observe(this.element);
  }

  /** Show the newest `seconds`, or everything (0); forgets a zoom. */
  show(seconds) {
    this._spanS = seconds;
    this._zoomed = false;
    this._stamp = "";
  }

  draw(times, columns, nowMs) {
    const newest = times.length ? times[times.length - 1] : 0;
    const stamp = `${times.length}/${newest}/${Math.floor(nowMs / 1000)}`;
    if (stamp === this._stamp) return;
    this._stamp = stamp;
    this._data = [times, ...columns];
    if (!this._plot) this._make();
    if (!this._plot) return;
    this._plot.setData(this._data, false);
    if (!this._zoomed) {
      const max = nowMs / 1000;
      // Not wider than what is known: a line at the right edge of an empty plot tells nobody anything.
      const first = times[0] ?? max - 60;
      const min = this._spanS ? Math.max(max - this._spanS, first) : first;
      this._plot.setScale("x", { min: Math.min(min, max - 30), max });
    } else this._plot.redraw();
    const last = columns[0]?.[columns[0].length - 1];
    this.element.setAttribute("aria-label", `${this._options.label}: ${times.length} values, newest ${format(last)} ${this._options.unit}`);
  }

  rethemed() {
    this._plot?.destroy();
    this._plot = null;
    this._stamp = "";
  }

  close() {
    this._resized.disconnect();
    this._plot?.destroy();
  }

  _fit() {
    const width = this.element.clientWidth;
    if (this._plot && width) this._plot.setSize({ width, height: this._options.height });
  }

  _make() {
    const { label, unit, rule, lines, height, points } = this._options;
    const width = this.element.clientWidth;
    if (!width) return;
    const quiet = colour("quiet");
    const axis = { stroke: quiet, font: letters(12), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    this._plot = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { drag: { x: true, y: false }, points: { size: 6 }, y: false },
        scales: { x: { time: true }, y: { range: (_, low, high) => withAir(low, high, rule) } },
        axes: [
          { ...axis, values: (_, splits) => timeLabels(splits), space: 80, size: 34 },
          { ...axis, values: (_, splits) => splits.map(shortNumber), size: 58 },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            width: points ? 0 : 1.6,
            gaps: (plot, series, from, to) => silences(plot, plot.data[series], from, to),
            points: { show: points, size: 5, fill: colour(line.colour), stroke: colour(line.colour) },
          })),
        ],
        hooks: {
          drawAxes: [(plot) => drawBands(plot, rule)],
          setSelect: [(plot) => (this._zoomed = plot.select.width > 0)],
          setCursor: [(plot) => this._readout(plot)],
        },
      },
      this._data,
      this.element,
    );
    this._plot.over.addEventListener("dblclick", () => this.show(this._spanS));
    this._note = element("output.readout", {}, "");
    this.element.append(this._note);
    this.element.title = `${label}${unit ? ` in ${unit}` : ""}: drag to zoom, double-click to go back`;
  }

  _readout(plot) {
    const at = plot.cursor.idx;
    if (!this._note) return;
    if (at === null || at === undefined) {
      this._note.textContent = "";
      return;
    }
    const values = this._options.lines.map((line, index) => {
      const value = plot.data[index + 1][at];
      return this._options.lines.length > 1 ? `${line.label} ${format(value)}` : format(value);
    });
    this._note.textContent = `${utcClock(plot.data[0][at] * 1000)} UTC  ${values.join("  ")} ${this._options.unit}`;
  }
}

/** The values with some air, and the limits, so that the distance to them is seen. */
function withAir(low, high, rule) {
  if (low === null || high === null) return [0, 1];
  const limits = scale(rule, null);
  if (limits) return [Math.min(limits.low, low), Math.max(limits.high, high)];
  const air = (high - low) * 0.12 || Math.abs(high) * 0.02 || 1;
  return [low - air, high + air];
}

/**
 * Where a line must break: between values much farther apart than usual, such as two passes. Rows that only other
 * parameters have a value in are no silence.
 */
function silences(plot, column, from, to) {
  const [times] = plot.data;
  const present = [];
  for (let at = from; at <= to; at++) if (column[at] !== null && column[at] !== undefined) present.push(times[at]);
  const steps = present.slice(1).map((time, index) => time - present[index]);
  const usual = [...steps].sort((one, other) => one - other)[steps.length >> 1] ?? 0;
  const found = [];
  steps.forEach((step, index) => {
    if (step < LONG_S || step < 10 * usual) return;
    found.push([present[index], present[index + 1]].map((time) => Math.round(plot.valToPos(time, "x", true))));
  });
  return found;
}

/** Times of day; the first label and every change of date carry the date. */
function timeLabels(splits) {
  const fine = splits.length > 1 && splits[1] - splits[0] < 60;
  let day = "";
  return splits.map((seconds) => {
    const ms = seconds * 1000;
    const clock = fine ? utcClock(ms) : utcClock(ms).slice(0, 5);
    const today = utcDay(ms);
    const changed = day !== "" && today !== day;
    day = today;
    return changed ? `${today.slice(5)}\n${clock}` : clock;
  });
}

function shortNumber(value) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(1);
  return String(Number(value.toPrecision(6)));
}

function drawBands(plot, rule) {
  if (!rule) return;
  const { left, top, width, height } = plot.bbox;
  const { min, max } = plot.scales.y;
  if (min === null || max === null || min === undefined) return;
  const context = plot.ctx;
  context.save();
  for (const zone of zones(rule, min, max)) {
    if (zone.level === "normal") continue;
    const upper = plot.valToPos(zone.to, "y", true);
    const lower = plot.valToPos(zone.from, "y", true);
    context.fillStyle = colour(`band-${zone.level}`);
    context.fillRect(left, Math.max(top, upper), width, Math.min(top + height, lower) - Math.max(top, upper));
    // A line at the limit itself, dashed: bands alone are faint on a wall.
    context.strokeStyle = colour(zone.level);
    context.setLineDash([6, 4]);
    context.lineWidth = 1;
    for (const edge of [zone.from, zone.to]) {
      if (edge <= min || edge >= max) continue;
      const at = plot.valToPos(edge, "y", true);
      context.beginPath();
      context.moveTo(left, at);
      context.lineTo(left + width, at);
      context.stroke();
    }
  }
  context.restore();
}
