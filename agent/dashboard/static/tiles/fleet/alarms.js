// All alarms of all stations, beside the fleet.

import { AlarmList } from "../../alarm_list.js";
import { element, setText } from "../../dom.js";

export const title = "Alarms";
export const order = 5;
export const size = "side";

export function create(page) {
  const list = new AlarmList(page);
  const note = element("span.note.number");
  return {
    element: list.element,
    note,
    draw(nowMs) {
      const alarms = [...page.store.alarms.values()];
      setText(note, alarms.length ? String(alarms.length) : "");
      list.draw(alarms, nowMs);
    },
  };
}
