// What the tests of the client stand on: virtual time, and a WebSocket in memory.
import assert from "node:assert/strict";
import { connect } from "../../antiphon.js";

const pause = globalThis.setImmediate; // of real time: lets everything that is ready run

/** Virtual time: it stands still unless advance is called. */
export const clock = {
  now: 1000,
  timers: new Map(),
  last: 0,
  /** Lets what is ready run. */
  async settle() {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => pause(resolve));
  },
  /** Lets ms pass, timer by timer. */
  async advance(ms) {
    await this.settle();
    const end = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, t]) => t.at <= end).sort(([a, s], [b, t]) => s.at - t.at || a - b)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].f();
      await this.settle();
    }
    this.now = end;
    await this.settle();
  },
};

globalThis.setTimeout = (f, ms = 0) => {
  clock.timers.set(++clock.last, { f, at: clock.now + (ms > 2 ** 31 - 1 ? 1 : Math.max(ms, 1)) }); // as the platform: too long is at once
  return clock.last;
};
globalThis.clearTimeout = (id) => clock.timers.delete(id);
performance.now = () => clock.now;

/** A WebSocket whose other end is the test. */
export class Socket {
  /** @type {Socket[]} */
  static all = [];
  static get last() {
    return Socket.all.at(-1);
  }
  static refuse = undefined; // thrown by the constructor

  readyState = 0;
  protocol = "";
  bufferedAmount = 0;
  sent = [];
  closed = undefined;
  onsent = undefined;

  constructor(url, protocols) {
    if (Socket.refuse) throw Socket.refuse;
    this.url = url;
    this.protocols = protocols;
    Socket.all.push(this);
  }
  send(text) {
    if (this.readyState === 0) throw new DOMException("still connecting", "InvalidStateError");
    if (this.readyState !== 1) return;
    const m = JSON.parse(text);
    this.sent.push(m);
    this.onsent?.(m);
  }
  close(code) {
    this.closed = { code };
    this.readyState = 2;
  }

  // what the other end does
  open(protocol = "antiphon.v1.json") {
    this.readyState = 1;
    this.protocol = protocol;
    this.onopen?.({});
  }
  deliver(m) {
    this.onmessage?.({ data: typeof m === "object" && m !== null && m.constructor === Object ? JSON.stringify(m) : m });
  }
  drop(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  /** Takes out what was sent of a kind. */
  take(kind) {
    const at = this.sent.findIndex((m) => m.kind === kind);
    assert.notEqual(at, -1, `no ${kind} was sent, but ${JSON.stringify(this.sent)}`);
    return this.sent.splice(at, 1)[0];
  }
  kinds() {
    return this.sent.map((m) => m.kind);
  }
}

const open = new Set();

/** Makes a peer, and closes it when the test is over. */
export function peerOf(t, options = {}, url = "ws://host/ws") {
  const seen = [];
  const peer = connect(url, { WebSocket: Socket, observer: (e) => seen.push(e), ...options });
  open.add(peer);
  t.after(async () => {
    peer.close();
    open.delete(peer);
    await clock.advance(100);
    if (open.size === 0) assert.equal(clock.timers.size, 0, "a timer is left after close");
    Socket.refuse = undefined;
  });
  return { peer, seen, names: () => seen.map((e) => e.name) };
}

/** Makes a peer that is connected. */
export async function connected(t, options) {
  const made = peerOf(t, options);
  await clock.settle();
  Socket.last.open();
  await clock.settle();
  return { ...made, ws: Socket.last };
}

/** What has become of a promise so far. */
export function outcome(promise) {
  const o = { settled: false, value: undefined, error: undefined };
  promise.then(
    (value) => Object.assign(o, { settled: true, value }),
    (error) => Object.assign(o, { settled: true, error }),
  );
  return o;
}

/** Checks what an error says. */
export function fails(o, want) {
  assert.ok(o.error, `it did not fail: ${JSON.stringify(o)}`);
  for (const [k, v] of Object.entries(want)) assert.deepEqual(o.error[k], v, `${k} of ${o.error}`);
}

/** An id for what the test sends. */
let ids = 0;
export const someID = () => `${String(++ids).padStart(21, "0")}A`;
