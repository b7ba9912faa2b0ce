// What the messages have said so far: stations, satellites, alarms, frames. Topics and payloads of docs/mqtt.md.
// Knows no DOM and no connection. Everything that grows has a bound; an older message never replaces a newer one.

import { History } from "./history.js";
import { isParameter } from "./parameters.js";
import { hearClock, now } from "./time.js";

const MAX_STATIONS = 64;
const MAX_SATELLITES = 2000;
const MAX_FRAMES = 300;
const MAX_FRAMES_OF_ONE = 60;
const MAX_REPORTS = 60;
const MAX_TRAIL = 1800;
const MAX_SOURCES = 64;
const MAX_LINES = 160;
const MAX_ENDED_ALARMS = 100;
const MAX_EVENTS = 60;
const MAX_TOPICS = 50_000;
const MAX_SEEN = 4096;
/** While an alarm is in one of these states it stands (payloads.ACTIVE_ALARM_STATES). */
const ACTIVE = new Set(["triggered", "acknowledged", "returned_to_normal", "shelved"]);
/** A packet that comes faster is kept at this pace, unless its satellite is being looked at. */
const THIN_MS = 1000;

const text = new TextDecoder();

/** One topic's newest payload, with where and when it was heard. */
class Entry {
  constructor(data, station, receivedMs, retained, session) {
    this.data = data;
    this.station = station;
    this.ts = typeof data.ts === "number" ? data.ts : null;
    this.receivedMs = receivedMs;
    this.retained = retained;
    this.session = session;
  }
}

class Station {
  constructor(name) {
    this.name = name;
    this.revision = 0;
    this.status = null;
    this.health = null;
    this.passes = null;
    this.plan = null;
    this.sources = new Map();
    /** Waterfall lines by source, newest last. */
    this.spectra = new Map();
    this.events = [];
    /** Identities of records lately seen: the archive repeats what it is not sure was delivered. */
    this.seen = new Set();
  }

  get online() {
    return this.status ? this.status.data.online === true : null;
  }
}

class Satellite {
  constructor(slug) {
    this.slug = slug;
    this.revision = 0;
    this.schema = null;
    this.watched = false;
    /** Newest report of each packet, whichever station heard it. */
    this.packets = new Map();
    this.histories = new Map();
    this.reports = [];
    this.frames = [];
    this.trail = [];
    this.symbols = null;
    this.alarms = new Map();
    /** Values of links in time: SNR and frequency offset, as a packet would have them. */
    this.linkHistory = new History();
    this.dopplerHistory = new History();
    this._by = Object.fromEntries(["link", "health", "orbit", "downlink", "outlook", "clock"].map((kind) => [kind, new Map()]));
  }

  get name() {
    return this.schema?.data.name ?? this.slug;
  }

  get norad() {
    return this.schema?.data.norad ?? this.health?.data.norad ?? null;
  }

  /** The link as the station that heard this satellite last sees it. */
  get link() {
    return freshest(this._by.link, "last_frame_ts");
  }

  /** The health of the newest report, by the station that received it. */
  get health() {
    return freshest(this._by.health, "last_report_ts");
  }

  /** What health says of it beside the limits, newest: `outlook` (forecasts, anomalies) or `clock` (on board). */
  newest(what) {
    return freshest(this._by[what], "ts");
  }

  /** Where it stands, newest. */
  get orbit() {
    return freshest(this._by.orbit, "ts");
  }

  get links() {
    return [...this._by.link.values()];
  }

  /** One entry for each downlink and station. */
  get downlinks() {
    return [...this._by.downlink.values()];
  }

  orbitFrom(station) {
    return this._by.orbit.get(station) ?? null;
  }

  /** When a frame or report of it was last received by anybody, in ms, or null. */
  get lastHeardMs() {
    let last = this.health?.data.last_report_ts ?? null;
    const heard = (ms) => {
      if (typeof ms === "number" && (last === null || ms > last)) last = ms;
    };
    for (const entry of this._by.link.values()) heard(entry.data.last_frame_ts);
    for (const entry of this.packets.values()) heard(entry.ts);
    return last;
  }

  history(packet) {
    let history = this.histories.get(packet);
    if (!history) this.histories.set(packet, (history = new History()));
    return history;
  }
}

function freshest(entries, field) {
  let best = null;
  let bestMs = -Infinity;
  for (const entry of entries.values()) {
    const ms = entry.data[field] ?? -1;
    if (ms > bestMs || (ms === bestMs && (entry.ts ?? 0) > (best.ts ?? 0))) {
      best = entry;
      bestMs = ms;
    }
  }
  return best;
}

export class Store {
  /** `changed()` is called after every message; it must be cheap. */
  constructor(prefix, changed = () => {}) {
    this.prefix = prefix;
    this.stations = new Map();
    this.satellites = new Map();
    /** Active alarms by `station/satellite/parameter`. */
    this.alarms = new Map();
    this.endedAlarms = [];
    /** Counts changes of alarms, for those who sort by them. */
    this.alarmRevision = 0;
    this.frames = [];
    this.frameCount = 0;
    this.messages = 0;
    this.refused = 0;
    this.revision = 0;
    this.session = 0;
    this._changed = changed;
    this._routes = new Map();
  }

  /** Take one message as the broker sent it. */
  receive(topic, octets, retained) {
    const route = this._route(topic);
    if (!route) return;
    this.messages += 1;
    this.revision += 1;
    const receivedMs = Date.now();
    if (octets.length === 0) {
      route.take(null, receivedMs, retained);
    } else {
      let data;
      try {
        data = JSON.parse(text.decode(octets));
      } catch {
        this.refused += 1;
        return;
      }
      if (data === null || typeof data !== "object" || Array.isArray(data)) {
        this.refused += 1;
        return;
      }
      route.take(new Entry(data, route.station, receivedMs, retained, this.session), receivedMs, retained);
    }
    this._changed();
  }

  station(name) {
    let station = this.stations.get(name);
    if (!station && this.stations.size < MAX_STATIONS) this.stations.set(name, (station = new Station(name)));
    return station;
  }

  satellite(slug) {
    let satellite = this.satellites.get(slug);
    if (!satellite && this.satellites.size < MAX_SATELLITES) {
      this.satellites.set(slug, (satellite = new Satellite(slug)));
    }
    return satellite;
  }

  /** All coming and present passes of all stations that publish them, in order of AOS. */
  passes() {
    const lists = [...this.stations.values()].map((station) => station.passes);
    if (this._passes && lists.length === this._passesOf.length && lists.every((list, index) => list === this._passesOf[index])) {
      return this._passes;
    }
    this._passesOf = lists;
    const found = [];
    for (const station of this.stations.values()) {
      for (const pass of station.passes?.data.passes ?? []) {
        found.push({ ...pass, station: station.name, satellite: level(pass.satellite) });
      }
    }
    this._passes = found.sort((one, other) => (one.aos_ts ?? 0) - (other.aos_ts ?? 0));
    return this._passes;
  }

  // -- topics ----------------------------------------------------------------------------------------------

  /** Split a topic once and remember where its messages go: thousands come every second, from few topics. */
  _route(topic) {
    let route = this._routes.get(topic);
    if (route === undefined) {
      if (this._routes.size > MAX_TOPICS) this._routes.clear();
      this._routes.set(topic, (route = this._makeRoute(topic)));
    }
    return route;
  }

  _makeRoute(topic) {
    if (!topic.startsWith(`${this.prefix}/`)) return null;
    const [stationName, kind, ...rest] = topic.slice(this.prefix.length + 1).split("/");
    // A signature travels beside what it signs (`…/sig`): a verdict on it has its place here.
    if (rest.at(-1) === "sig") return null;
    const station = this.station(stationName);
    if (!station) return null;
    const take = this._takerOf(station, kind, rest);
    return take && { station: stationName, take };
  }

  _takerOf(station, kind, rest) {
    const [first, second, third] = rest;
    const touch = (change) => (entry, receivedMs, retained) => {
      change(entry, receivedMs, retained);
      station.revision += 1;
    };
    switch (kind) {
      case "status":
        return touch((entry) => (station.status = entry));
      case "station":
        return touch((entry, receivedMs, retained) => {
          station.health = entry;
          if (entry?.ts && !retained) hearClock(entry.ts, receivedMs);
        });
      case "plan":
        return touch((entry) => (station.plan = entry));
      case "source":
        if (second === "spectrum") return touch((entry) => entry && this._takeLine(station, first, entry));
        return touch((entry) => setOrDelete(station.sources, first, entry, MAX_SOURCES));
      case "pass":
        if (first === "list") return touch((entry) => (station.passes = entry));
        if (first === "event") return touch((entry) => entry && this._takeEvent(station, entry));
        return null;
      case "alarm":
        return touch((entry) => this._takeAlarm(station, first, second, entry));
      case "sat": {
        const satellite = this.satellite(first);
        const take = satellite && this._satelliteTaker(station, satellite, second, third);
        if (!take) return null;
        return (entry, receivedMs, retained) => {
          take(entry, receivedMs, retained);
          satellite.revision += 1;
        };
      }
      default:
        return null;
    }
  }

  _satelliteTaker(station, satellite, what, which) {
    switch (what) {
      case "tm":
        return (entry, _, retained) => entry && this._takeReport(station, satellite, which, entry, retained);
      case "frame":
        return (entry, _, retained) => entry && this._takeFrame(station, satellite, entry, retained);
      case "schema":
        return (entry) => (satellite.schema = entry);
      case "link":
        if (which) return (entry) => setOrDelete(satellite._by.downlink, `${station.name}/${which}`, entry, 64);
        return (entry) => this._takeLink(station, satellite, entry);
      case "health":
      case "outlook":
      case "clock":
        return (entry) => setOrDelete(satellite._by[what], station.name, entry, MAX_STATIONS);
      case "orbit":
        return (entry, receivedMs, retained) => {
          this._takeOrbit(station, satellite, entry);
          if (entry?.ts && !retained) hearClock(entry.ts, receivedMs);
        };
      case "symbols":
        return (entry) => (satellite.symbols = entry);
      default:
        return null;
    }
  }

  // -- payloads --------------------------------------------------------------------------------------------

  _takeReport(station, satellite, packet, entry, retained) {
    const known = satellite.packets.get(packet);
    const data = entry.data;
    if (!retained && this._seenBefore(station, data)) return;
    const thin = satellite.watched ? 0 : THIN_MS;
    if (entry.ts !== null) satellite.history(packet).add(entry.ts, data, thin, isParameter);
    if (!known || (entry.ts ?? 0) >= (known.ts ?? 0)) satellite.packets.set(packet, entry);
    const again = known !== undefined && known.ts === entry.ts && known.data.seq === data.seq;
    if (again) return;
    if (satellite.watched || !known || entry.receivedMs - known.receivedMs >= THIN_MS) {
      keep(satellite.reports, { packet, entry }, MAX_REPORTS);
    }
  }

  _takeFrame(station, satellite, entry, retained) {
    if (!retained && this._seenBefore(station, entry.data)) return;
    this.frameCount += 1;
    keep(satellite.frames, entry, MAX_FRAMES_OF_ONE);
    keep(this.frames, { satellite, entry }, MAX_FRAMES);
    const { snr_db, frequency_offset_hz } = entry.data;
    if (entry.ts !== null) satellite.linkHistory.add(entry.ts, { snr_db, frequency_offset_hz });
  }

  _takeLink(station, satellite, entry) {
    setOrDelete(satellite._by.link, station.name, entry, MAX_STATIONS);
  }

  _takeOrbit(station, satellite, entry) {
    setOrDelete(satellite._by.orbit, station.name, entry, MAX_STATIONS);
    if (!entry) return;
    const { ts, doppler_hz, latitude_deg, longitude_deg, azimuth_deg, elevation_deg } = entry.data;
    if (typeof ts !== "number") return;
    satellite.dopplerHistory.add(ts, { doppler_hz }, 900);
    const newest = satellite.trail.at(-1);
    if (newest && ts - newest.ts < 900) return;
    keep(
      satellite.trail,
      { ts, station: station.name, latitude_deg, longitude_deg, azimuth_deg, elevation_deg },
      MAX_TRAIL,
    );
  }

  _takeLine(station, source, entry) {
    let lines = station.spectra.get(source);
    if (!lines && station.spectra.size < MAX_SOURCES) station.spectra.set(source, (lines = []));
    if (lines) keep(lines, entry, MAX_LINES);
  }

  _takeEvent(station, entry) {
    if (this._seenBefore(station, entry.data)) return;
    keep(station.events, entry, MAX_EVENTS);
  }

  _takeAlarm(station, slug, parameter, entry) {
    const key = `${station.name}/${slug}/${parameter}`;
    const known = this.alarms.get(key);
    const satellite = this.satellite(slug);
    if (!satellite || parameter === undefined) return;
    const ended = entry === null || !ACTIVE.has(entry.data.state);
    if (!ended) {
      if (known && (entry.ts ?? 0) < (known.ts ?? 0)) return;
      entry.key = key;
      entry.satellite = satellite;
      this.alarms.set(key, entry);
      satellite.alarms.set(key, entry);
    } else if (known) {
      // A transition from a backlog may be older than the alarm that stands now; an empty payload never is.
      if (entry && (entry.ts ?? 0) < (known.ts ?? 0)) return;
      this.alarms.delete(key);
      satellite.alarms.delete(key);
      keep(this.endedAlarms, { alarm: known, endedMs: entry?.ts ?? now() }, MAX_ENDED_ALARMS);
    }
    satellite.revision += 1;
    this.alarmRevision += 1;
  }

  /** Says whether this record of the archive came before; remembers it. */
  _seenBefore(station, { archive, seq }) {
    if (typeof archive !== "string" || typeof seq !== "number") return false;
    const identity = `${archive}/${seq}`;
    if (station.seen.has(identity)) return true;
    station.seen.add(identity);
    if (station.seen.size > MAX_SEEN) station.seen.delete(station.seen.values().next().value);
    return false;
  }
}

/** A name as it stands in a topic (payloads.level). */
export const level = (name) => String(name ?? "").toLowerCase().replace(/[^a-z0-9_-]/g, "_").slice(0, 32) || "unknown";

function keep(list, item, limit) {
  list.push(item);
  if (list.length > limit) list.splice(0, list.length - limit);
}

function setOrDelete(map, key, entry, limit) {
  if (entry === null) map.delete(key);
  else if (map.has(key) || map.size < limit) map.set(key, entry);
}
