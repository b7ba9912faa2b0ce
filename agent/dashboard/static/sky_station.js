// The station a sky view is seen from, and what is above its horizon. Used by the tiles of the sky.

import { ORBIT_FRESH_MS } from "./attention.js";

/** Where the station stands, as it published it: { latitude_deg, longitude_deg }, or null. */
export function placeOf(station) {
  const data = station?.health?.data;
  const known = Number.isFinite(data?.latitude_deg) && Number.isFinite(data?.longitude_deg);
  return known ? { latitude_deg: data.latitude_deg, longitude_deg: data.longitude_deg } : null;
}

/** Satellites whose look angles from this station are of now: [{ satellite, data, up }]. */
export function seenFrom(store, station, nowMs) {
  const found = [];
  if (!station) return found;
  for (const satellite of store.satellites.values()) {
    const orbit = satellite.orbitFrom(station.name);
    if (orbit && nowMs - (orbit.ts ?? 0) < ORBIT_FRESH_MS) found.push({ satellite, data: orbit.data, up: orbit.data.elevation_deg > 0 });
  }
  return found;
}

/** One colour and dash for each of the satellites that stand in a drawing together. */
export const INKS = [
  ["plot", []],
  ["plot-2", []],
  ["normal", []],
  ["severe", []],
  ["plot", [6, 4]],
  ["plot-2", [6, 4]],
  ["normal", [6, 4]],
  ["severe", [6, 4]],
];
