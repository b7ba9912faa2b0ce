// Alarms as people work on them: what, how bad, since when; acknowledge and shelve. Used wherever alarms stand.

import { byUrgency, isAcknowledged } from "./attention.js";
import { acknowledge, operator, reset, setOperator, shelve, unshelve } from "./commands.js";
import { arrange, element, keyed, setClass, setHidden, setText, setTitle } from "./dom.js";
import { format, limitsOf, written } from "./parameters.js";
import { setSign, sign } from "./severity.js";
import { ago, bothClocks, utc } from "./time.js";

const SHELVE_S = [
  ["15 min", 900],
  ["1 h", 3600],
  ["8 h", 28800],
  ["1 d", 86400],
];
const MAX_SHOWN = 60;

export class AlarmList {
  constructor(page, { showSatellite = true } = {}) {
    this._page = page;
    this._showSatellite = showSatellite;
    this._rows = new Map();
    this._list = element("ol.alarms");
    this._none = element("p.quiet");
    this._more = element("p.quiet");
    this._name = element("input", {
      value: operator(),
      placeholder: "your name",
      "aria-label": "your name, recorded with what you acknowledge",
      maxLength: 64,
      autocomplete: "name",
      onchange: (event) => setOperator(event.target.value),
    });
    this.signature = element("label.signature", {}, "signed ", this._name);
    this.element = element("div.alarm-list", {}, this._none, this._list, this._more, this.signature);
  }

  draw(alarms, nowMs) {
    const sorted = byUrgency(alarms);
    const shown = sorted.slice(0, MAX_SHOWN);
    setHidden(this._none, shown.length > 0);
    setText(this._none, this._page.store.stations.size ? "No alarm stands." : "Unknown: no station has been heard.");
    setHidden(this.signature, shown.length === 0);
    setHidden(this._more, sorted.length <= MAX_SHOWN);
    setText(this._more, `and ${sorted.length - MAX_SHOWN} more`);
    const rows = keyed(this._rows, shown, (alarm) => alarm.key, () => new Row(this._page, this._showSatellite));
    arrange(this._list, rows.map((row) => row.element));
    rows.forEach((row, index) => row.draw(shown[index], nowMs));
  }
}

class Row {
  constructor(page, showSatellite) {
    this._page = page;
    this._sign = sign("unknown");
    this._what = element("strong");
    this._where = showSatellite ? element("a") : null;
    this._state = element("span.quiet");
    this._said = element("span.said", { role: "status" });
    this._acknowledge = element("button", { type: "button", onclick: () => this._do((alarm) => acknowledge(page.connection, alarm)) }, "Acknowledge");
    this._shelve = element(
      "select",
      { onchange: () => this._shelved() },
      element("option", { value: "" }, "Shelve …"),
      ...SHELVE_S.map(([label, seconds]) => element("option", { value: seconds }, `for ${label}`)),
    );
    this._unshelve = element("button", { type: "button", onclick: () => this._do((alarm) => unshelve(page.connection, alarm)) }, "Unshelve");
    this._reset = element("button", { type: "button", onclick: () => this._do((alarm) => reset(page.connection, alarm)) }, "Clear");
    this.element = element(
      "li.alarm",
      {},
      element("div.line", {}, this._sign, this._where, this._what),
      element("div.line.quiet", {}, this._state),
      element("div.line", {}, this._acknowledge, this._shelve, this._unshelve, this._reset, this._said),
    );
  }

  draw(alarm, nowMs) {
    this._alarm = alarm;
    const { data } = alarm;
    const label = String(data.parameter).replaceAll("_", " ");
    const done = isAcknowledged(alarm);
    const old = alarm.session !== this._page.connection.session;
    setSign(this._sign, data.level);
    this._sign.classList.toggle("acknowledged", done);
    if (this._where) {
      setText(this._where, alarm.satellite.name);
      this._where.href = `#satellite/${alarm.satellite.slug}`;
    }
    setText(this._what, `${data.level}: ${label} ${format(data.value)}${data.unit ? ` ${written(data.unit)}` : ""}`);
    setTitle(this._what, data.limit ? `limit: ${data.limit}` : "");
    const since = data.triggered_ts ?? data.ts;
    const state = {
      triggered: "not acknowledged",
      acknowledged: `acknowledged${data.acknowledged_by ? ` by ${data.acknowledged_by}` : ""}`,
      returned_to_normal: "back to normal, not acknowledged",
      shelved: "shelved",
    }[data.state] ?? data.state;
    setText(this._state, `${state} · since ${utc(since, nowMs)} (${ago(since, nowMs)})${data.limit ? ` · ${data.limit}` : ""}${old ? " · not confirmed since the broker came back" : ""}`);
    setTitle(this._state, bothClocks(since));
    setClass(this.element, "unacknowledged", !done);
    setClass(this.element, "stale", old);
    setHidden(this._acknowledge, done);
    this._acknowledge.setAttribute("aria-label", `acknowledge ${label} of ${alarm.satellite.name}`);
    this._shelve.setAttribute("aria-label", `shelve ${label} of ${alarm.satellite.name}`);
    setHidden(this._shelve, data.state === "shelved");
    setHidden(this._unshelve, data.state !== "shelved");
    const latched = limitsOf(alarm.satellite, data.parameter)?.latching === true;
    setHidden(this._reset, !latched || !["acknowledged", "returned_to_normal"].includes(data.state));
    if (done && this._asked) {
      this._asked = false;
      setText(this._said, "");
    }
  }

  _shelved() {
    const seconds = Number(this._shelve.value);
    this._shelve.value = "";
    if (seconds) this._do((alarm) => shelve(this._page.connection, alarm, seconds));
  }

  async _do(command) {
    this._acknowledge.disabled = true;
    this._asked = true;
    setText(this._said, "asking …");
    try {
      await command(this._alarm);
      setText(this._said, "accepted");
    } catch (error) {
      setText(this._said, error.message);
    }
    this._acknowledge.disabled = false;
    this._page.repaint();
  }
}
