// Directions on the sky and places on the Earth: paths between published points, footprints, Sun and Moon. Pure.
// Angles in degrees at the border, radians inside. For drawing: a few tenths of a degree are enough here; the agent's
// own orbit code is the truth.

const RAD = Math.PI / 180;
const EARTH_RADIUS_KM = 6371.0088; // IUGG mean radius
const MU_KM3_S2 = 398600.4418; // WGS 84
const EARTH_RATE_RAD_S = 7.2921158553e-5;
const J2000_MS = Date.UTC(2000, 0, 1, 12);
const DAY_MS = 86_400_000;

export const wrap = (degrees, around = 0) => degrees - 360 * Math.round((degrees - around) / 360);

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const times = (a, factor) => [a[0] * factor, a[1] * factor, a[2] * factor];
const plus = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const unit = (a) => times(a, 1 / (Math.hypot(...a) || 1));

/** North, east, up; or x, y, z with latitude and longitude for azimuth's place. */
const fromAngles = (azimuth, elevation) => [
  Math.cos(elevation * RAD) * Math.cos(azimuth * RAD),
  Math.cos(elevation * RAD) * Math.sin(azimuth * RAD),
  Math.sin(elevation * RAD),
];
const toAngles = ([x, y, z]) => [((Math.atan2(y, x) / RAD) + 360) % 360, Math.asin(Math.max(-1, Math.min(1, z))) / RAD];

/**
 * The path of a pass through its three published directions (AOS, TCA, LOS): the small circle through them, as
 * [[azimuth, elevation], …]. A pass that began before it was predicted has no AOS: `here`, [azimuth, elevation] of now,
 * stands for it. Null when a direction is missing.
 */
export function passPath(pass, here = null, steps = 48) {
  const { aos_azimuth_deg: rise, tca_azimuth_deg: top, los_azimuth_deg: set, max_elevation_deg: high } = pass;
  const begin = Number.isFinite(rise) ? [rise, 0] : here;
  if (!begin || ![...begin, top, set, high].every(Number.isFinite)) return null;
  const [a, b, c] = [fromAngles(...begin), fromAngles(top, high), fromAngles(set, 0)];
  const normal = cross(minus(b, a), minus(c, a));
  if (Math.hypot(...normal) < 1e-9) return [begin, [top, high], [set, 0]];
  const axis = unit(normal);
  const centre = times(axis, dot(axis, a));
  const first = minus(a, centre);
  const second = cross(axis, first);
  const angle = (point) => {
    const from = minus(point, centre);
    return (Math.atan2(dot(from, second), dot(from, first)) + 2 * Math.PI) % (2 * Math.PI);
  };
  const end = angle(c);
  const direction = angle(b) <= end ? end : end - 2 * Math.PI;
  return Array.from({ length: steps + 1 }, (_, index) => {
    const at = (direction * index) / steps;
    return toAngles(plus(centre, plus(times(first, Math.cos(at)), times(second, Math.sin(at)))));
  });
}

/** The circle on the ground from which a satellite stands above the horizon: [[latitude, longitude], …]. */
export function footprint(latitude, longitude, altitudeKm, steps = 72) {
  return circleOnEarth(latitude, longitude, Math.acos(EARTH_RADIUS_KM / (EARTH_RADIUS_KM + altitudeKm)) / RAD, steps);
}

/** All places at an angular distance from a place. */
export function circleOnEarth(latitude, longitude, radiusDeg, steps = 72) {
  const sinLatitude = Math.sin(latitude * RAD);
  const cosLatitude = Math.cos(latitude * RAD);
  const radius = radiusDeg * RAD;
  return Array.from({ length: steps + 1 }, (_, index) => {
    const bearing = (2 * Math.PI * index) / steps;
    const sine = sinLatitude * Math.cos(radius) + cosLatitude * Math.sin(radius) * Math.cos(bearing);
    const east = Math.atan2(Math.sin(bearing) * Math.sin(radius) * cosLatitude, Math.cos(radius) - sinLatitude * sine);
    return [Math.asin(sine) / RAD, longitude + east / RAD];
  });
}

/**
 * Where a satellite's track goes on, from two points of it: a circle at its present height, the Earth turning below.
 * An estimate for drawing, good to a degree or two within a revolution of a near-circular orbit. Null when it cannot be said.
 */
export function trackAhead(older, newer, altitudeKm, minutes, steps = 90) {
  const seconds = (newer.ts - older.ts) / 1000;
  if (!(seconds > 0) || !(altitudeKm > 100) || altitudeKm > 3000) return null;
  const before = fromAngles(older.longitude_deg - (EARTH_RATE_RAD_S * seconds) / RAD, older.latitude_deg);
  const here = fromAngles(newer.longitude_deg, newer.latitude_deg);
  const normal = cross(before, here);
  if (Math.hypot(...normal) < 1e-6) return null;
  const along = cross(unit(normal), here);
  const rate = Math.sqrt(MU_KM3_S2 / (EARTH_RADIUS_KM + altitudeKm) ** 3);
  return Array.from({ length: steps + 1 }, (_, index) => {
    const after = (minutes * 60 * index) / steps;
    const point = plus(times(here, Math.cos(rate * after)), times(along, Math.sin(rate * after)));
    const [longitude, latitude] = toAngles(point);
    return [latitude, wrap(longitude - (EARTH_RATE_RAD_S * after) / RAD)];
  });
}

// -- Sun and Moon ------------------------------------------------------------------------------------------------

/** Greenwich mean sidereal time in degrees (IAU 1982, to the first order: a second in a century). */
function siderealDeg(ms) {
  return (280.46061837 + 360.98564736629 * ((ms - J2000_MS) / DAY_MS)) % 360;
}

/** Ecliptic to equatorial of date, then to the place below: { latitude_deg, longitude_deg, distance_km }. */
function below(longitude, latitude, ms, distanceKm) {
  const obliquity = (23.439 - 0.00000036 * ((ms - J2000_MS) / DAY_MS)) * RAD;
  const [l, b] = [longitude * RAD, latitude * RAD];
  const declination = Math.asin(Math.sin(b) * Math.cos(obliquity) + Math.cos(b) * Math.sin(obliquity) * Math.sin(l));
  const right = Math.atan2(Math.sin(l) * Math.cos(obliquity) - Math.tan(b) * Math.sin(obliquity), Math.cos(l));
  return { latitude_deg: declination / RAD, longitude_deg: wrap(right / RAD - siderealDeg(ms)), distance_km: distanceKm };
}

/** The Sun's place. Source: Astronomical Almanac, section C, low-precision formulas, 0.01°. */
export function sunBelow(ms) {
  const days = (ms - J2000_MS) / DAY_MS;
  const mean = 280.46 + 0.9856474 * days;
  const anomaly = (357.528 + 0.9856003 * days) * RAD;
  const longitude = mean + 1.915 * Math.sin(anomaly) + 0.02 * Math.sin(2 * anomaly);
  return below(longitude, 0, ms, 149_597_870.7 * (1.00014 - 0.01671 * Math.cos(anomaly) - 0.00014 * Math.cos(2 * anomaly)));
}

/** The Moon's place. Source: Astronomical Almanac, section D, low-precision formulas, 0.3°. */
export function moonBelow(ms) {
  const t = (ms - J2000_MS) / DAY_MS / 36525;
  const sine = (a, b) => Math.sin((a + b * t) * RAD);
  const cosine = (a, b) => Math.cos((a + b * t) * RAD);
  const longitude =
    218.32 + 481267.881 * t + 6.29 * sine(135.0, 477198.87) - 1.27 * sine(259.3, -413335.36) + 0.66 * sine(235.7, 890534.22) +
    0.21 * sine(269.9, 954397.74) - 0.19 * sine(357.5, 35999.05) - 0.11 * sine(186.5, 966404.03);
  const latitude = 5.13 * sine(93.3, 483202.02) + 0.28 * sine(228.2, 960400.89) - 0.28 * sine(318.3, 6003.15) - 0.17 * sine(217.6, -407332.21);
  const parallax =
    0.9508 + 0.0518 * cosine(135.0, 477198.87) + 0.0095 * cosine(259.3, -413335.36) + 0.0078 * cosine(235.7, 890534.22) + 0.0028 * cosine(269.9, 954397.74);
  return below(longitude, latitude, ms, 6378.14 / Math.sin(parallax * RAD));
}

/** Azimuth and elevation of a body above a place, seen from a place. */
export function lookAt(place, station) {
  const [phi, delta] = [station.latitude_deg * RAD, place.latitude_deg * RAD];
  const hour = (station.longitude_deg - place.longitude_deg) * RAD;
  const sine = Math.sin(phi) * Math.sin(delta) + Math.cos(phi) * Math.cos(delta) * Math.cos(hour);
  const azimuth = Math.atan2(-Math.cos(delta) * Math.sin(hour), Math.sin(delta) * Math.cos(phi) - Math.cos(delta) * Math.sin(phi) * Math.cos(hour));
  // Seen from the surface, not the centre: matters for the Moon (up to 1°).
  const elevation = Math.atan2(sine - EARTH_RADIUS_KM / place.distance_km, Math.sqrt(Math.max(0, 1 - sine * sine)));
  return { azimuth_deg: (azimuth / RAD + 360) % 360, elevation_deg: elevation / RAD };
}

/** The part of the Moon's disc that is lit, 0 … 1, and whether it grows. */
export function moonPhase(ms) {
  const apart = (when) => {
    const [sun, moon] = [sunBelow(when), moonBelow(when)];
    return Math.acos(dot(fromAngles(sun.longitude_deg, sun.latitude_deg), fromAngles(moon.longitude_deg, moon.latitude_deg)));
  };
  const lit = (1 - Math.cos(apart(ms))) / 2;
  return { lit, growing: apart(ms + DAY_MS / 4) > apart(ms) };
}

/** Lines of a TopoJSON topology, in degrees: [[[longitude, latitude], …], …] (RFC-like: topojson-specification §2.1.4). */
export function topologyRings(topology) {
  const { scale, translate } = topology.transform;
  const arcs = topology.arcs.map((arc) => {
    let [x, y] = [0, 0];
    return arc.map(([dx, dy]) => [(x += dx) * scale[0] + translate[0], (y += dy) * scale[1] + translate[1]]);
  });
  const ring = (indices) =>
    indices.flatMap((index, at) => {
      const points = index < 0 ? [...arcs[~index]].reverse() : arcs[index];
      return at ? points.slice(1) : points;
    });
  const geometries = topology.objects.land.geometries ?? [topology.objects.land];
  return geometries.flatMap((shape) => (shape.type === "MultiPolygon" ? shape.arcs : [shape.arcs]).flatMap((polygon) => polygon.map(ring)));
}
