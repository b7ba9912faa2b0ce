// The world with every satellite whose place has been published: footprint, track seen and track to come; stations,
// day and night. The coastline is Natural Earth's (public domain).

import { canvasContext, colour, element, letters, setText } from "../../dom.js";
import { circleOnEarth, footprint, sunBelow, topologyRings, trackAhead, wrap } from "../../geometry.js";
import { INKS, placeOf } from "../../sky_station.js";
import { ago } from "../../time.js";
import { ORBIT_FRESH_MS } from "../../attention.js";

export const title = "Ground tracks";
export const order = 20;
export const size = "two-thirds";

const DRAW_MS = 1000;
const AHEAD_MIN = 50;
const FORGET_MS = 2 * 3600_000;
const MOST_TRACKS = 8;

let rings = null;

/** The coast is loaded with the module. Without it the map shows everything else. */
const coastline = fetch(new URL("../../vendor/world-atlas-2.0.2/land-110m.json", import.meta.url))
  .then((answer) => answer.json())
  .then((topology) => (rings = topologyRings(topology)))
  .catch((error) => console.error("no coastline", error));

export function create(page) {
  const canvas = element("canvas.map", { role: "img" });
  const note = element("span.note");
  const ground = document.createElement("canvas");
  let groundFor = "";
  let drawnMs = 0;
  canvas.addEventListener("resized", () => ((drawnMs = 0), page.repaint()));
  coastline.then(() => page.repaint());

  /** Sea and land change with the theme and the size only: drawn once and copied. */
  function groundFitting(width, height, scale) {
    const stamp = `${width}/${height}/${scale}/${document.documentElement.dataset.theme}/${rings !== null}`;
    if (stamp === groundFor) return ground;
    groundFor = stamp;
    ground.width = width * scale;
    ground.height = height * scale;
    const context = ground.getContext("2d");
    context.scale(scale, scale);
    const at = projection(width, height);
    context.fillStyle = colour("sea");
    context.fillRect(0, 0, width, height);
    context.fillStyle = colour("land");
    context.strokeStyle = colour("edge");
    context.lineWidth = 0.6;
    context.beginPath();
    for (const ring of rings ?? []) coast(context, at, width, ring);
    context.fill("evenodd");
    context.stroke();
    context.strokeStyle = colour("line");
    context.globalAlpha = 0.6;
    context.beginPath();
    for (let longitude = -150; longitude < 180; longitude += 30) line(context, at(90, longitude), at(-90, longitude));
    for (let latitude = -60; latitude < 90; latitude += 30) line(context, at(latitude, -180), at(latitude, 180));
    context.stroke();
    return ground;
  }

  function draw(nowMs) {
    if (Math.abs(nowMs - drawnMs) < DRAW_MS && groundFor.includes(`/${rings !== null}`)) return;
    const context = canvasContext(canvas);
    if (!context) return;
    drawnMs = nowMs;
    const { boxWidth: width, boxHeight: height } = context;
    context.drawImage(groundFitting(width, height, window.devicePixelRatio || 1), 0, 0, width, height);
    const at = projection(width, height);
    night(context, at, width, height, nowMs);
    const known = [...page.store.satellites.values()]
      .filter((satellite) => satellite.orbit && nowMs - satellite.orbit.ts < FORGET_MS)
      .sort((one, other) => other.orbit.ts - one.orbit.ts);
    known.slice(0, MOST_TRACKS).forEach((satellite, index) => tracks(context, at, width, satellite, INKS[index % INKS.length], nowMs));
    for (const station of page.store.stations.values()) antenna(context, at, station);
    known.forEach((satellite, index) => mark(context, at, satellite, INKS[index % INKS.length], index < MOST_TRACKS, width, nowMs));
    setText(note, known.length ? `${known.length} with a known place · dotted: estimated, next ${AHEAD_MIN} min` : "no satellite's place has been published");
    canvas.setAttribute("aria-label", known.length ? known.map((satellite) => `${satellite.name} over ${place(satellite.orbit.data)}, ${ago(satellite.orbit.ts, nowMs)}`).join("; ") : "World map; no satellite's place has been published");
  }

  return { element: canvas, note, draw, rethemed: () => (drawnMs = 0) };
}

const projection = (width, height) => (latitude, longitude) => [((longitude + 180) / 360) * width, ((90 - latitude) / 180) * height];

const place = ({ latitude_deg: latitude, longitude_deg: longitude }) =>
  `${Math.abs(latitude).toFixed(0)}° ${latitude < 0 ? "south" : "north"}, ${Math.abs(longitude).toFixed(0)}° ${longitude < 0 ? "west" : "east"}`;

function line(context, from, to) {
  context.moveTo(...from);
  context.lineTo(...to);
}

/** A line over the map that leaves it on one side and comes back on the other: drawn three times, shifted. */
function wrapped(context, at, width, points, close = false, unwrapped = false) {
  let around = points[0][1];
  const path = points.map(([latitude, longitude]) => {
    around = unwrapped && latitude === -90 ? longitude : wrap(longitude, around);
    return at(latitude, around);
  });
  for (const shift of [-width, 0, width]) {
    path.forEach(([x, y], index) => context[index ? "lineTo" : "moveTo"](x + shift, y));
    if (close) context.closePath();
  }
}

/** One ring of the coast. It may cross the date line, and Antarctica's goes around the pole. */
function coast(context, at, width, ring) {
  const points = ring.map(([longitude, latitude]) => [latitude, longitude]);
  let around = points[0][1];
  for (const [, longitude] of points) around = wrap(longitude, around);
  const turned = around - points[0][1];
  if (Math.abs(turned) > 180) points.push([-90, points[0][1] + turned], [-90, points[0][1] + turned / 2], [-90, points[0][1]]);
  wrapped(context, at, width, points, true, Math.abs(turned) > 180);
}

function tracks(context, at, width, satellite, [ink], nowMs) {
  const { data, ts } = satellite.orbit;
  const fresh = nowMs - ts < ORBIT_FRESH_MS;
  const trail = satellite.trail.filter((point) => Number.isFinite(point.latitude_deg) && nowMs - point.ts < FORGET_MS);
  context.strokeStyle = colour(ink);
  if (trail.length > 1) {
    context.lineWidth = 2;
    context.beginPath();
    wrapped(context, at, width, trail.map((point) => [point.latitude_deg, wrap(point.longitude_deg)]));
    context.stroke();
  }
  const older = trail.find((point) => trail.at(-1).ts - point.ts <= 60_000 && trail.at(-1).ts - point.ts >= 2000);
  const ahead = fresh && older ? trackAhead(older, trail.at(-1), data.altitude_km, AHEAD_MIN) : null;
  if (ahead) {
    context.setLineDash([2, 5]);
    context.lineWidth = 1.5;
    context.beginPath();
    wrapped(context, at, width, ahead);
    context.stroke();
  }
  if (fresh && data.altitude_km > 0) {
    context.setLineDash([]);
    context.lineWidth = 1.2;
    context.beginPath();
    cover(context, at, width, data);
    context.stroke();
    context.globalAlpha = 0.1;
    context.fillStyle = colour(ink);
    context.fill();
    context.globalAlpha = 1;
  }
  context.setLineDash([]);
}

/** A footprint; one that holds a pole is an open line across the map, closed along the map's edge. */
function cover(context, at, width, { latitude_deg: latitude, longitude_deg: longitude, altitude_km: altitude }) {
  const edge = footprint(latitude, longitude, altitude);
  const radius = 90 - Math.abs(edge.reduce((most, point) => Math.max(most, Math.abs(point[0])), 0));
  const northern = latitude + (90 - radius) > 90;
  let around = edge[0][1];
  let turned = 0;
  for (const [, next] of edge) {
    const step = wrap(next, around);
    turned += step - around;
    around = step;
  }
  if (Math.abs(turned) < 180) {
    wrapped(context, at, width, edge, true);
    return;
  }
  const pole = latitude > 0 || northern ? 90 : -90;
  const sorted = edge.map(([lat, lon]) => [lat, wrap(lon)]).sort((one, other) => one[1] - other[1]);
  context.moveTo(...at(pole, -180));
  for (const [lat, lon] of [[sorted[0][0], -180], ...sorted, [sorted.at(-1)[0], 180]]) context.lineTo(...at(lat, lon));
  context.lineTo(...at(pole, 180));
  context.closePath();
}

function mark(context, at, satellite, [ink], named, width, nowMs) {
  const { data, ts } = satellite.orbit;
  if (!Number.isFinite(data.latitude_deg)) return;
  const fresh = nowMs - ts < ORBIT_FRESH_MS;
  const [x, y] = at(data.latitude_deg, wrap(data.longitude_deg));
  context.beginPath();
  context.arc(x, y, named ? 5 : 3, 0, 7);
  context.lineWidth = 2;
  context.fillStyle = context.strokeStyle = colour(fresh ? ink : "unknown");
  if (fresh) context.fill();
  else context.stroke();
  if (!named) return;
  context.font = letters(12, 600);
  const words = fresh ? satellite.name : `${satellite.name}, ${ago(ts, nowMs)}`;
  const wide = context.measureText(words).width;
  const left = x + 10 + wide > width ? x - 10 - wide : x + 9;
  context.globalAlpha = 0.75;
  context.fillStyle = colour("surface");
  context.fillRect(left - 2, y - 8, wide + 4, 16);
  context.globalAlpha = 1;
  context.fillStyle = colour(fresh ? "text" : "quiet");
  context.textBaseline = "middle";
  context.fillText(words, left, y);
}

function antenna(context, at, station) {
  const where = placeOf(station);
  if (!where) return;
  const [x, y] = at(where.latitude_deg, wrap(where.longitude_deg));
  context.strokeStyle = colour("text");
  context.fillStyle = colour("surface");
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x, y - 6);
  context.lineTo(x + 6, y + 5);
  context.lineTo(x - 6, y + 5);
  context.closePath();
  context.fill();
  context.stroke();
  context.font = letters(12);
  context.fillStyle = colour("text");
  context.textBaseline = "middle";
  context.textAlign = "center";
  context.fillText(station.name, x, y + 15);
  context.textAlign = "left";
}

/** The dark half: everything farther than 90° from the place below the Sun. */
function night(context, at, width, height, nowMs) {
  const sun = sunBelow(nowMs);
  const edge = circleOnEarth(sun.latitude_deg, sun.longitude_deg, 90, 180)
    .map(([latitude, longitude]) => [latitude, wrap(longitude)])
    .sort((one, other) => one[1] - other[1]);
  const dark = sun.latitude_deg > 0 ? height : 0;
  context.fillStyle = colour("night");
  context.beginPath();
  context.moveTo(0, dark);
  context.lineTo(0, at(edge[0][0], 0)[1]);
  for (const [latitude, longitude] of edge) context.lineTo(...at(latitude, longitude));
  context.lineTo(width, at(edge.at(-1)[0], 0)[1]);
  context.lineTo(width, dark);
  context.closePath();
  context.fill();
  const [x, y] = at(sun.latitude_deg, sun.longitude_deg);
  context.fillStyle = colour("warning");
  context.beginPath();
  context.arc(x, y, 5, 0, 7);
  context.fill();
}
