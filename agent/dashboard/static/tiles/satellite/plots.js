// Plots of the parameters that were opened, over the same time; older values are asked of the station's archive.

import { history } from "../../commands.js";
import { arrange, element, setHidden, setText } from "../../dom.js";
import { describe, headlines, parameterKeys } from "../../parameters.js";
import { Plot, SpanChoice } from "../../plot.js";
import { now } from "../../time.js";

export const title = "Plots";
export const order = 30;
export const size = "full";

const MAX_PLOTS = 6;
const ASKED_POINTS = 1500;
const DAY_MS = 86_400_000;

export function create(page) {
  const spans = new SpanChoice(600, (seconds) => {
    for (const panel of panels) panel.plot.show(seconds);
    page.repaint();
  });
  const ask = element("button", { type: "button", onclick: () => askAll() }, "Load from the archive");
  const said = element("span.quiet", { role: "status" });
  const none = element("p.quiet", {}, "Choose a parameter above to see it over time.");
  const grid = element("div.plots");
  let panels = [];
  let satellite = null;
  /** Packets whose past was asked for unasked; a station that does not answer is not asked again. */
  const asked = new Set();

  const opened = ({ detail }) => {
    if (detail.satellite === satellite?.slug) open(detail.packet, detail.key, true);
  };
  addEventListener("plot", opened);

  function open(packet, key, byHand) {
    const known = panels.find((panel) => panel.packet === packet && panel.key === key);
    if (known) {
      known.element.scrollIntoView({ block: "nearest" });
      return;
    }
    if (panels.length >= MAX_PLOTS) closePanel(panels[0]);
    const about = describe(satellite, packet, key);
    const plot = new Plot({ label: about.label, unit: about.unit, rule: about.limits });
    plot.show(spans.seconds);
    const panel = { packet, key, plot, byHand };
    const shut = element("button.shut", { type: "button", "aria-label": `close the plot of ${about.label}`, onclick: () => closePanel(panel) }, "×");
    panel.element = element("figure", {}, element("figcaption", {}, element("strong", {}, about.label), element("span.quiet", {}, about.unit), shut), plot.element);
    panels.push(panel);
    arrange(grid, panels.map((item) => item.element));
    if (byHand) panel.element.scrollIntoView({ block: "nearest" });
    askOnce(panel);
    page.repaint();
  }

  /** Ask for a plot's past when it is opened; whoever gives none simply has none. */
  function askOnce(panel) {
    const { station } = satellite.packets.get(panel.packet);
    const key = `${satellite.slug}/${panel.packet}/${panel.key}`;
    if (asked.has(key) || asked.has(station)) return;
    asked.add(key);
    askPast(satellite, panel).catch(() => asked.add(station));
  }

  async function askPast(whose, { packet, key }) {
    const entry = whose.packets.get(packet);
    const toTs = now();
    const fromTs = toTs - (spans.seconds ? spans.seconds * 1000 : DAY_MS);
    const request = { satellite: whose.slug, packet, parameter: key, fromTs, toTs, maxPoints: ASKED_POINTS };
    const answer = await history(page.connection, entry.station, request);
    if (!Array.isArray(answer.ts) || answer.ts.length !== answer.values?.length) throw new Error("the answer makes no sense");
    whose.history(packet).merge(key, answer.ts, answer.values);
    page.repaint();
    return answer.ts.length;
  }

  function closePanel(panel) {
    panel.plot.close();
    panels = panels.filter((item) => item !== panel);
    arrange(grid, panels.map((item) => item.element));
  }

  function changedTo(next) {
    for (const panel of panels) panel.plot.close();
    panels = [];
    grid.replaceChildren();
    satellite = next;
    said.textContent = "";
  }

  /** Show something at once: the headline parameters, or the first that is a number. */
  function openFirst() {
    const first = headlines(satellite).filter((item) => typeof item.entry.data[item.key] === "number").slice(0, 4);
    for (const { packet, key } of first) open(packet, key, false);
    if (first.length) return;
    for (const [packet, entry] of satellite.packets) {
      const key = parameterKeys(entry.data).find((name) => typeof entry.data[name] === "number");
      if (key) return void open(packet, key, false);
    }
  }

  async function askAll() {
    ask.disabled = true;
    setText(said, "asking …");
    let count = 0;
    try {
      for (const panel of panels) count += await askPast(satellite, panel);
      setText(said, `${count} values from the archive`);
    } catch (error) {
      setText(said, error.message);
    }
    ask.disabled = false;
    page.repaint();
  }

  return {
    element: element("div", {}, element("div.toolbar", {}, spans.element, ask, said), none, grid),
    draw(nowMs) {
      const present = page.satellite();
      if (present !== satellite) changedTo(present);
      if (!satellite) return;
      if (!panels.length && satellite.packets.size && satellite.schema) openFirst();
      setHidden(none, panels.length > 0);
      for (const { packet, key, plot } of panels) {
        const kept = satellite.histories.get(packet);
        if (kept) plot.draw(kept.times, [kept.columns.get(key) ?? []], nowMs);
      }
    },
    /** The plots that stand, for tests. */
    plots: () => panels.map((panel) => panel.plot),
    rethemed: () => panels.forEach((panel) => panel.plot.rethemed()),
    close() {
      removeEventListener("plot", opened);
      for (const panel of panels) panel.plot.close();
    },
  };
}
