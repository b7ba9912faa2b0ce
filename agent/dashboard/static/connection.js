// One MQTT connection over a WebSocket: connect, subscribe, come back, ask. Knows MQTT.js and when the broker is
// away; hands every message to one function and knows nothing of what it means.

import mqtt from "./vendor/mqtt-5.16.0/mqtt.esm.js";

const RETRY_MS = 1000;
const CONNECT_TIMEOUT_MS = 5000;
const KEEPALIVE_S = 15;
const ANSWER_MS = 5000;

/** The name under which this tab asks and is answered: a topic level of its own. */
function clientName() {
  let name = sessionStorage.getItem("gsagent-client");
  if (!name) {
    const random = crypto.getRandomValues(new Uint32Array(2));
    name = `page-${random[0].toString(36)}${random[1].toString(36)}`;
    sessionStorage.setItem("gsagent-client", name);
  }
  return name;
}

/** What the page reads. QoS 0 for what is replaced within seconds, QoS 1 for what must not be missed. */
function subscriptions(prefix, client) {
  const any = `${prefix}/+`;
  return {
    [`${any}/sat/#`]: { qos: 0 },
    [`${any}/station`]: { qos: 0 },
    [`${any}/source/+`]: { qos: 0 },
    [`${any}/source/+/spectrum`]: { qos: 0 },
    [`${any}/alarm/#`]: { qos: 1 },
    [`${any}/status`]: { qos: 1 },
    [`${any}/pass/#`]: { qos: 1 },
    [`${any}/plan`]: { qos: 1 },
    [`${any}/reply/${client}`]: { qos: 1 },
  };
}

export class Connection {
  /**
   * `receive(topic, octets, retained)` is called for every message, `changed()` when the connection's state changed.
   */
  constructor(url, prefix, { receive, changed }) {
    this.url = url;
    this.prefix = prefix;
    this.client = clientName();
    this.online = false;
    /** How many times a session began: what was last heard in an earlier one is not confirmed. */
    this.session = 0;
    this.changedMs = Date.now();
    this.reason = "connecting";
    this._receive = receive;
    this._changed = changed;
    this._waiting = new Map();
    this._asked = 0;
  }

  open(credentials = {}) {
    this._mqtt?.end(true);
    const session = mqtt.connect(this.url, {
      clientId: this.client,
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_S,
      reconnectPeriod: RETRY_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      resubscribe: false,
      queueQoSZero: false,
      timerVariant: "native",
      ...credentials,
    });
    this._mqtt = session;
    session.on("connect", () => this._connected());
    session.on("close", () => this._lost());
    session.on("error", (error) => this._refused(error));
    session.on("message", (topic, octets, packet) => this._message(topic, octets, packet.retain));
  }

  /** Ask a station: publish `cmd/<name>`, resolve with the answer, reject with a sentence for the operator. */
  ask(station, name, request) {
    const id = `${this.client}-${++this._asked}`;
    const body = JSON.stringify({ id, client: this.client, ts: Date.now(), ...request });
    return new Promise((resolve, reject) => {
      if (!this.online) {
        reject(new Error("not connected to the broker"));
        return;
      }
      const timer = setTimeout(() => {
        this._waiting.delete(id);
        reject(new Error(`${station} did not answer within ${ANSWER_MS / 1000} s; it may not take commands`));
      }, ANSWER_MS);
      this._waiting.set(id, { resolve, reject, timer });
      this._mqtt.publish(`${this.prefix}/${station}/cmd/${name}`, body, { qos: 1 });
    });
  }

  _connected() {
    this.session += 1;
    this._mqtt.subscribe(subscriptions(this.prefix, this.client));
    this._become(true, "");
  }

  _lost() {
    this._become(false, this.reason || "the connection was lost");
  }

  _refused(error) {
    // MQTT 3.1.1 §3.2.2.3: return codes 4 and 5 are about name and password.
    const needsPassword = error?.code === 4 || error?.code === 5;
    this.needsPassword = needsPassword;
    this._become(false, needsPassword ? "the broker wants a user name and password" : String(error?.message ?? error));
  }

  _become(online, reason) {
    if (this.online !== online) this.changedMs = Date.now();
    this.online = online;
    this.reason = reason;
    if (online) this.needsPassword = false;
    this._changed();
  }

  _message(topic, octets, retained) {
    if (topic.endsWith(`/reply/${this.client}`)) this._answered(octets);
    else this._receive(topic, octets, retained);
  }

  _answered(octets) {
    let answer;
    try {
      answer = JSON.parse(new TextDecoder().decode(octets));
    } catch {
      return;
    }
    const waiting = this._waiting.get(answer?.id);
    if (!waiting) return;
    this._waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    if (answer.ok === false) waiting.reject(new Error(answer.error ?? "refused"));
    else waiting.resolve(answer);
  }
}
