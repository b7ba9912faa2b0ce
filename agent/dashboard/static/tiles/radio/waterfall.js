// The waterfall of a source, while its lines are published: newest at the top, frequency to the right.
// Payload: { ts, center_frequency_hz, span_hz, db: [lowest frequency first] }.

import { spectrum } from "../../commands.js";
import { canvasContext, colour, element, setText } from "../../dom.js";
import { utcClock } from "../../time.js";

export const title = "Waterfall";
export const order = 15;
export const size = "half";

const ASK_EVERY_MS = 20_000;
const ASK_FOR_S = 30;
const LINE_HEIGHT = 2;

/** Viridis at nine points (Smith and van der Walt, CC0): even in lightness for every kind of sight. */
const VIRIDIS = [[68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37]];

const RAMP = new Uint32Array(256).map((_, index) => {
  const place = (index / 255) * (VIRIDIS.length - 1);
  const below = Math.min(VIRIDIS.length - 2, Math.floor(place));
  const [r, g, b] = VIRIDIS[below].map((from, channel) => Math.round(from + (VIRIDIS[below + 1][channel] - from) * (place - below)));
  return 0xff000000 | (b << 16) | (g << 8) | r;
});

export function create(page) {
  const select = element("select", { "aria-label": "source", onchange: () => (asked = 0) });
  const ask = element("button", { type: "button", "aria-pressed": "false", onclick: () => toggle() }, "Ask for it");
  const said = element("p.quiet", { role: "status" });
  const canvas = element("canvas.waterfall", { role: "img", "aria-label": "waterfall" });
  const scale = element("p.quiet.number");
  let names = "";
  let asking = false;
  let asked = 0;
  let drawn = "";
  canvas.addEventListener("resized", () => ((drawn = ""), page.repaint()));

  function toggle() {
    asking = !asking;
    asked = 0;
    ask.setAttribute("aria-pressed", String(asking));
    page.repaint();
  }

  async function keepAsking(nowMs) {
    if (!asking || Math.abs(nowMs - asked) < ASK_EVERY_MS || !select.value) return;
    asked = nowMs;
    const [station, source] = select.value.split("/");
    try {
      await spectrum(page.connection, station, source, ASK_FOR_S);
      said.textContent = "";
    } catch (error) {
      said.textContent = error.message;
    }
  }

  return {
    element: element("div", {}, canvas, scale, said),
    note: element("span.note", {}, select, " ", ask),
    draw(nowMs) {
      const sources = [...page.store.stations.values()].flatMap((station) => [...new Set([...station.sources.keys(), ...station.spectra.keys()])].map((source) => `${station.name}/${source}`));
      if (sources.join() !== names) {
        names = sources.join();
        select.replaceChildren(...sources.map((source) => element("option", { value: source }, source)));
      }
      keepAsking(nowMs);
      const [station, source] = select.value.split("/");
      const lines = page.store.stations.get(station)?.spectra.get(source) ?? [];
      const newest = lines.at(-1);
      canvas.hidden = scale.hidden = !newest;
      if (!newest) {
        if (!asking) setText(said, sources.length ? "No line published. A source publishes its waterfall only while somebody asks." : "No source is known.");
        return;
      }
      const stamp = `${newest.receivedMs}/${select.value}/${document.documentElement.dataset.theme}`;
      if (stamp === drawn) return;
      drawn = stamp;
      const [low, high] = paint(canvas, lines);
      const { center_frequency_hz: centre, span_hz: width, ts } = newest.data;
      setText(scale, `${((centre - width / 2) / 1e6).toFixed(4)} … ${((centre + width / 2) / 1e6).toFixed(4)} MHz · ${low.toFixed(0)} … ${high.toFixed(0)} dB · newest line ${utcClock(ts)} UTC`);
      if (nowMs - newest.receivedMs > 5000) setText(said, "The last line is old: nobody publishes now.");
      else if (!said.textContent.includes("answer")) setText(said, "");
    },
  };
}

/** Paint all lines; returns the levels of the darkest and the brightest colour. */
function paint(canvas, lines) {
  const bins = lines.at(-1).data.db?.length ?? 0;
  const usable = lines.filter((line) => Array.isArray(line.data.db) && line.data.db.length === bins && bins > 1 && bins <= 8192);
  const context = canvasContext(canvas);
  if (!context || !usable.length) return [0, 0];
  const levels = usable.at(-1).data.db.filter(Number.isFinite).sort((one, other) => one - other);
  const low = levels[Math.floor(levels.length * 0.1)] - 3;
  const high = Math.max(levels.at(-1), low + 20);
  const rows = Math.min(usable.length, Math.floor(context.boxHeight / LINE_HEIGHT));
  const image = new ImageData(bins, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < rows; row++) {
    const { db } = usable[usable.length - 1 - row].data;
    for (let bin = 0; bin < bins; bin++) {
      const part = (db[bin] - low) / (high - low);
      pixels[row * bins + bin] = RAMP[Math.max(0, Math.min(255, Math.round(part * 255))) || 0];
    }
  }
  const small = new OffscreenCanvas(bins, rows);
  small.getContext("2d").putImageData(image, 0, 0);
  context.fillStyle = colour("sea");
  context.fillRect(0, 0, context.boxWidth, context.boxHeight);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, context.boxWidth, rows * LINE_HEIGHT);
  return [low, high];
}
