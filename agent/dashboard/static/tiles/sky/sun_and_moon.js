// Where Sun and Moon stand over the station: heat and shadow for antennas, and noise when one is in the beam.

import { element, facts, setText } from "../../dom.js";
import { lookAt, moonBelow, moonPhase, sunBelow } from "../../geometry.js";
import { placeOf, seenFrom } from "../../sky_station.js";

export const title = "Sun and Moon";
export const order = 40;
export const size = "full";

/** Closer to a satellite than this, the Sun's noise begins to matter for a steered antenna. */
const NEAR_DEG = 5;

export function create(page) {
  const sun = element("span");
  const moon = element("span");
  const near = element("span");
  const list = facts([["Sun", sun], ["Moon", moon], ["near a satellite", near]]);
  list.classList.add("across");
  return {
    element: list,
    draw(nowMs) {
      const station = page.station();
      const place = placeOf(station);
      if (!place) {
        const words = station ? "unknown: the station has not published its place" : "unknown: no station heard";
        for (const value of [sun, moon]) setText(value, words);
        setText(near, "unknown");
        return;
      }
      const bodies = [["Sun", lookAt(sunBelow(nowMs), place)], ["Moon", lookAt(moonBelow(nowMs), place)]];
      const words = ({ azimuth_deg, elevation_deg }) =>
        elevation_deg > 0 ? `${elevation_deg.toFixed(1)}° up in ${azimuth_deg.toFixed(0)}°` : `${(-elevation_deg).toFixed(0)}° below the horizon`;
      const phase = moonPhase(nowMs);
      setText(sun, words(bodies[0][1]));
      setText(moon, `${words(bodies[1][1])} · ${(phase.lit * 100).toFixed(0)} % lit, ${phase.growing ? "growing" : "shrinking"}`);
      const close = [];
      for (const { satellite, data, up } of seenFrom(page.store, station, nowMs)) {
        if (!up) continue;
        for (const [name, body] of bodies) {
          const apart = separation(data, body);
          if (apart < NEAR_DEG && body.elevation_deg > 0) close.push(`${satellite.name} is ${apart.toFixed(1)}° from the ${name}`);
        }
      }
      setText(near, close.join("; ") || `none within ${NEAR_DEG}°`);
    },
  };
}

function separation(one, other) {
  const [a, b, c] = [one.elevation_deg, other.elevation_deg, one.azimuth_deg - other.azimuth_deg].map((degrees) => (degrees * Math.PI) / 180);
  return (Math.acos(Math.min(1, Math.sin(a) * Math.sin(b) + Math.cos(a) * Math.cos(b) * Math.cos(c))) * 180) / Math.PI;
}
