// Starts the page: settings, connection, route, keys; everything else is a module that one of these calls.
//
//   #fleet   #satellite/<name>   #sky   #radio/<satellite>   #station/<name>
//   ?broker=ws://…&prefix=gs   another broker than the agent's bridge;   ?wall=30   next view every 30 s

import { Bar, VIEWS } from "./bar.js";
import { Connection } from "./connection.js";
import { Painter } from "./paint.js";
import { Store } from "./store.js";
import { now } from "./time.js";
import { load, View } from "./view.js";

const query = new URLSearchParams(location.search);

function brokerAddress(configured) {
  const address = new URL(query.get("broker") ?? configured, location.href);
  if (address.protocol === "http:") address.protocol = "ws:";
  if (address.protocol === "https:") address.protocol = "wss:";
  address.search = "";
  address.hash = "";
  return address.href;
}

function readRoute() {
  const [view, ...rest] = decodeURIComponent(location.hash.slice(1)).split("/");
  return VIEWS.some(([name]) => name === view) ? { view, choice: rest.join("/") } : { view: "fleet", choice: "" };
}

class Page {
  constructor(settings) {
    this.settings = settings;
    this.route = readRoute();
    this.painter = new Painter(() => this._draw());
    const prefix = query.get("prefix") ?? settings.topic_prefix;
    this.store = new Store(prefix, () => this.painter.request());
    this.connection = new Connection(brokerAddress(settings.broker), prefix, {
      receive: (topic, octets, retained) => this.store.receive(topic, octets, retained),
      changed: () => {
        this.store.session = this.connection.session;
        this.painter.now();
      },
    });
    this.bar = new Bar(this);
    this._main = document.getElementById("view");
    this._opening = Promise.resolve();
    addEventListener("hashchange", () => this._routed());
    addEventListener("keydown", (event) => this._key(event));
    if (Number(query.get("wall")) > 0) setInterval(() => this._turn(), Number(query.get("wall")) * 1000);
  }

  async start() {
    this.connection.open();
    await this._routed();
    for (const [view] of VIEWS) await load(view, this.settings.tiles[view] ?? []);
  }

  repaint() {
    this.painter.now();
  }

  rethemed() {
    this._view?.rethemed();
    this.painter.now();
  }

  /** Go to a view; `choice` is the satellite or station it is about. */
  go(view, choice = "") {
    location.hash = choice ? `${view}/${choice}` : view;
  }

  /** The satellite the view is about, or the one most worth looking at when none is chosen. */
  satellite() {
    const { satellites } = this.store;
    const chosen = satellites.get(this.route.choice) ?? satellites.get(this._satellite);
    if (chosen) this._satellite = chosen.slug;
    return chosen ?? satellites.values().next().value ?? null;
  }

  /** The station the view is about: the chosen one, or the first. */
  station() {
    const { stations } = this.store;
    return stations.get(this.route.choice) ?? stations.values().next().value ?? null;
  }

  async _routed() {
    const route = readRoute();
    const same = this._view?.name === route.view;
    this.route = route;
    if (!same) {
      this._opening = this._opening.then(() => this._open(route.view)).catch((error) => this._notOpened(error));
      await this._opening;
    }
    this.painter.now();
  }

  async _open(view) {
    this._view?.close();
    this._view = null;
    this._view = await View.open(view, this.settings.tiles[view] ?? [], this, this._main);
    scrollTo(0, 0);
  }

  _notOpened(error) {
    console.error(error);
    this._main.textContent = "This view could not be loaded: the web server is away. Reload the page when it is back.";
  }

  _draw() {
    const nowMs = now();
    this.bar.draw(nowMs);
    this._view?.draw(nowMs);
  }

  _turn() {
    const at = VIEWS.findIndex(([name]) => name === this.route.view);
    this.go(VIEWS[(at + 1) % VIEWS.length][0]);
  }

  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const view = VIEWS[Number(event.key) - 1];
    if (view) this.go(view[0]);
    else if (event.key === "t") this.bar.nextTheme();
    else if (event.key === "/") document.querySelector("#view [type=search]")?.focus();
    else if (event.key === "[" || event.key === "]") this.neighbour(event.key === "]" ? 1 : -1);
    else return;
    event.preventDefault();
  }

  neighbour(step) {
    const names = [...this.store.satellites.keys()].sort();
    const here = names.indexOf(this.satellite()?.slug);
    const name = names[(here + step + names.length) % names.length];
    if (name) this.go(this.route.view === "radio" ? "radio" : "satellite", name);
  }
}

const settings = await (await fetch("dashboard.json")).json();
const page = new Page(settings);
// For tests and the curious, in the browser's console.
globalThis.gsagent = page;
await page.start();
