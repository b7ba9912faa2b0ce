// Times for people: UTC first, local on hover, ages and countdowns. Knows the station's clock against this browser's.

let skewMs = 0;
let skewKnown = false;

/** Learn from a message that was made just now how far this browser's clock is from the station's. */
export function hearClock(ts, receivedMs) {
  const seen = receivedMs - ts;
  skewMs = skewKnown ? skewMs + 0.1 * (seen - skewMs) : seen;
  skewKnown = true;
}

/** How far this browser's clock is ahead of the station's, in ms (delivery included), or null when unknown. */
export const browserAheadMs = () => (skewKnown ? skewMs : null);

/** Now by the station's clock; differences of less than two seconds are not worth a correction. */
export const now = () => (Math.abs(skewMs) > 2000 ? Date.now() - skewMs : Date.now());

const two = (number) => String(number).padStart(2, "0");

export function utcClock(ms) {
  const date = new Date(ms);
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
}

export function utcDay(ms) {
  const date = new Date(ms);
  return `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
}

/** Day of the year, as operations count days. */
export function dayOfYear(ms) {
  const date = new Date(ms);
  return Math.floor((date - Date.UTC(date.getUTCFullYear(), 0, 0)) / 86_400_000);
}

/** `14:03:22`, with the date when it is not today; `unknown` when there is none. */
export function utc(ms, reference = now()) {
  if (!isTime(ms)) return "unknown";
  const day = utcDay(ms);
  return day === utcDay(reference) ? utcClock(ms) : `${day} ${utcClock(ms)}`;
}

const localClock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** For a tooltip: both clocks, in full. */
export function bothClocks(ms) {
  if (!isTime(ms)) return "no time known";
  return `${utcDay(ms)} ${utcClock(ms)} UTC\n${localClock.format(ms)} (local)`;
}

/** `12 s`, `4 min`, `3 h 10 min`, `5 d`: two parts at most. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return days < 10 && hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

export const ago = (ms, reference = now()) => (isTime(ms) ? `${span(reference - ms)} ago` : "never heard");

/** `−00:12:30` before, `+00:00:10` after. */
export function countdown(ms, reference = now()) {
  if (!isTime(ms)) return "unknown";
  const seconds = Math.round((ms - reference) / 1000);
  const rest = Math.abs(seconds);
  const days = Math.floor(rest / 86400);
  const clock = `${two(Math.floor(rest / 3600) % 24)}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
  return `${seconds >= 0 ? "−" : "+"}${days ? `${days} d ` : ""}${clock}`;
}

export const isTime = (ms) => typeof ms === "number" && Number.isFinite(ms) && ms > 0;
