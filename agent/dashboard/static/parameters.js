// Parameters as the schema describes them: label, unit, limits as zones, and a value as people read it. Pure.

import { LEVELS } from "./severity.js";

const ENVELOPE = new Set(["ts", "generated_ts", "satellite", "norad", "packet", "downlink", "marking", "archive", "seq", "prev", "boot"]);

const WRITTEN = { degC: "°C", degF: "°F", deg: "°", "deg/s": "°/s", ohm: "Ω" };

/** A unit as people write it. */
export const written = (unit) => WRITTEN[unit] ?? unit;

const noParameters = Object.freeze({});

/** What describes each key of a packet: from the schema, or only the key itself where it says nothing. */
export function describe(satellite, packet, key) {
  const described = satellite.schema?.data.packets?.[packet]?.parameters ?? noParameters;
  const known = described[key] ?? repeated(described, key);
  const name = known?.name ?? key;
  return {
    key,
    name,
    label: name.replaceAll("_", " "),
    unit: written(known?.unit ?? ""),
    description: known?.description ?? "",
    headline: known?.headline === true,
    limits: known?.limits ?? null,
    described: known !== undefined,
  };
}

/** Find what describes an element of something repeated: its number (`cell_3_voltage_v`) or name stands in the key. */
function repeated(described, key) {
  for (const [base, parameter] of Object.entries(described)) {
    const name = parameter.name ?? base;
    if (!key.startsWith(`${name}_`)) continue;
    const suffix = base.slice(name.length);
    const element = parameter.elements?.find((item) => key === `${name}_${item}${suffix}`);
    if (element) return { ...parameter, name: `${name}_${element}` };
    const match = key.slice(name.length + 1).match(/^(\d+)_?(.*)$/);
    if (!match) continue;
    const [, number, inner] = match;
    const of = parameter.parameters?.[inner] ?? (parameter.parameters ? undefined : parameter);
    if (of) return { ...of, name: `${name}_${number}${parameter.parameters ? `_${of.name ?? inner}` : ""}` };
  }
  return undefined;
}

/** The limits of a parameter by its name, whichever packet carries it. */
export function limitsOf(satellite, name) {
  for (const packet of Object.values(satellite.schema?.data.packets ?? {})) {
    for (const parameter of Object.values(packet.parameters ?? {})) if (parameter.name === name) return parameter.limits ?? null;
  }
  return null;
}

/** Whether a key of a report is a parameter's, not the message's own. */
export const isParameter = (key) => !ENVELOPE.has(key);

/** The keys of a report that are parameters, in the packet's order. */
export const parameterKeys = (data) => Object.keys(data).filter(isParameter);

/** All headline parameters that have a value: [{ packet, key, description, entry }]. */
export function headlines(satellite) {
  const found = [];
  for (const [packet, entry] of satellite.packets) {
    const described = satellite.schema?.data.packets?.[packet]?.parameters;
    if (!described) continue;
    for (const key in described) {
      if (described[key].headline && key in entry.data) found.push({ packet, key, entry });
    }
  }
  return found;
}

/** After how long a packet counts as stale, in ms, or null when the file does not say. */
export function staleAfterMs(satellite, packet) {
  const seconds = satellite.schema?.data.packets?.[packet]?.stale_after_s;
  return typeof seconds === "number" ? seconds * 1000 : null;
}

export function isStale(satellite, packet, entry, nowMs) {
  const limit = staleAfterMs(satellite, packet);
  if (satellite.health?.data.stale_packets?.includes(packet)) return true;
  return limit !== null && entry.ts !== null && nowMs - entry.ts > limit;
}

/** How old a pass's elements are now, in days: the pass says how old they will be at its height. Null: unknown. */
export function elementAge(pass, nowMs) {
  if (!Number.isFinite(pass?.element_age_d)) return null;
  return Math.max(0, pass.element_age_d - Math.max(0, (pass.tca_ts ?? nowMs) - nowMs) / 86_400_000);
}

/** A value as it is read: five significant digits, steady in width; `—` for none. */
export function format(value) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return "not a number";
  if (Number.isInteger(value)) return Math.abs(value) < 1e9 ? String(value) : value.toExponential(4);
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(3);
  if (size >= 1000) return value.toFixed(1);
  if (size >= 100) return value.toFixed(1);
  if (size >= 10) return value.toFixed(2);
  return value.toFixed(3);
}

/** The health the station publishes for one parameter: { level, result }, or null when it is not out of limits. */
export function verdict(satellite, name) {
  const data = satellite.health?.data;
  const at = data?.out_of_limits?.indexOf(name) ?? -1;
  if (at < 0) return null;
  return { level: data.levels?.[at] ?? "unknown", range: data.range_conditions?.[at] ?? null };
}

/**
 * The zones of a rule between `low` and `high`: [{ from, to, level }], the worse painted later. `outside` rules
 * (XTCE's default) give good intervals, `inside` rules bad ones.
 */
export function zones(rule, low, high) {
  const found = [];
  const add = (from, to, level) => {
    const clipped = { from: Math.max(from, low), to: Math.min(to, high), level };
    if (clipped.to > clipped.from) found.push(clipped);
  };
  const apply = (range, level, form) => {
    const min = range.min ?? -Infinity;
    const max = range.max ?? Infinity;
    if (form === "inside") add(min, max, level);
    else {
      add(-Infinity, min, level);
      add(max, Infinity, level);
    }
  };
  if (!rule) return found;
  for (const level of LEVELS) if (rule[level]) apply(rule[level], level, rule.form ?? "outside");
  for (const range of rule.ranges ?? []) apply(range, range.level ?? "normal", range.form ?? "outside");
  return found.sort((one, other) => LEVELS.indexOf(one.level) - LEVELS.indexOf(other.level));
}

/** Where the scale of a limit bar begins and ends: all limits with some air, and the value itself. Null: no numbers. */
export function scale(rule, value) {
  const bounds = [];
  for (const range of [...LEVELS.map((level) => rule?.[level]), ...(rule?.ranges ?? [])]) {
    for (const bound of [range?.min, range?.max]) if (typeof bound === "number") bounds.push(bound);
  }
  if (!bounds.length) return null;
  let low = Math.min(...bounds);
  let high = Math.max(...bounds);
  const air = (high - low || Math.abs(high) || 1) * 0.25;
  low -= air;
  high += air;
  if (typeof value === "number" && Number.isFinite(value)) {
    if (value < low) low = value - air / 2;
    if (value > high) high = value + air / 2;
  }
  return { low, high };
}

/** The rule in words, for people who do not see the bar. */
export function inWords(rule, unit) {
  if (!rule) return "no limits";
  const parts = [];
  for (const level of LEVELS) {
    const range = rule[level];
    if (!range) continue;
    const bad = (rule.form ?? "outside") === "inside" ? "between" : "outside";
    parts.push(`${level} ${bad} ${range.min ?? "−∞"} … ${range.max ?? "∞"}${unit ? ` ${unit}` : ""}`);
  }
  for (const [label, level] of Object.entries(rule.labels ?? {})) parts.push(`${level} at ${label}`);
  if (rule.change) parts.push("limits on its change");
  if (rule.contexts?.length || rule.context?.length) parts.push("other limits in some modes");
  return parts.join("; ") || "no limits";
}
