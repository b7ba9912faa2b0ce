// The few ways this page makes and changes its elements. Text only, never markup: what comes over MQTT is data.

/** Make an element: `element("p.note", { title: "…" }, "text", child)`. */
export function element(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-") || name.startsWith("data-") || name === "role" || name === "for") {
      made.setAttribute(name, value);
    } else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set text only if it differs: most of a page stays as it is ten times a second. */
export function setText(node, text) {
  if (node._text !== text) {
    node._text = text;
    node.textContent = text;
  }
}

export function setTitle(node, text) {
  if (node._title !== text) {
    node._title = text;
    node.title = text;
  }
}

export function setClass(node, name, on) {
  if (node.classList.contains(name) !== Boolean(on)) node.classList.toggle(name, Boolean(on));
}

export function setData(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/** Make `parent` hold exactly these children in this order, moving as little as possible. */
export function arrange(parent, children) {
  let at = parent.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/**
 * Keep one part (`{ element, … }`) for each key: made by `make(key, item)` when the key is new, forgotten when gone.
 * Returns the parts in the order of the items.
 */
export function keyed(parts, items, keyOf, make) {
  const wanted = new Set();
  const ordered = items.map((item) => {
    const key = keyOf(item);
    wanted.add(key);
    let part = parts.get(key);
    if (!part) parts.set(key, (part = make(key, item)));
    return part;
  });
  for (const key of parts.keys()) if (!wanted.has(key)) parts.delete(key);
  return ordered;
}

/** A list of terms and values: `facts([["clock", node], …])`. */
export function facts(pairs) {
  const list = element("dl.facts");
  for (const [term, value] of pairs) list.append(element("div", {}, element("dt", {}, term), element("dd", {}, value)));
  return list;
}

const colours = new Map();
let coloursOf = "";

/** Read a colour of the present theme, for canvases. */
export function colour(name) {
  const { theme } = document.documentElement.dataset;
  if (theme !== coloursOf) {
    colours.clear();
    coloursOf = theme;
  }
  if (!colours.has(name)) {
    colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  }
  return colours.get(name);
}

let family = "";

/** A font for a canvas, of the page's family: `letters(12, 600)`. */
export function letters(pixels, weight = 400) {
  family ||= getComputedStyle(document.body).fontFamily;
  return `${weight} ${pixels}px ${family}`;
}

/** The sizes of canvases, told by the browser: asking for them while the page is being changed costs a layout each. */
const sizes = new WeakMap();
const measured = new ResizeObserver((changes) => {
  for (const { target, contentRect } of changes) {
    sizes.set(target, contentRect);
    target.dispatchEvent(new Event("resized"));
  }
});

/**
 * Fit a canvas to its box and the screen's density; returns its context, ready in CSS pixels, or null while it has no
 * size. The canvas hears `resized` when it gets one.
 */
export function canvasContext(canvas) {
  if (!sizes.has(canvas)) {
    sizes.set(canvas, { width: 0, height: 0 });
    measured.observe(canvas);
  }
  const { width, height } = sizes.get(canvas);
  if (!width || !height) return null;
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return Object.assign(context, { boxWidth: width, boxHeight: height });
}
