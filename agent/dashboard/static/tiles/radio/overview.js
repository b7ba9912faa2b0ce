// Which satellite, and each of its downlinks: state, signal, what was refused and why.

import { arrange, element, keyed, setText, setTitle } from "../../dom.js";
import { SatelliteChoice } from "../../satellite_choice.js";
import { linkLevel, linkWord, setSign, sign } from "../../severity.js";
import { ago, bothClocks } from "../../time.js";

export const title = "";
export const order = 0;
export const size = "full";

const HEADS = ["downlink", "station", "state", "frames", "refused", "missing", "expected", "SNR", "noise", "error", "last frame", "evidence"];

export function create(page) {
  const choice = new SatelliteChoice(page, "radio");
  const none = element("p.quiet");
  const body = element("tbody");
  const table = element("table.wide", {}, element("thead", {}, element("tr", {}, ...HEADS.map((text) => element("th", { scope: "col" }, text)))), body);
  const rows = new Map();

  function draw(nowMs) {
    const satellite = choice.draw((chosen) => {
      const downlinks = Object.entries(chosen.schema?.data.downlinks ?? {});
      return downlinks.map(([name, link]) => `${name} ${(link.frequency_hz / 1e6).toFixed(3)} MHz ${link.modulation} ${link.baudrate_bd} Bd`).join(" · ");
    });
    const links = satellite ? (satellite.downlinks.length ? satellite.downlinks : satellite.links) : [];
    none.hidden = links.length > 0;
    table.hidden = links.length === 0;
    setText(none, "No station has said anything about this satellite's links.");
    const parts = keyed(rows, links, (entry) => `${entry.station}/${entry.data.downlink}`, () => new Row());
    arrange(body, parts.map((part) => part.element));
    parts.forEach((part, index) => part.draw(links[index], nowMs));
  }

  return { element: element("div.framed", {}, choice.element, none, element("div.scroll-x", { tabIndex: 0, role: "group", "aria-label": "downlinks" }, table)), draw };
}

class Row {
  constructor() {
    this._sign = sign("unknown");
    this._state = element("span");
    this._cells = HEADS.slice(1).map(() => element("td"));
    this._name = element("th", { scope: "row" });
    this._cells[1].append(element("span.told", {}, this._sign, this._state));
    this.element = element("tr", {}, this._name, ...this._cells);
  }

  draw({ data, station }, nowMs) {
    const [where, , frames, refused, missing, expected, snr, noise, error, last, evidence] = this._cells;
    setText(this._name, data.downlink ?? "unknown");
    setText(where, station);
    setSign(this._sign, linkLevel(data.state));
    setText(this._state, linkWord(data.state));
    setText(frames, String(data.frames ?? "unknown"));
    setTitle(frames, `${data.frames_per_min ?? 0} in the last minute\n${data.corrected ?? 0} symbols corrected\n${data.sync_losses ?? 0} sync losses`);
    const reasons = Object.entries(data).filter(([key]) => key.startsWith("rejected_"));
    setText(refused, String(data.rejected ?? "unknown"));
    setTitle(refused, reasons.map(([key, count]) => `${key.slice(9).replaceAll("_", " ")}: ${count}`).join("\n"));
    setText(snr, Number.isFinite(data.snr_db) ? `${data.snr_db.toFixed(1)} dB` : "unknown");
    setText(missing, String(data.missing ?? "unknown"));
    const counters = Object.entries(data).filter(([key]) => key.startsWith("missing_"));
    setTitle(missing, counters.map(([key, count]) => `${key.slice(8).replaceAll("_", " ")}: ${count}`).join("\n"));
    setText(expected, data.expected === undefined ? "unknown" : `${data.received} of ${data.expected}`);
    setTitle(expected, "packets that came, of those that should have while it was high enough");
    setText(noise, Number.isFinite(data.noise_floor_dbfs) ? `${data.noise_floor_dbfs.toFixed(1)} dBFS` : "unknown");
    setTitle(noise, Number.isFinite(data.level_over_noise_db) ? `in the channel ${data.level_over_noise_db.toFixed(1)} dB over it` : "");
    const errorHz = data.frequency_error_hz ?? data.frequency_offset_hz;
    setText(error, Number.isFinite(errorHz) ? `${errorHz.toFixed(0)} Hz` : "unknown");
    setTitle(error, Number.isFinite(data.frequency_error_hz) ? "carrier against the prediction, Doppler included" : "carrier in its channel; no prediction");
    setText(last, ago(data.last_frame_ts, nowMs));
    setTitle(last, bothClocks(data.last_frame_ts));
    const words = [...(data.evidence ?? []), ...reasons.map(([key, count]) => `${count} × ${key.slice(9).replaceAll("_", " ")}`)];
    setText(evidence, words.join("; ") || "none");
  }
}
