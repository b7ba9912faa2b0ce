// One view: a grid of tiles. A tile is a file `tiles/<view>/<name>.js`; nothing else names it. It exports
//   title    what stands above it ("" for a tile without a frame)
//   order    where it stands among its neighbours, small numbers first
//   size     "third", "half", "two-thirds", "full", or "side" for the column beside the grid
//   create(page) → { element, draw(nowMs), note?, close? }
// `draw` is called when something changed and the tile can be seen, and at least once a second.

import { element } from "./dom.js";

const loaded = new Map();

/** Load a view's tiles; loading all views at the start lets the page go on when its server is away. */
export async function load(view, names) {
  if (!loaded.has(view)) {
    const modules = await Promise.all(names.map((name) => import(`./tiles/${view}/${name}`)));
    loaded.set(view, modules.sort((one, other) => one.order - other.order));
  }
  return loaded.get(view);
}

export class View {
  constructor(name, parts, observer) {
    this.name = name;
    this._parts = parts;
    this._observer = observer;
  }

  /** Put a view's tiles into `main`. */
  static async open(name, tileNames, page, main) {
    const modules = await load(name, tileNames);
    const grid = element("div.grid");
    const side = element("div.beside");
    const parts = [];
    const observer = new IntersectionObserver(
      (changes) => {
        for (const change of changes) change.target._part.visible = change.isIntersecting;
        page.repaint();
      },
      { rootMargin: "120px" },
    );
    for (const module of modules) {
      const part = makePart(module, page);
      parts.push(part);
      (module.size === "side" ? side : grid).append(part.frame);
      observer.observe(part.frame);
    }
    main.replaceChildren(grid, ...(side.children.length ? [side] : []));
    main.classList.toggle("with-side", side.children.length > 0);
    return new View(name, parts, observer);
  }

  draw(nowMs) {
    for (const part of this._parts) if (part.visible) part.tile.draw(nowMs);
  }

  /** Draw everything again from nothing, after the theme changed. */
  rethemed() {
    for (const part of this._parts) part.tile.rethemed?.();
  }

  close() {
    this._observer.disconnect();
    for (const part of this._parts) part.tile.close?.();
  }
}

function makePart(module, page) {
  const tile = module.create(page);
  const heading = element("h2", {}, module.title);
  const header = element("header", {}, heading);
  if (tile.note) header.append(tile.note);
  const frame = element(`section.tile.${module.size}`, { "aria-label": module.title || "Overview" }, header, tile.element);
  if (!module.title) frame.classList.add("plain");
  const part = { tile, frame, visible: true };
  frame._part = part;
  frame.style.order = module.order;
  return part;
}
