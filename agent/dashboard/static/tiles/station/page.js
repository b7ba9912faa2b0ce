// What this page itself has heard: a dashboard that is behind should say so.

import { element, facts, setText } from "../../dom.js";
import { utcClock } from "../../time.js";

export const title = "This page";
export const order = 20;
export const size = "third";

export function create(page) {
  const names = ["broker", "connected since", "messages", "not understood", "drawn", "satellites", "page version"];
  const values = names.map(() => element("span"));
  let last = { ms: 0, messages: 0, paints: 0 };
  return {
    element: facts(names.map((name, index) => [name, values[index]])),
    draw(nowMs) {
      const elapsed = (nowMs - last.ms) / 1000;
      if (elapsed < 1 && elapsed >= 0) return;
      const { store, connection, painter } = page;
      const rate = (store.messages - last.messages) / elapsed;
      const paints = (painter.paints - last.paints) / elapsed;
      const told = [
        connection.url,
        connection.online ? `${utcClock(connection.changedMs)} UTC` : "not connected",
        last.ms ? `${rate.toFixed(rate < 10 ? 1 : 0)} per second, ${store.messages} in all` : String(store.messages),
        String(store.refused),
        last.ms ? `${paints.toFixed(1)} times a second` : "…",
        String(store.satellites.size),
        page.settings.version,
      ];
      told.forEach((text, index) => setText(values[index], text));
      last = { ms: nowMs, messages: store.messages, paints: painter.paints };
    },
  };
}
