// The alarms of this satellite.

import { AlarmList } from "../../alarm_list.js";

export const title = "Alarms";
export const order = 10;
export const size = "side";

export function create(page) {
  const list = new AlarmList(page, { showSatellite: false });
  return {
    element: list.element,
    draw(nowMs) {
      list.draw(page.satellite()?.alarms.values() ?? [], nowMs);
    },
  };
}
