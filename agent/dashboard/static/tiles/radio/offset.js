// The frequency offset measured on frames, and the Doppler predicted from the orbit.

import { element } from "../../dom.js";
import { Plot } from "../../plot.js";

export const title = "Frequency, Hz";
export const order = 20;
export const size = "two-thirds";

export function create(page) {
  const offset = new Plot({ label: "offset left after the predicted Doppler was removed", unit: "Hz", height: 190, points: true });
  const doppler = new Plot({ label: "predicted Doppler", unit: "Hz", height: 150, lines: [{ label: "Doppler", colour: "plot-2" }] });
  const nones = [
    element("p.quiet", {}, "No frame with a known offset since this page was opened."),
    element("p.quiet", {}, "No look angles published since this page was opened: the Doppler is unknown."),
  ];
  for (const plot of [offset, doppler]) plot.show(600);
  const sides = [
    [offset, nones[0], (satellite) => satellite?.linkHistory, "frequency_offset_hz"],
    [doppler, nones[1], (satellite) => satellite?.dopplerHistory, "doppler_hz"],
  ];
  return {
    element: element("div", {}, element("h3", {}, "Measured offset"), nones[0], offset.element, element("h3", {}, "Predicted Doppler"), nones[1], doppler.element),
    draw(nowMs) {
      const satellite = page.satellite();
      for (const [plot, none, historyOf, key] of sides) {
        const kept = historyOf(satellite);
        const column = kept?.columns.get(key);
        none.hidden = Boolean(column);
        plot.element.hidden = !column;
        if (column) plot.draw(kept.times, [column], nowMs);
      }
    },
    rethemed: () => sides.forEach(([plot]) => plot.rethemed()),
    close: () => sides.forEach(([plot]) => plot.close()),
  };
}
