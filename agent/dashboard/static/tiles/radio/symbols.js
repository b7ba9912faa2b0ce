// The symbols of the last frame, when they are published:
//   { kind: "constellation", i: […], q: […] }    { kind: "eye", samples_per_symbol, values: […] }    { kind: "soft", values: […] }

import { canvasContext, colour, element, setText } from "../../dom.js";
import { ago } from "../../time.js";

export const title = "Symbols of the last frame";
export const order = 25;
export const size = "third";

const MOST = 4096;

export function create(page) {
  const canvas = element("canvas.symbols", { role: "img" });
  const said = element("p.quiet");
  let drawn = "";
  canvas.addEventListener("resized", () => ((drawn = ""), page.repaint()));
  return {
    element: element("div", {}, canvas, said),
    draw(nowMs) {
      const entry = page.satellite()?.symbols;
      canvas.hidden = !entry;
      if (!entry) {
        setText(said, "None published since this page was opened.");
        return;
      }
      const { data } = entry;
      setText(said, `${data.kind} · ${data.downlink ?? "unknown downlink"} · ${ago(entry.ts, nowMs)}`);
      const stamp = `${entry.receivedMs}/${document.documentElement.dataset.theme}`;
      if (stamp === drawn) return;
      const context = canvasContext(canvas);
      if (!context) return;
      drawn = stamp;
      canvas.setAttribute("aria-label", `${data.kind} of the last frame`);
      axes(context);
      context.fillStyle = context.strokeStyle = colour("plot");
      context.globalAlpha = 0.55;
      if (data.kind === "constellation") constellation(context, numbers(data.i), numbers(data.q));
      else if (data.kind === "eye") eye(context, numbers(data.values), Math.max(2, Math.min(64, data.samples_per_symbol | 0)));
      else soft(context, numbers(data.values));
      context.globalAlpha = 1;
    },
  };
}

const numbers = (list) => (Array.isArray(list) ? list.slice(0, MOST).filter(Number.isFinite) : []);
const extent = (...lists) => Math.max(1e-9, ...lists.flat().map(Math.abs)) * 1.15;

function axes(context) {
  const { boxWidth: width, boxHeight: height } = context;
  context.fillStyle = colour("sea");
  context.fillRect(0, 0, width, height);
  context.strokeStyle = colour("line");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, height / 2);
  context.lineTo(width, height / 2);
  context.moveTo(width / 2, 0);
  context.lineTo(width / 2, height);
  context.stroke();
}

function constellation(context, inPhase, quadrature) {
  const size = Math.min(context.boxWidth, context.boxHeight) / 2;
  const most = extent(inPhase, quadrature);
  inPhase.slice(0, quadrature.length).forEach((value, index) => {
    context.fillRect(context.boxWidth / 2 + (value / most) * size - 1.5, context.boxHeight / 2 - (quadrature[index] / most) * size - 1.5, 3, 3);
  });
}

function eye(context, values, perSymbol) {
  const most = extent(values);
  const length = perSymbol * 2;
  context.lineWidth = 1;
  context.globalAlpha = 0.25;
  context.beginPath();
  for (let from = 0; from + length < values.length; from += perSymbol) {
    for (let step = 0; step <= length; step++) {
      const x = (step / length) * context.boxWidth;
      const y = (context.boxHeight / 2) * (1 - values[from + step] / most);
      context[step ? "lineTo" : "moveTo"](x, y);
    }
  }
  context.stroke();
}

function soft(context, values) {
  const most = extent(values);
  values.forEach((value, index) => {
    context.fillRect((index / values.length) * context.boxWidth, (context.boxHeight / 2) * (1 - value / most) - 1, 2, 2);
  });
}
