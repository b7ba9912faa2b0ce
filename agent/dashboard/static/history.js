// What the page has seen of each packet, as columns of time and value. Bounded, sorted by time, without DOM.
// Older values come from the archive's answer to `cmd/history` and are merged in.

const MAX_ROWS = 1200;
const TRIM_ROWS = 200;

export class History {
  constructor() {
    /** Times in seconds of UTC, ascending, as plots want them. */
    this.times = [];
    /** Columns by parameter key, each as long as `times`; a missing value is null. */
    this.columns = new Map();
    this.limit = MAX_ROWS;
  }

  /**
   * Add one report; `thinMs` drops it if it is closer than this to the newest, `wanted` says which keys become columns.
   * Returns whether it was kept.
   */
  add(ts, values, thinMs = 0, wanted = () => true) {
    const time = ts / 1000;
    const length = this.times.length;
    const newest = length ? this.times[length - 1] : -Infinity;
    if (time > newest) {
      if ((time - newest) * 1000 < thinMs) return false;
      this._insert(length, time, values, wanted);
    } else {
      const at = lowerBound(this.times, time);
      if (this.times[at] === time) return false;
      this._insert(at, time, values, wanted);
    }
    if (this.times.length > this.limit + TRIM_ROWS) this._trim();
    return true;
  }

  /** Merge a column from elsewhere: `times` in ms. */
  merge(key, times, values) {
    this.limit = Math.max(this.limit, Math.min(20000, this.times.length + times.length));
    for (let index = 0; index < times.length; index++) {
      const time = times[index] / 1000;
      const at = lowerBound(this.times, time);
      if (this.times[at] === time) this._column(key)[at] = values[index];
      else this._insert(at, time, { [key]: values[index] });
    }
  }

  /** The newest `count` values of a parameter as [times, values]. */
  tail(key, count = Infinity) {
    const column = this.columns.get(key);
    if (!column) return [[], []];
    const from = Math.max(0, this.times.length - count);
    return [this.times.slice(from), column.slice(from)];
  }

  _insert(at, time, values, wanted = () => true) {
    const length = this.times.length;
    if (at === length) this.times.push(time);
    else this.times.splice(at, 0, time);
    for (const key in values) {
      const value = values[key];
      if (this.columns.has(key) || !wanted(key)) continue;
      if (typeof value === "number" || typeof value === "boolean") this._column(key, length);
    }
    for (const [key, column] of this.columns) {
      const value = values[key];
      const kept = typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : null;
      if (at === length) column.push(kept);
      else column.splice(at, 0, kept);
    }
  }

  _column(key, length = this.times.length) {
    let column = this.columns.get(key);
    if (!column) {
      column = new Array(length).fill(null);
      this.columns.set(key, column);
    }
    return column;
  }

  _trim() {
    const surplus = this.times.length - this.limit;
    this.times.splice(0, surplus);
    for (const column of this.columns.values()) column.splice(0, surplus);
  }
}

function lowerBound(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
