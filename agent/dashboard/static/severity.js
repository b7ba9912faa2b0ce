// Levels of concern (XTCE 1.2) and link states: their order, their words, and the sign of each, which differs in
// shape as well as in colour, so that nobody needs to tell colours apart.

export const LEVELS = ["normal", "watch", "warning", "distress", "critical", "severe"];

/** 0 for normal … 5 for severe, -1 for what is not known. */
export const rank = (level) => LEVELS.indexOf(level);

const SVG = "http://www.w3.org/2000/svg";

// Drawn in a square of 16; `hollow` for what is not known or not current.
const SHAPES = {
  normal: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11z",
  watch: "M8 1.5L14.5 8L8 14.5L1.5 8z",
  warning: "M8 1.8L15 14.2H1z",
  distress: "M2.3 2.3h11.4v11.4H2.3z",
  critical: "M5 1.2h6L14.8 5v6L11 14.8H5L1.2 11V5z",
  severe: "M3.6 1.2L8 5.6l4.4-4.4l2.4 2.4L10.4 8l4.4 4.4l-2.4 2.4L8 10.4l-4.4 4.4l-2.4-2.4L5.6 8L1.2 3.6z",
  unknown: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11z",
};

/** A sign for a level; decoration only: the word stands beside it. */
export function sign(level) {
  const known = level in SHAPES ? level : "unknown";
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `sign level-${known}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[known]);
  svg.append(path);
  return svg;
}

export function setSign(svg, level) {
  const known = level in SHAPES ? level : "unknown";
  if (svg._level === known) return;
  svg._level = known;
  svg.setAttribute("class", `sign level-${known}`);
  svg.firstChild.setAttribute("d", SHAPES[known]);
}

/** What a link state is called, and how much it concerns. `silent` only concerns when a pass is on. */
export const LINK_STATES = {
  nominal: ["nominal", "normal"],
  fading: ["fading", "watch"],
  interference: ["interference", "warning"],
  receiver_fault: ["receiver fault", "critical"],
  silent: ["silent", "watch"],
  out_of_view: ["out of view", "unknown"],
  unknown: ["unknown", "unknown"],
};

export const linkWord = (state) => LINK_STATES[state]?.[0] ?? "unknown";
export const linkLevel = (state) => LINK_STATES[state]?.[1] ?? "unknown";

export const AUTHENTICITY = {
  cryptographic: ["verified", "normal"],
  physically_consistent: ["plausible", "normal"],
  unknown: ["not known", "unknown"],
  suspect: ["suspect", "distress"],
};

export const authenticityWord = (value) => AUTHENTICITY[value]?.[0] ?? "not known";
export const authenticityLevel = (value) => AUTHENTICITY[value]?.[1] ?? "unknown";
