// What works and what does not, in the order in which it hurts: receiving, keeping, publishing, time, passes.

import { element, setClass, setText, setTitle } from "../../dom.js";
import { elementAge } from "../../parameters.js";
import { setSign, sign } from "../../severity.js";
import { ago, bothClocks, browserAheadMs, span, utc } from "../../time.js";

export const title = "";
export const order = 0;
export const size = "full";

/** The station's own message comes every 10 s; three missing ones mean that nobody speaks. */
const SILENT_MS = 30_000;
const SLOW_COMMIT_MS = 1000;
const HOT_C = 80;
const LITTLE_DISK_MB = 500;

const CARDS = [
  ["Receiving", receiving],
  ["Keeping", keeping],
  ["Publishing", publishing],
  ["Time", time],
  ["Passes", passes],
  ["Computer", computer],
];

export function create(page) {
  const select = element("select", { "aria-label": "station", onchange: () => page.go("station", select.value) });
  const about = element("span.quiet.number");
  const degraded = element("p");
  const cards = CARDS.map(([name, judge]) => ({ judge, ...makeCard(name) }));
  const root = element("div", {}, element("div.toolbar", {}, select, about), degraded, element("div.capabilities", {}, ...cards.map((card) => card.element)));
  let names = "";
  return {
    element: root,
    draw(nowMs) {
      const present = [...page.store.stations.keys()].sort();
      if (present.join() !== names) {
        names = present.join();
        select.replaceChildren(...present.map((name) => element("option", { value: name }, name)));
      }
      select.hidden = present.length === 0;
      const station = page.station();
      if (!station) {
        setText(about, "No station heard yet.");
        return;
      }
      if (select.value !== station.name) select.value = station.name;
      const status = station.status?.data;
      const said = station.health;
      const silent = !said || nowMs - said.ts > SILENT_MS;
      setText(about, `version ${status?.version ?? said?.data.version ?? "unknown"} · up ${said?.data.uptime_s === undefined ? "unknown" : span(said.data.uptime_s * 1000)} · boot ${status?.boot ?? "unknown"} · said ${ago(said?.ts, nowMs)}`);
      setTitle(about, bothClocks(said?.ts));
      const names_ = status?.degraded ?? [];
      setText(degraded, status?.online === false ? "This station is offline: what follows is what it said last." : names_.length ? `Degraded: ${names_.join(", ")}. What stands below as good still holds.` : silent && station.status ? "This station has not spoken of itself lately." : "");
      degraded.hidden = degraded.textContent === "";
      degraded.className = "degraded";
      for (const card of cards) {
        const [level, headline, detail] = card.judge({ page, station, data: said?.data ?? {}, known: Boolean(said), nowMs });
        setSign(card.sign, level);
        setText(card.headline, headline);
        setText(card.detail, detail);
        setClass(card.element, "stale", silent || status?.online === false);
      }
    },
  };
}

function makeCard(name) {
  const mark = sign("unknown");
  const headline = element("strong");
  const detail = element("span.quiet.number");
  return { sign: mark, headline, detail, element: element("section.capability", { "aria-label": name }, element("h3", {}, name), element("div.line", {}, mark, headline), detail) };
}

const number = (value, digits = 0) => (Number.isFinite(value) ? value.toFixed(digits) : "unknown");

function receiving({ station }) {
  const sources = [...station.sources.values()].map((entry) => entry.data);
  if (!sources.length) return ["unknown", "unknown", "no source has been published"];
  const on = sources.filter((source) => source.online).length;
  const over = sources.filter((source) => source.ended).length;
  const failed = sources.filter((source) => !source.online && !source.ended);
  const level = failed.length === sources.length ? "critical" : failed.length ? "warning" : "normal";
  const error = failed.map((source) => `${source.source}: ${source.error ?? "offline"}`).join("; ");
  return [level, `${on} of ${sources.length} sources online`, error || (over ? `${over} at its end` : "")];
}

function keeping({ data, known }) {
  if (!known || data.storage === undefined) return ["unknown", "unknown", "the archive has not been described"];
  const lost = data.lost ?? 0;
  const level = data.storage !== "good" ? "critical" : lost || data.quarantined ? "distress" : data.commit_lag_ms > SLOW_COMMIT_MS ? "watch" : "normal";
  const headline = data.storage === "good" ? "every frame is kept" : `storage: ${String(data.storage).replaceAll("_", " ")}`;
  return [level, lost ? `${lost} records lost` : headline, `${number(data.archive_mb, 1)} MB · record ${data.newest_seq ?? "unknown"} · commit ${number(data.commit_lag_ms)} ms · ${number(data.disk_free_mb)} MB free`];
}

function publishing({ page, station, data, nowMs }) {
  if (!page.connection.online) return ["critical", "this page is not connected", page.connection.reason];
  const status = station.status;
  if (!status) return ["unknown", "unknown", "no status has been published"];
  if (!status.data.online) return ["critical", "offline", `since ${utc(status.ts, nowMs)} UTC`];
  const waiting = data.outbox ?? data.backlog;
  const lag = data.puback_ms ?? data.publish_lag_ms;
  const level = waiting > 1000 ? "warning" : waiting > 100 ? "watch" : "normal";
  const queue = waiting === undefined ? "queue not published" : `${waiting} waiting`;
  return [level, waiting > 100 ? `${waiting} records wait` : "records reach the broker", `${queue}${lag === undefined ? "" : ` · broker answers in ${number(lag)} ms`} · ${String(status.data.delivery ?? "").replaceAll("_", " ")}`];
}

function time({ data, known }) {
  const ahead = browserAheadMs();
  const browser = ahead === null ? "this browser's clock not compared yet" : Math.abs(ahead) < 1000 ? "this browser agrees within a second" : `this browser is ${span(Math.abs(ahead))} ${ahead > 0 ? "ahead" : "behind"}`;
  if (!known || !data.clock || data.clock === "unknown") return ["unknown", "unknown", browser];
  const good = data.clock === "synchronised";
  return [good ? "normal" : "warning", String(data.clock).replaceAll("_", " "), good ? browser : `time stamps and Doppler may be wrong · ${browser}`];
}

function passes({ station, data, nowMs }) {
  const coming = (station.passes?.data.passes ?? []).filter((pass) => (pass.los_ts ?? Infinity) > nowMs);
  const ages = coming.map((pass) => elementAge(pass, nowMs)).filter(Number.isFinite);
  const oldest = ages.length ? Math.max(...ages) : null;
  if (!station.passes && data.satellites_with_elements === undefined) return ["unknown", "unknown", "no prediction has been published"];
  const missing = Number.isFinite(data.satellites) ? data.satellites - (data.satellites_with_elements ?? 0) : 0;
  const level = oldest === null ? "unknown" : oldest > 7 ? "warning" : oldest > 3 || missing > 0 ? "watch" : "normal";
  const headline = oldest === null ? "no pass predicted" : `elements up to ${oldest.toFixed(1)} d old`;
  return [level, headline, `${coming.length} passes ahead${missing > 0 ? ` · ${missing} ${missing === 1 ? "satellite" : "satellites"} without elements` : ""}`];
}

function computer({ data, known }) {
  if (!known) return ["unknown", "unknown", ""];
  const hot = data.cpu_temp_c > HOT_C;
  const full = data.disk_free_mb < LITTLE_DISK_MB;
  const level = hot || full ? "warning" : Number.isFinite(data.disk_free_mb) ? "normal" : "unknown";
  return [level, hot ? "hot" : full ? "disk nearly full" : level === "normal" ? "good" : "unknown", `${number(data.cpu_temp_c, 0)} °C · memory ${number(data.memory_mb)} MB · disk ${number(data.disk_free_mb)} MB free`];
}
