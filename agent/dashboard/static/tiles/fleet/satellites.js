// Every satellite as a tile, those that need attention first. Hundreds stay smooth: only what can be seen is drawn.

import { attention, GROUPS, worstLevel } from "../../attention.js";
import { arrange, element, keyed, setClass, setData, setHidden, setText, setTitle } from "../../dom.js";
import { LimitBar } from "../../limit_bar.js";
import { describe, format, headlines, isStale, written } from "../../parameters.js";
import { authenticityLevel, authenticityWord, linkLevel, linkWord, setSign, sign } from "../../severity.js";
import { Sparkline } from "../../sparkline.js";
import { ago, bothClocks, countdown, utc } from "../../time.js";

export const title = "";
export const order = 10;
export const size = "full";

/** Tiles change places at most this often, and never under the operator's hand. */
const RANK_MS = 2000;
/** A satellite or an alarm that is new does not wait so long. */
const NEW_MS = 250;
/** Tiles are larger when there are few, and say less when there are many. */
const FEW = 6;
const MANY = 40;

export function create(page) {
  const search = element("input", {
    type: "search",
    placeholder: "Find a satellite ( / )",
    "aria-label": "find a satellite",
    oninput: () => ((rankedMs = 0), (searched = true), page.repaint()),
  });
  const counts = element("p.quiet.number");
  const empty = element("p.empty");
  const groups = GROUPS.map((name) => {
    const grid = element("div.cards");
    const heading = element("h2");
    return { name, grid, heading, section: element("section", { "aria-label": name }, heading, grid) };
  });
  const root = element("div.fleet", {}, element("div.toolbar", {}, search, counts), empty, element("div.groups", {}, ...groups.map((group) => group.section)));
  // Groups of a few tiles share a row, so their tiles need one width: as many columns as fit.
  const fitted = new ResizeObserver(() => fit());
  fitted.observe(root);
  const cards = new Map();
  let fittedWidth = 0;
  let rankedMs = 0;
  let known = 0;
  let alarmsKnown = 0;
  let searched = true;
  let ordered = [];

  const observer = new IntersectionObserver(
    (changes) => {
      for (const change of changes) change.target._card.visible = change.isIntersecting;
      page.repaint();
    },
    { rootMargin: "100px" },
  );

  function rankAll(nowMs) {
    rankedMs = nowMs;
    const next = new Map();
    for (const pass of page.store.passes()) {
      if (!next.has(pass.satellite) && (pass.los_ts ?? Infinity) > nowMs) next.set(pass.satellite, pass);
    }
    const wanted = search.value.trim().toLowerCase();
    const found = [...page.store.satellites.values()].filter(
      (satellite) => !wanted || `${satellite.name} ${satellite.slug} ${satellite.norad ?? ""}`.toLowerCase().includes(wanted),
    );
    const ranked = found.map((satellite) => {
      const pass = next.get(satellite.slug) ?? null;
      return { satellite, pass, ...attention(satellite, nowMs, pass) };
    });
    ranked.sort((one, other) => one.group - other.group || other.score - one.score || one.satellite.name.localeCompare(other.satellite.name));
    ordered = keyed(cards, ranked, (item) => item.satellite.slug, () => new Card(observer));
    ordered.forEach((card, index) => Object.assign(card, { item: ranked[index] }));
    known = page.store.satellites.size;
    alarmsKnown = page.store.alarmRevision;
    const held = root.querySelector(".card:hover, .card:focus-visible") !== null;
    if (!held || searched || ordered.some((card) => !card.element.isConnected)) place();
    searched = false;
    const dense = ranked.length > MANY;
    setClass(root, "dense", dense);
    fit();
    setText(counts, `${found.length} satellites · ${page.store.stations.size} ${page.store.stations.size === 1 ? "station" : "stations"}`);
    setHidden(empty, found.length > 0);
    setText(empty, page.store.satellites.size ? "No satellite is called that." : "No satellite heard of yet. Waiting for a station's messages …");
  }

  function fit() {
    const letters = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const dense = root.classList.contains("dense");
    const gap = (dense ? 0.45 : 0.6) * letters;
    const least = (dense ? 14 : ordered.length <= FEW ? 23 : 18) * letters;
    const columns = Math.max(1, Math.floor((root.clientWidth + gap) / (least + gap)));
    const width = Math.floor((root.clientWidth - gap * (columns - 1)) / columns);
    if (width !== fittedWidth) root.style.setProperty("--card", `${(fittedWidth = width)}px`);
  }

  function place() {
    groups.forEach((group, number) => {
      const inside = ordered.filter((card) => card.item.group === number);
      setHidden(group.section, inside.length === 0);
      setText(group.heading, `${group.name} · ${inside.length}`);
      arrange(group.grid, inside.map((card) => card.element));
    });
  }

  return {
    element: root,
    draw(nowMs) {
      const same = known === page.store.satellites.size && alarmsKnown === page.store.alarmRevision;
      const wait = same ? RANK_MS : NEW_MS;
      if (nowMs - rankedMs > wait || nowMs < rankedMs) rankAll(nowMs);
      for (const card of ordered) if (card.visible) card.draw(page, nowMs);
    },
    close() {
      observer.disconnect();
      fitted.disconnect();
    },
  };
}

class Card {
  constructor(observer) {
    this.visible = true;
    this._sign = sign("unknown");
    this._name = element("strong");
    this._norad = element("span.quiet");
    this._why = element("p.why");
    this._headlines = element("div.headlines");
    this._parts = new Map();
    this._link = new Fact("link");
    this._pass = new Fact("pass");
    this._trust = new Fact("trust");
    this.element = element(
      "a.card",
      {},
      element("div.line", {}, this._sign, this._name, this._norad),
      this._why,
      this._headlines,
      element("dl.card-facts", {}, ...this._link.elements, ...this._pass.elements, ...this._trust.elements),
    );
    this.element._card = this;
    observer.observe(this.element);
  }

  draw(page, nowMs) {
    const { satellite, level, alarm, pass, up, group } = this.item;
    const second = Math.floor(nowMs / 1000);
    if (satellite.revision === this._revision && second === this._second && this.item === this._item) return;
    const slow = second !== this._second || this.item !== this._item;
    this._revision = satellite.revision;
    this._second = second;
    this._item = this.item;
    if (slow) this._drawSlow(page, satellite, { level, alarm, pass, up, group }, nowMs);
    this._drawHeadlines(satellite, nowMs, slow);
  }

  /** What changes by the second at most. */
  _drawSlow(page, satellite, { level, alarm, pass, up, group }, nowMs) {
    this.element.href = `#satellite/${satellite.slug}`;
    setSign(this._sign, level);
    setData(this.element, "level", group === 0 ? level : "");
    setText(this._name, satellite.name);
    setText(this._norad, satellite.norad ? String(satellite.norad) : "");
    const heard = satellite.health?.data;
    setText(this._why, why(satellite, worstLevel(satellite), alarm, heard));
    const link = satellite.link;
    const state = link?.data.state;
    const last = satellite.lastHeardMs;
    this._link.set(linkLevel(state), `${linkWord(state)}${last ? ` · ${ago(last, nowMs)}` : " · never heard"}`, bothClocks(last));
    if (up) this._pass.set("normal", `in view ${up.data.elevation_deg.toFixed(0)}°${pass?.los_ts ? ` · LOS ${countdown(pass.los_ts, nowMs)}` : ""}`, bothClocks(pass?.los_ts));
    else if (pass?.kind === "always_up") this._pass.set("normal", "always up", "");
    else if (pass && (pass.aos_ts ?? 0) <= nowMs) this._pass.set("unknown", `now, ${pass.max_elevation_deg?.toFixed(0)}° · no look angles`, "");
    else if (pass) this._pass.set(null, `${countdown(pass.aos_ts, nowMs)} · ${pass.max_elevation_deg?.toFixed(0)}°`, `AOS ${utc(pass.aos_ts, nowMs)} UTC over ${pass.station}`);
    else this._pass.set("unknown", "none known", "no station has published a coming pass");
    const authenticity = heard?.authenticity;
    this._trust.set(authenticityLevel(authenticity), authenticityWord(authenticity), ["is it the satellite it says it is?", ...(heard?.authenticity_evidence ?? [])].join("\n"));
    const station = link && page.store.stations.get(link.station);
    setClass(this.element, "stale", station?.online === false || (link && link.session !== page.connection.session));
  }

  _drawHeadlines(satellite, nowMs, slow) {
    const shown = headlines(satellite).slice(0, 3);
    const parts = keyed(this._parts, shown, (item) => `${item.packet}/${item.key}`, () => new Headline());
    arrange(this._headlines, parts.map((part) => part.element));
    parts.forEach((part, index) => part.draw(satellite, shown[index], nowMs, slow));
  }
}

function why(satellite, level, alarm, health) {
  if (alarm) return `${alarm.data.level}: ${String(alarm.data.parameter).replaceAll("_", " ")} ${format(alarm.data.value)} ${written(alarm.data.unit ?? "")}`.trim();
  if (health?.authenticity === "suspect") return health.authenticity_evidence?.[0] ?? "may not be who it says it is";
  if (health?.stale_packets?.length) return `${health.stale_packets.join(", ")} overdue`;
  const evidence = satellite.link?.data.evidence?.[0];
  if (evidence && ["interference", "receiver_fault", "fading"].includes(satellite.link.data.state)) return evidence;
  if (level === "unknown") return "nothing is known of its health";
  if (satellite.lastHeardMs === null) return "nothing received yet";
  if (health?.monitored === 0) return "no limits are set";
  return level === "normal" ? "all in limits" : `${level}: ${(health?.out_of_limits ?? []).join(", ").replaceAll("_", " ")}`;
}

class Fact {
  constructor(term) {
    this._sign = sign("unknown");
    this._text = element("span");
    this._value = element("dd", {}, this._sign, this._text);
    this.elements = [element("dt", {}, term), this._value];
  }

  set(level, text, tooltip) {
    setHidden(this._sign, level === null);
    this._sign.style.display = level === null ? "none" : "";
    if (level !== null) setSign(this._sign, level);
    setText(this._text, text);
    setTitle(this._value, tooltip);
  }
}

class Headline {
  constructor() {
    this._value = element("span.value.number");
    this._unit = element("span.quiet");
    this._label = element("span.label.quiet");
    this._bar = new LimitBar();
    this._line = new Sparkline();
    this.element = element("div.headline", {}, this._label, element("span.reading", {}, this._value, this._unit), this._line.element, this._bar.element);
  }

  draw(satellite, { packet, key, entry }, nowMs, slow) {
    const value = entry.data[key];
    setText(this._value, format(value));
    if (!slow) return;
    const about = describe(satellite, packet, key);
    setText(this._label, about.label);
    setText(this._unit, about.unit);
    setTitle(this.element, `${about.description || about.label}\nreceived ${bothClocks(entry.ts)}`);
    const numeric = typeof value === "number";
    setClass(this.element, "textual", !numeric);
    this._bar.draw(about.limits, about.unit, value);
    this._line.element.hidden = !numeric;
    this._line.rule = about.limits;
    if (numeric) this._line.draw(satellite.histories.get(packet), key);
    setClass(this.element, "stale", isStale(satellite, packet, entry, nowMs));
  }
}
