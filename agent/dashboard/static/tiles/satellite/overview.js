// Which satellite, and what holds for all of it: link, health, trust, pass, orbit.

import { inView, worstLevel } from "../../attention.js";
import { element, facts, setClass, setText, setTitle } from "../../dom.js";
import { elementAge } from "../../parameters.js";
import { SatelliteChoice } from "../../satellite_choice.js";
import { authenticityLevel, authenticityWord, linkLevel, linkWord, setSign, sign } from "../../severity.js";
import { ago, bothClocks, countdown, utc } from "../../time.js";

export const title = "";
export const order = 0;
export const size = "full";

class Told {
  constructor() {
    this._sign = sign("unknown");
    this._text = element("span");
    this.element = element("span.told", {}, this._sign, this._text);
  }

  set(level, text, tooltip = "") {
    setSign(this._sign, level);
    setText(this._text, text);
    setTitle(this.element, tooltip);
  }
}

export function create(page) {
  const choice = new SatelliteChoice(page, "satellite");
  const health = new Told();
  const link = new Told();
  const trust = new Told();
  const pass = new Told();
  const orbit = new Told();
  const marking = new Told();
  const list = facts([
    ["health", health.element],
    ["link", link.element],
    ["trust", trust.element],
    ["pass", pass.element],
    ["orbit", orbit.element],
    ["release", marking.element],
  ]);
  list.classList.add("across");
  const root = element("div.framed", {}, choice.element, list);
  let watched = null;

  const about = (satellite) => {
    const schema = satellite.schema?.data;
    return [satellite.norad && `NORAD ${satellite.norad}`, schema?.operator, schema?.simulated && "simulated"].filter(Boolean).join(" · ");
  };

  function draw(nowMs) {
    const satellite = choice.draw(about);
    if (watched !== satellite) {
      if (watched) watched.watched = false;
      watched = satellite;
      if (watched) watched.watched = true;
    }
    if (!satellite) return;
    const said = satellite.health?.data;
    const level = worstLevel(satellite);
    const out = said?.out_of_limits?.length ?? 0;
    health.set(level, !said?.last_report_ts ? "unknown" : out ? `${level} · ${out} of ${said.monitored} out of limits` : said.monitored ? `${said.monitored} in limits` : "no limits are set", said ? `as of ${bothClocks(said.ts)}` : "no station has judged it");
    const state = satellite.link?.data;
    link.set(linkLevel(state?.state), `${linkWord(state?.state)} · heard ${ago(satellite.lastHeardMs, nowMs)}`, (state?.evidence ?? []).join("\n"));
    trust.set(authenticityLevel(said?.authenticity), authenticityWord(said?.authenticity), (said?.authenticity_evidence ?? []).join("\n"));
    const up = inView(satellite, nowMs);
    const next = page.store.passes().find((item) => item.satellite === satellite.slug && (item.los_ts ?? Infinity) > nowMs);
    if (up) pass.set("normal", `in view, ${up.data.elevation_deg.toFixed(1)}° up in ${up.data.azimuth_deg.toFixed(0)}°`, next ? `LOS ${bothClocks(next.los_ts)}` : "");
    else if (next) pass.set("unknown", `${countdown(next.aos_ts, nowMs)} to AOS · ${next.max_elevation_deg?.toFixed(0)}°`, `AOS ${bothClocks(next.aos_ts)}`);
    else pass.set("unknown", "none known");
    const at = satellite.orbit?.data;
    const age = at ? Math.max(0, at.element_age_d) : elementAge(next, nowMs);
    orbit.set(age === null ? "unknown" : age > 7 ? "warning" : age > 3 ? "watch" : "normal", age === null ? "no elements known" : `elements ${age.toFixed(1)} d old${at ? ` · ${at.altitude_km?.toFixed(0)} km high` : ""}`, at ? `at ${utc(at.ts, nowMs)} UTC` : "");
    const mark = satellite.schema?.data.marking ?? said?.marking;
    marking.set(mark ? "normal" : "unknown", mark ?? "not marked");
    setClass(list, "stale", page.store.stations.get(satellite.health?.station ?? "")?.online === false);
  }

  return {
    element: root,
    draw,
    close: () => {
      if (watched) watched.watched = false;
    },
  };
}
