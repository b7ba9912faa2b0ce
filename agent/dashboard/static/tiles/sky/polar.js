// The sky over one station: north up, zenith in the middle. What is up now with its trail, and the passes that come.

import { canvasContext, colour, element, letters, setText } from "../../dom.js";
import { lookAt, moonBelow, passPath, sunBelow } from "../../geometry.js";
import { INKS, placeOf, seenFrom } from "../../sky_station.js";
import { countdown, utc } from "../../time.js";

export const title = "Sky over the station";
export const order = 10;
export const size = "third";

const COMING = 4;
const TRAIL_MS = 20 * 60_000;

export function create(page) {
  const select = element("select", { "aria-label": "station", onchange: () => page.go("sky", select.value) });
  const canvas = element("canvas.polar", { role: "img" });
  const list = element("ul.legend.number");
  let names = "";
  canvas.addEventListener("resized", () => page.repaint());

  function draw(nowMs) {
    const present = [...page.store.stations.keys()].sort();
    if (present.join() !== names) {
      names = present.join();
      select.replaceChildren(...present.map((name) => element("option", { value: name }, name)));
    }
    const station = page.station();
    if (station && select.value !== station.name) select.value = station.name;
    select.hidden = present.length < 2;
    const context = canvasContext(canvas);
    if (!context) return;
    const up = seenFrom(page.store, station, nowMs).filter((item) => item.up);
    const coming = page.store
      .passes()
      .filter((pass) => pass.station === station?.name && (pass.los_ts ?? 0) > nowMs && !up.some((item) => item.satellite.slug === pass.satellite))
      .slice(0, COMING);
    paint(context, page.store, station, up, coming, nowMs);
    const texts = [
      ...up.map(({ satellite, data }) => `${satellite.name}: ${data.elevation_deg.toFixed(0)}° up in ${data.azimuth_deg.toFixed(0)}°, ${data.range_km?.toFixed(0)} km`),
      ...coming.map((pass) => `${page.store.satellites.get(pass.satellite)?.name ?? pass.satellite}: ${countdown(pass.aos_ts, nowMs)}, ${pass.max_elevation_deg?.toFixed(0)}°, AOS ${utc(pass.aos_ts, nowMs).slice(-8, -3)} in ${pass.aos_azimuth_deg?.toFixed(0)}°`),
    ];
    legend(list, texts, up.length);
    canvas.setAttribute("aria-label", texts.length ? `Above the station or soon: ${texts.join("; ")}` : "Nothing is up and no pass is known");
  }

  return { element: element("div.polar-tile", {}, canvas, list), note: select, draw };
}

function legend(list, texts, upCount) {
  while (list.children.length > texts.length) list.lastChild.remove();
  texts.forEach((text, index) => {
    if (!list.children[index]) list.append(element("li", {}, element("i"), element("span")));
    const [mark, words] = list.children[index].children;
    const [ink, dash] = INKS[index % INKS.length];
    mark.style.borderTop = `3px ${dash.length ? "dashed" : index < upCount ? "solid" : "dotted"} var(--${ink})`;
    setText(words, text);
  });
  if (!texts.length) {
    list.append(element("li.quiet", {}, element("i"), element("span", {}, "Nothing is up, and no pass is known.")));
  }
}

function paint(context, store, station, up, coming, nowMs) {
  const { boxWidth: width, boxHeight: height } = context;
  const radius = Math.min(width, height) / 2 - 22;
  const [cx, cy] = [width / 2, height / 2];
  const at = (azimuth, elevation) => {
    const r = radius * (1 - Math.max(0, elevation) / 90);
    return [cx + r * Math.sin((azimuth * Math.PI) / 180), cy - r * Math.cos((azimuth * Math.PI) / 180)];
  };
  context.fillStyle = colour("sea");
  context.beginPath();
  context.arc(cx, cy, radius, 0, 7);
  context.fill();
  context.strokeStyle = colour("line");
  context.fillStyle = colour("quiet");
  context.font = letters(11);
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const elevation of [0, 30, 60]) {
    context.lineWidth = elevation ? 1 : 2;
    context.beginPath();
    context.arc(cx, cy, radius * (1 - elevation / 90), 0, 7);
    context.stroke();
    if (elevation) context.fillText(`${elevation}°`, cx + 12, cy - radius * (1 - elevation / 90) + 8);
  }
  context.lineWidth = 1;
  for (let azimuth = 0; azimuth < 360; azimuth += 45) {
    context.beginPath();
    context.moveTo(cx, cy);
    context.lineTo(...at(azimuth, 0));
    context.stroke();
  }
  context.font = letters(13, 600);
  [["N", 0], ["E", 90], ["S", 180], ["W", 270]].forEach(([letter, azimuth]) => {
    context.fillText(letter, cx + (radius + 13) * Math.sin((azimuth * Math.PI) / 180), cy - (radius + 13) * Math.cos((azimuth * Math.PI) / 180));
  });
  bodies(context, at, placeOf(station), nowMs);
  coming.forEach((pass, index) => path(context, at, passPath(pass), INKS[(up.length + index) % INKS.length], [2, 4]));
  up.forEach(({ satellite, data }, index) => {
    const ink = INKS[index % INKS.length];
    const pass = store.passes().find((item) => item.satellite === satellite.slug && item.station === station.name && (item.los_ts ?? 0) > nowMs && (item.aos_ts ?? 0) <= nowMs);
    const rising = pass && pass.tca_ts > nowMs ? [data.azimuth_deg, data.elevation_deg] : null;
    if (pass) path(context, at, passPath(pass, rising), ink, [2, 4]);
    const trail = satellite.trail.filter((point) => point.station === station.name && nowMs - point.ts < TRAIL_MS && point.elevation_deg > 0);
    path(context, at, trail.map((point) => [point.azimuth_deg, point.elevation_deg]), ink, ink[1]);
    const [x, y] = at(data.azimuth_deg, data.elevation_deg);
    context.fillStyle = colour(ink[0]);
    context.strokeStyle = colour("surface");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, 6, 0, 7);
    context.fill();
    context.stroke();
    tag(context, satellite.name, x, y, width);
  });
}

function path(context, at, points, [ink], dash) {
  if (!points || points.length < 2) return;
  context.strokeStyle = colour(ink);
  context.lineWidth = 2;
  context.setLineDash(dash);
  context.beginPath();
  points.forEach(([azimuth, elevation], index) => context[index ? "lineTo" : "moveTo"](...at(azimuth, elevation)));
  context.stroke();
  context.setLineDash([]);
}

function bodies(context, at, place, nowMs) {
  if (!place) return;
  for (const [glyph, name, body] of [["☉", "Sun", sunBelow(nowMs)], ["☾", "Moon", moonBelow(nowMs)]]) {
    const { azimuth_deg, elevation_deg } = lookAt(body, place);
    if (elevation_deg <= 0) continue;
    const [x, y] = at(azimuth_deg, elevation_deg);
    context.fillStyle = colour(name === "Sun" ? "warning" : "quiet");
    context.font = "18px 'DejaVu Sans', sans-serif";
    context.fillText(glyph, x, y);
  }
}

/** A name beside a point, on the side where there is room, with a ground so that lines do not cross it. */
export function tag(context, name, x, y, width) {
  context.font = letters(12, 600);
  const wide = context.measureText(name).width;
  const left = x + 12 + wide > width ? x - 12 - wide : x + 11;
  context.fillStyle = colour("surface");
  context.globalAlpha = 0.75;
  context.fillRect(left - 3, y - 9, wide + 6, 18);
  context.globalAlpha = 1;
  context.fillStyle = colour("text");
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(name, left, y);
  context.textAlign = "center";
}
