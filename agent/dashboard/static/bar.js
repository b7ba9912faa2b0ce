// The bar above every view: where am I, what time is it, does the page hear the broker, does anything call for me.

import { byUrgency, isAcknowledged } from "./attention.js";
import { element, setClass, setHidden, setText, setTitle } from "./dom.js";
import { setSign, sign } from "./severity.js";
import { bothClocks, browserAheadMs, dayOfYear, span, utcClock, utcDay } from "./time.js";

/** The views, in the order of their keys 1 … 5; each is a folder of `tiles/`. */
export const VIEWS = [
  ["fleet", "Fleet"],
  ["satellite", "Satellite"],
  ["sky", "Sky"],
  ["radio", "Radio"],
  ["station", "Station"],
];

const THEMES = ["dark", "light"];

export class Bar {
  constructor(page) {
    this._page = page;
    this._links = new Map(
      VIEWS.map(([name, label], index) => [name, element("a", { href: `#${name}`, title: `key ${index + 1}`, "aria-keyshortcuts": String(index + 1) }, label)]),
    );
    this._alarmSign = sign("unknown");
    this._alarmText = element("span");
    this._alarms = element("a.chip", { href: "#fleet", id: "alarm-chip" }, this._alarmSign, this._alarmText);
    this._linkSign = sign("unknown");
    this._linkText = element("span");
    this._link = element("a.chip", { href: "#station", id: "connection-chip" }, this._linkSign, this._linkText);
    this._time = element("span", {}, "--:--:--");
    this._date = element("small");
    this._clock = element("time.clock", {}, this._time, this._date);
    this._brand = element("h1.brand", {}, "gsagent");
    this._theme = element("button.theme", { type: "button", onclick: () => this.nextTheme(), "aria-keyshortcuts": "t" }, "◐");
    this._theme.title = "dark or light (key t)";
    this._theme.setAttribute("aria-label", "dark or light theme");
    this.element = document.getElementById("bar");
    this.element.append(
      this._brand,
      element("nav", { "aria-label": "views" }, ...this._links.values()),
      element("span.fill"),
      this._alarms,
      this._link,
      this._clock,
      this._theme,
    );
    this._notice = document.getElementById("notice");
    this._noticeText = element("span");
    this._login = this._makeLogin();
    this._notice.append(this._noticeText, this._login);
    this._setTheme(localStorage.getItem("gsagent-theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
  }

  draw(nowMs) {
    const { store, connection, route } = this._page;
    for (const [name, link] of this._links) {
      if (route.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    setText(this._time, utcClock(nowMs));
    setText(this._date, `UTC ${utcDay(nowMs)} · day ${dayOfYear(nowMs)}`);
    setTitle(this._clock, bothClocks(nowMs));
    this._drawAlarms(store);
    this._drawConnection(store, connection, nowMs);
    const stations = [...store.stations.keys()];
    setText(this._brand, stations.length === 1 ? stations[0] : stations.length ? `${stations.length} stations` : "gsagent");
  }

  nextTheme() {
    this._setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
    this._page.rethemed();
  }

  _setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("gsagent-theme", theme);
  }

  _drawAlarms(store) {
    const sorted = byUrgency(store.alarms.values());
    const open = sorted.filter((alarm) => !isAcknowledged(alarm));
    const worst = sorted[0];
    setSign(this._alarmSign, worst ? worst.data.level : store.satellites.size ? "normal" : "unknown");
    this._alarmSign.classList.toggle("acknowledged", Boolean(worst) && !open.length);
    const text = !sorted.length
      ? store.satellites.size ? "no alarm" : "no data"
      : `${open.length ? `${open.length} to acknowledge` : "all acknowledged"}${sorted.length > open.length ? ` · ${sorted.length} stand` : ""}`;
    setText(this._alarmText, text);
    setClass(this._alarms, "unacknowledged", open.length > 0);
    document.title = `${open.length ? `(${open.length}) ` : ""}${store.stations.keys().next().value ?? "gsagent"}`;
  }

  _drawConnection(store, connection, nowMs) {
    const away = [...store.stations.values()].filter((station) => station.online === false);
    const level = !connection.online ? "critical" : away.length ? "warning" : store.stations.size ? "normal" : "unknown";
    setSign(this._linkSign, level);
    setText(
      this._linkText,
      !connection.online ? "broker away" : away.length ? `${away[0].name} offline` : store.stations.size ? "live" : "no station heard",
    );
    setClass(document.body, "away", !connection.online);
    const notice = this._noticeOf(store, connection, away, nowMs);
    setHidden(this._notice, notice === "");
    setText(this._noticeText, notice);
    setHidden(this._login, !connection.needsPassword);
  }

  _noticeOf(store, connection, away, nowMs) {
    if (!connection.online) {
      const since = span(Date.now() - connection.changedMs);
      const old = store.messages ? " Everything shown is as it was then." : "";
      return connection.session || store.messages
        ? `The broker is away since ${utcClock(connection.changedMs)} UTC (${since}): ${connection.reason}. Trying again every second.${old}`
        : `Not connected yet: ${connection.reason}.`;
    }
    if (away.length) {
      const { name, status } = away[0];
      const more = away.length > 1 ? ` and ${away.length - 1} more stations are` : " is";
      return `Station ${name}${more} offline since ${utcClock(status.ts)} UTC (${span(nowMs - status.ts)}). What it said last is shown with its age.`;
    }
    const ahead = browserAheadMs();
    if (ahead !== null && Math.abs(ahead) > 5000) {
      return `This browser's clock is ${span(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} the station's. Times shown follow the station.`;
    }
    return "";
  }

  _makeLogin() {
    const user = element("input", { placeholder: "user name", "aria-label": "user name", autocomplete: "username" });
    const password = element("input", { type: "password", placeholder: "password", "aria-label": "password", autocomplete: "current-password" });
    const form = element("form", { hidden: true }, user, password, element("button", {}, "Connect"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this._page.connection.open({ username: user.value, password: password.value });
    });
    return form;
  }
}

