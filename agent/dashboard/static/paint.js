// When to draw: soon after something changed, at least once a second (ages and countdowns go on), never more than
// five times a second, which is as fast as people read, never while nobody sees the page, and more rarely when drawing
// is dear: a page with hundreds of satellites shall stay usable on the computer it happens to run on.

const FASTEST_MS = 200;
const SLOWEST_MS = 1000;
/** Drawing, layout and painting may take this part of the time. */
const SHARE = 0.2;

export class Painter {
  constructor(draw) {
    this._draw = draw;
    this._costMs = 0;
    this._drawnMs = 0;
    this._timer = null;
    this.paints = 0;
    // A message posted while a frame is made arrives after its layout and painting: what a drawing costs in all.
    this._after = new MessageChannel();
    this._after.port1.onmessage = ({ data: began }) => (this._costMs += 0.2 * (performance.now() - began - this._costMs));
    document.addEventListener("visibilitychange", () => this.request());
    setInterval(() => this.request(), SLOWEST_MS);
  }

  /** How long from one drawing to the next, as things stand. */
  get intervalMs() {
    return Math.min(SLOWEST_MS, Math.max(FASTEST_MS, this._costMs / SHARE));
  }

  request() {
    if (this._timer !== null || document.hidden) return;
    const wait = Math.max(0, this._drawnMs + this.intervalMs - performance.now());
    this._timer = setTimeout(() => requestAnimationFrame(() => this._paint()), wait);
  }

  /** Draw at once, after the operator did something. */
  now() {
    if (this._timer === null) this._timer = setTimeout(() => requestAnimationFrame(() => this._paint()), 0);
  }

  _paint() {
    this._timer = null;
    const began = performance.now();
    this._draw();
    this._after.port2.postMessage(began);
    this._drawnMs = began;
    this.paints += 1;
  }
}
