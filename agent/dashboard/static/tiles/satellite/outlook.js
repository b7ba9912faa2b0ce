// What the limits do not say: when a trend reaches one, what is unusual for itself, and what the on-board clock shows.

import { arrange, element, keyed, setHidden, setText, setTitle } from "../../dom.js";
import { setSign, sign } from "../../severity.js";
import { ago } from "../../time.js";

export const title = "Outlook";
export const order = 15;
export const size = "side";

const MAX_SHOWN = 12;

/** The entries of an outlook as lines to show: forecasts by urgency, then anomalies by strangeness. */
export function lines(data) {
  const forecasts = (data.forecasts ?? []).map((text, i) => ({
    key: `forecast ${data.forecast_parameters[i]} ${i}`,
    level: data.forecast_levels[i],
    text,
    detail: `between ${minutes(data.forecast_earliest_s[i])} and ${minutes(data.forecast_latest_s[i])} min`,
  }));
  const anomalies = (data.anomaly_parameters ?? []).map((parameter, i) => ({
    key: `anomaly ${parameter} ${i}`,
    level: "unknown",
    text: `${parameter}: ${data.anomaly_kinds[i]}`,
    detail: `score ${data.anomaly_scores[i]} (1 is the threshold), since ${new Date(data.anomaly_since_ts[i]).toISOString().slice(11, 19)} UTC`,
  }));
  return [...forecasts, ...anomalies];
}

function minutes(seconds) {
  return (seconds / 60).toFixed(seconds < 600 ? 1 : 0);
}

class Line {
  constructor() {
    this._sign = sign("unknown");
    this._text = element("span");
    this.element = element("li.told", {}, this._sign, this._text);
  }

  draw({ level, text, detail }) {
    setSign(this._sign, level);
    setText(this._text, text);
    setTitle(this.element, detail);
  }
}

export function create(page) {
  const none = element("p.quiet");
  const list = element("ul.plain");
  const clock = element("p.quiet");
  const parts = new Map();
  return {
    element: element("div", {}, none, list, clock),
    draw(nowMs) {
      const satellite = page.satellite();
      const outlook = satellite?.newest("outlook");
      const found = outlook ? lines(outlook.data) : [];
      const shown = found.slice(0, MAX_SHOWN);
      const rows = keyed(parts, shown, (line) => line.key, () => new Line());
      rows.forEach((row, i) => row.draw(shown[i]));
      arrange(list, rows.map((row) => row.element));
      const more = found.length - shown.length;
      setHidden(none, shown.length > 0 && more <= 0);
      setText(none, shown.length ? `${more} more` : "No limit is in sight, nothing is unusual.");
      setText(clock, clockText(satellite?.newest("clock")?.data, nowMs));
    },
  };
}

/** The on-board clock in a sentence. */
export function clockText(data, nowMs) {
  if (!data) return "";
  if (data.state !== "valid") return `On-board clock: not yet known (epoch ${data.epochs}, begun ${ago(data.since_ts, nowMs)})`;
  const drift = data.drift_ppm === undefined ? "" : `, ${data.drift_ppm.toFixed(1)} ppm`;
  return `On-board clock: ${(-data.offset_s).toFixed(2)} s ± ${data.accuracy_s.toFixed(2)} s against the station${drift}`;
}
