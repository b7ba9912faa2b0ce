// Signal to noise of every frame in time.

import { element } from "../../dom.js";
import { Plot } from "../../plot.js";

export const title = "SNR of frames, dB";
export const order = 10;
export const size = "half";

export function create(page) {
  const plot = new Plot({ label: "SNR", unit: "dB", height: 235, points: true });
  const none = element("p.quiet", {}, "No frame with a known SNR since this page was opened.");
  plot.show(600);
  return {
    element: element("div", {}, none, plot.element),
    draw(nowMs) {
      const kept = page.satellite()?.linkHistory;
      const column = kept?.columns.get("snr_db");
      none.hidden = Boolean(column);
      plot.element.hidden = !column;
      if (column) plot.draw(kept.times, [column], nowMs);
    },
    rethemed: () => plot.rethemed(),
    close: () => plot.close(),
  };
}
