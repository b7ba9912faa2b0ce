// What the page may ask of a station, over `cmd/<name>` and `reply/<client>`. Whether it is allowed to is for the
// broker's access list and the station to say; the name given here is only written down.

const NAME = "gsagent-operator";

export const operator = () => localStorage.getItem(NAME) ?? "";
export const setOperator = (name) => localStorage.setItem(NAME, name.trim().slice(0, 64));

const named = (alarm) => ({
  satellite: alarm.data.satellite,
  parameter: alarm.data.parameter,
  alarm_id: alarm.data.alarm_id,
  user: operator() || "dashboard",
});

export const acknowledge = (connection, alarm) => connection.ask(alarm.station, "acknowledge", named(alarm));

export const shelve = (connection, alarm, durationS) =>
  connection.ask(alarm.station, "shelve", { ...named(alarm), duration_s: durationS });

export const unshelve = (connection, alarm) => connection.ask(alarm.station, "unshelve", named(alarm));

/** Clear a latched alarm whose value is good again. */
export const reset = (connection, alarm) => connection.ask(alarm.station, "reset", named(alarm));

/** One parameter's values from the archive: { ts: […ms], values: […] }, at most `maxPoints` of them. */
export const history = (connection, station, { satellite, packet, parameter, fromTs, toTs, maxPoints }) =>
  connection.ask(station, "history", {
    satellite,
    packet,
    parameter,
    from_ts: Math.round(fromTs),
    to_ts: Math.round(toTs),
    max_points: maxPoints,
  });

/** Have a source's waterfall published for a while; asked again while somebody looks. */
export const spectrum = (connection, station, source, durationS) =>
  connection.ask(station, "spectrum", { source, duration_s: durationS });
