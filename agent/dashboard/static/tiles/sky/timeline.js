// Passes in time: a row for each satellite and station, overlaps at one station marked, the present as a line. Below the
// passes of a row there is room for a schedule.

import { arrange, element, keyed, setClass, setText, setTitle } from "../../dom.js";
import { bothClocks, span, utcClock, utcDay } from "../../time.js";

export const title = "Passes";
export const order = 30;
export const size = "full";

const SPANS = [["3 h", 3], ["12 h", 12], ["24 h", 24]];
const HOUR_MS = 3_600_000;
const MOST_ROWS = 40;

export function create(page) {
  let hours = 12;
  const buttons = SPANS.map(([label, count]) =>
    element("button", {
      type: "button",
      "aria-pressed": String(count === hours),
      onclick: () => {
        hours = count;
        buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(SPANS[index][1] === hours)));
        page.repaint();
      },
    }, label),
  );
  const note = element("span.note", {}, element("span.spans", { role: "group", "aria-label": "hours shown" }, ...buttons));
  const said = element("p.quiet");
  const ticks = element("div.ticks", { "aria-hidden": "true" });
  const rows = element("ol.rows");
  const present = element("div.present", { "aria-hidden": "true" });
  const parts = new Map();
  let second = 0;

  function draw(nowMs) {
    if (Math.floor(nowMs / 1000) === second) return;
    second = Math.floor(nowMs / 1000);
    const from = nowMs - hours * HOUR_MS * 0.04;
    const to = from + hours * HOUR_MS;
    const passes = page.store.passes().filter((pass) => (pass.los_ts ?? Infinity) > from && (pass.aos_ts ?? 0) < to);
    markOverlaps(passes);
    const several = page.store.stations.size > 1;
    const lines = new Map();
    for (const pass of passes) {
      const key = `${pass.satellite}\t${pass.station}`;
      if (!lines.has(key)) lines.set(key, []);
      lines.get(key).push(pass);
    }
    const shown = [...lines].slice(0, MOST_ROWS);
    const overlaps = passes.filter((pass) => pass.overlaps.length).length;
    setText(said, passes.length ? `${passes.length} passes in ${lines.size} ${lines.size === 1 ? "row" : "rows"}; ${overlaps ? `${overlaps} overlap at one station (hatched)` : "none overlap"}${lines.size > MOST_ROWS ? `; the first ${MOST_ROWS} rows are shown` : ""}` : "No pass is known in this time.");
    drawTicks(ticks, from, to, hours);
    present.style.left = `calc(var(--names) + (100% - var(--names)) * ${((nowMs - from) / (to - from)).toFixed(5)})`;
    present.hidden = !passes.length;
    const made = keyed(parts, shown, ([key]) => key, () => new Line());
    arrange(rows, made.map((line) => line.element));
    made.forEach((line, index) => line.draw(page, shown[index][1], several, from, to, nowMs));
  }

  return { element: element("div", {}, said, element("div.timeline", {}, ticks, rows, present)), note, draw };
}

/** Give every pass the passes of other satellites over the same station at the same time. */
function markOverlaps(passes) {
  for (const pass of passes) pass.overlaps = [];
  passes.forEach((one, index) => {
    for (let next = index + 1; next < passes.length; next++) {
      const other = passes[next];
      if ((other.aos_ts ?? 0) >= (one.los_ts ?? Infinity)) break;
      if (other.station !== one.station || other.satellite === one.satellite) continue;
      if (one.kind === "always_up" || other.kind === "always_up") continue;
      one.overlaps.push(other.satellite);
      other.overlaps.push(one.satellite);
    }
  });
}

function drawTicks(ticks, from, to, hours) {
  const step = hours <= 3 ? HOUR_MS / 2 : hours <= 12 ? HOUR_MS : 2 * HOUR_MS;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) {
    const clock = utcClock(at).slice(0, 5);
    found.push([(at - from) / (to - from), clock === "00:00" ? utcDay(at).slice(5) : clock]);
  }
  while (ticks.children.length > found.length) ticks.lastChild.remove();
  found.forEach(([part, words], index) => {
    if (!ticks.children[index]) ticks.append(element("span"));
    ticks.children[index].style.left = `${(part * 100).toFixed(3)}%`;
    setText(ticks.children[index], words);
  });
}

class Line {
  constructor() {
    this._name = element("a.name");
    this._track = element("div.track");
    this._bars = new Map();
    this.element = element("li", {}, this._name, this._track);
  }

  draw(page, passes, several, from, to, nowMs) {
    const { satellite, station } = passes[0];
    const name = page.store.satellites.get(satellite)?.name ?? satellite;
    setText(this._name, several ? `${name} · ${station}` : name);
    this._name.href = `#satellite/${satellite}`;
    const made = keyed(this._bars, passes, (pass) => String(Math.round(pass.tca_ts / 60000)), () => ({ element: element("span.pass", { tabIndex: 0 }, element("b")) }));
    arrange(this._track, made.map((bar) => bar.element));
    made.forEach(({ element: bar }, index) => {
      const pass = passes[index];
      const begin = Math.max(from, pass.aos_ts ?? from);
      const end = Math.min(to, pass.los_ts ?? to);
      bar.style.left = `${(((begin - from) / (to - from)) * 100).toFixed(3)}%`;
      bar.style.width = `${(((end - begin) / (to - from)) * 100).toFixed(3)}%`;
      // Higher passes are better: taller bars.
      bar.style.setProperty("--high", Math.max(0.25, Math.min(1, (pass.max_elevation_deg ?? 0) / 70)).toFixed(2));
      setText(bar.firstChild, `${pass.max_elevation_deg?.toFixed(0) ?? "?"}°`);
      setClass(bar, "overlap", pass.overlaps.length > 0);
      setClass(bar, "begun", begin <= nowMs && end > nowMs);
      const overlaps = pass.overlaps.length ? `\noverlaps ${pass.overlaps.join(", ")}` : "";
      const words = pass.kind === "always_up" ? `${name} is always up over ${station}` : `${name} over ${station}, ${pass.max_elevation_deg?.toFixed(1)}° for ${span((pass.los_ts ?? to) - (pass.aos_ts ?? from))}\nAOS ${bothClocks(pass.aos_ts)}\nLOS ${bothClocks(pass.los_ts)}${overlaps}`;
      setTitle(bar, words);
      if (bar._label !== words) bar.setAttribute("aria-label", (bar._label = words));
      bar.setAttribute("role", "img");
    });
  }
}
