// Which satellite needs somebody's attention most, and why, in one sentence. Pure.

import { authenticityLevel, linkLevel, rank } from "./severity.js";
import { isTime } from "./time.js";

export const GROUPS = ["Needs attention", "In view", "Quiet", "Nothing heard"];

/** Look angles are published every second of a pass: older ones say nothing about now. */
export const ORBIT_FRESH_MS = 15_000;

export const isAcknowledged = (alarm) => alarm.data.state === "acknowledged" || alarm.data.state === "shelved";

/** Alarms by what should be looked at first: not acknowledged before acknowledged, worse first, then newest. */
export function byUrgency(alarms) {
  return [...alarms].sort(
    (one, other) =>
      isAcknowledged(one) - isAcknowledged(other) ||
      rank(other.data.level) - rank(one.data.level) ||
      (other.data.triggered_ts ?? 0) - (one.data.triggered_ts ?? 0),
  );
}

/** The satellite's look angles if they are of now and above the horizon, else null. */
export function inView(satellite, nowMs) {
  const orbit = satellite.orbit;
  return orbit && nowMs - (orbit.ts ?? 0) < ORBIT_FRESH_MS && orbit.data.elevation_deg > 0 ? orbit : null;
}

/** The worst level known: of alarms that stand, and of the published health. `unknown` when nobody has said. */
export function worstLevel(satellite) {
  const health = satellite.health?.data;
  // A station calls a satellite normal that it has never heard: nothing is out of limits, since nothing is known.
  let worst = health?.last_report_ts ? health.worst_level : "unknown";
  for (const alarm of satellite.alarms.values()) {
    if (alarm.data.state !== "shelved" && rank(alarm.data.level) > rank(worst)) worst = alarm.data.level;
  }
  return rank(worst) < 0 ? "unknown" : worst;
}

/**
 * { group, score, level, alarm, up }: sorted by group, then by falling score. `level` is the worst of health, link and
 * trust: what the tile shows.
 */
export function attention(satellite, nowMs, nextPass) {
  const health = worstLevel(satellite);
  const alarm = byUrgency(satellite.alarms.values())[0] ?? null;
  const link = satellite.link?.data.state;
  const suspect = satellite.health?.data.authenticity === "suspect";
  const troubled = rank(linkLevel(link)) >= rank("warning");
  const up = inView(satellite, nowMs);
  const others = [suspect ? authenticityLevel("suspect") : "unknown", linkLevel(link) === "normal" ? "unknown" : linkLevel(link)];
  const level = others.reduce((worst, other) => (rank(other) > rank(worst) ? other : worst), health);
  const open = alarm !== null && !isAcknowledged(alarm);
  if (open || suspect || troubled || (rank(health) >= rank("warning") && alarm === null)) {
    return { group: 0, score: rank(level) * 10 + (open ? 5 : 0) + (up ? 1 : 0), level, alarm, up };
  }
  if (up) return { group: 1, score: up.data.elevation_deg + (alarm ? 100 : 0), level, alarm, up };
  const soon = isTime(nextPass?.aos_ts) ? -(nextPass.aos_ts - nowMs) / 1000 : -1e9;
  const heard = satellite.lastHeardMs !== null;
  return { group: heard ? 2 : 3, score: soon + (alarm ? 1e10 : 0), level, alarm, up };
}
