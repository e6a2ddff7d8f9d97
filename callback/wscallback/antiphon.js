/**
 * Antiphon for browsers: asks and answers, streams and events, both ways over one
 * WebSocket. The other end is a callback.Peer behind wscallback.Handler; what is on
 * the wire is subprotocol antiphon.v1.json, described in docs/wire.md.
 *
 *     import { connect } from "./antiphon.js";
 *
 *     const peer = connect("/ws");
 *     peer.serve("confirm", async (question, ctx) => ask(question, ctx.signal));
 *     const price = await peer.ask("price", { item: "kettle" }, { timeout: 5000 });
 *     for await (const tick of peer.stream("ticks", {}, { window: 16 })) draw(tick);
 *     peer.notify("seen", { page: location.pathname }, { overflow: "keep-last" });
 *
 * All times are in milliseconds. Values are whatever JSON can hold, with its numbers
 * (integers are exact up to 2^53), or a Uint8Array, ArrayBuffer or view of one, which
 * arrives as bytes; undefined is no value.
 *
 * Every failure is an AntiphonError. Its class says what a caller must know before
 * asking again: the request was not_accepted (asking again is safe), it failed, or
 * that is unknown.
 *
 * When the connection breaks, the client connects again, with full jitter, until it
 * is closed. What is asked meanwhile waits for that, or for its own end. What was
 * asked before and not answered rejects at once with callback.disconnected, of class
 * unknown, and the signals of what is being answered are aborted.
 *
 * Memory is bounded by the options of connect and of serve, and by the window of each
 * stream. Pages in the background are run rarely: there, timeouts come late.
 *
 * @module antiphon
 */

const PROTOCOL = "antiphon.v1.json";

const MAX_HEADERS = 64;
const MAX_HEADER_SIZE = 16 << 10; // bytes of all names and values
const MAX_ADDRESS = 512; // bytes of a name
const MAX_DEPTH = 65; // of a message's JSON
const MAX_TIMEOUT = 1e12; // some 31 years
const MAX_REPORT = 64 << 10; // bytes of progress
const MAX_WINDOW = 1 << 16;
const SLACK = 64 << 10; // how much larger than its body a message may be
const REMEMBERED = 1024; // ids of asks that are over
const CALM = 5000; // a connection that lasted so long was a success

/* ---- errors -------------------------------------------------------------------- */

/**
 * An error as it crosses the wire, and what every failure here is. What survives the
 * way: code, class, reason, message, details, marks, and the advice on trying again.
 */
export class AntiphonError extends Error {
  #said; // the class was given, and is not only what the code suggests

  /**
   * @param {object} [is]
   * @param {string} [is.code] a code of gRPC and Connect; "unknown" unless given
   * @param {string} [is.class] "not_accepted", "failed" or "unknown"; what the code
   *   suggests unless given
   * @param {string} [is.reason] the identity of a sentinel, as "package.reason"
   * @param {string} [is.message] the text for people; the code unless given
   * @param {Record<string, string>} [is.details] small facts for machines
   * @param {string[]} [is.marks] further sentinels that the error is
   * @param {boolean} [is.permanent] trying again is of no use
   * @param {number} [is.retryAfter] how long to wait before trying again, or 0
   * @param {unknown} [is.cause] what it was made from; does not travel
   */
  constructor(is = {}) {
    super(is.message || is.code || "unknown", is.cause === undefined ? undefined : { cause: is.cause });
    this.name = "AntiphonError";
    /** @type {string} */
    this.code = is.code || "unknown";
    /** @type {string} */
    this.class = is.class || suggested(this.code);
    /** @type {string} */
    this.reason = is.reason || "";
    /** @type {Record<string, string>} */
    this.details = Object.freeze(Object.assign(Object.create(null), is.details));
    /** @type {readonly string[]} */
    this.marks = Object.freeze([...(is.marks ?? [])]);
    /** @type {boolean} */
    this.permanent = is.permanent ?? false;
    /** @type {number} */
    this.retryAfter = is.retryAfter ?? 0;
    this.#said = Boolean(is.class);
  }

  /**
   * Reports whether the error is the sentinel of that reason, for example
   * "callback.disconnected".
   * @param {string} reason
   */
  is(reason) {
    return reason !== "" && (this.reason === reason || this.marks.includes(reason));
  }

  /** The form on the wire. What exceeds its limits is cut. */
  toJSON() {
    const details = Object.entries(this.details).slice(0, 64);
    return {
      code: cut(this.code, 128),
      message: cut(this.message || this.code, 4096),
      class: this.#said ? cut(this.class, 128) : undefined,
      reason: cut(this.reason, 128) || undefined,
      details: details.length ? Object.fromEntries(details.map(([k, v]) => [cut(k, 128), cut(v, 1024)])) : undefined,
      marks: this.marks.length ? this.marks.slice(0, 32).map((m) => cut(m, 128)) : undefined,
      permanent: this.permanent || undefined,
      retryAfterMs: this.retryAfter > 0 ? Math.min(Math.ceil(this.retryAfter), Number.MAX_SAFE_INTEGER) : undefined,
    };
  }

  /**
   * Returns what was thrown as an AntiphonError: itself if it is one; canceled or
   * deadline_exceeded for the platform's AbortError and TimeoutError; else unknown.
   * @param {unknown} thrown
   * @returns {AntiphonError}
   */
  static from(thrown) {
    if (thrown instanceof AntiphonError) return thrown;
    let code = "unknown";
    let message = "";
    try {
      const err = /** @type {any} */ (thrown);
      if (err?.name === "AbortError") code = "canceled";
      if (err?.name === "TimeoutError") code = "deadline_exceeded";
      message = String(err?.message ?? err);
    } catch {
      // It does not even say what it is.
    }
    return new AntiphonError({ code, message, cause: thrown });
  }
}

/** @param {string} code */
function suggested(code) {
  return code === "canceled" || code === "deadline_exceeded" || code === "unavailable" ? "unknown" : "failed";
}

/**
 * The sentinels, by what comes after "callback." in their reason.
 * @type {Record<string, [code: string, class_: string, message: string]>}
 */
const SENTINELS = {
  closed: ["unavailable", "not_accepted", "closed"],
  disconnected: ["unavailable", "unknown", "disconnected"],
  expired: ["deadline_exceeded", "unknown", "no answer in time"],
  full: ["resource_exhausted", "not_accepted", "too many at once"],
  gap: ["data_loss", "unknown", "a part of the stream is missing"],
  gave_up: ["canceled", "unknown", "gave up"],
  time_up: ["deadline_exceeded", "unknown", "the asker's time is up"],
  asker_gone: ["canceled", "unknown", "the asker has given up"],
  unserved: ["unimplemented", "not_accepted", "nobody serves this name here"],
  is_stream: ["failed_precondition", "unknown", "it answers with a stream; use stream"],
  repeated: ["aborted", "unknown", "done already, and the answer was not kept"],
  flooded: ["resource_exhausted", "unknown", "the stream sends more than it was allowed"],
  malformed: ["invalid_argument", "not_accepted", "malformed message"],
  misuse: ["invalid_argument", "not_accepted", "misuse"],
  too_large: ["resource_exhausted", "not_accepted", "value exceeds the limits"],
  silent: ["unavailable", "unknown", "the other end is silent"],
};

/**
 * @param {keyof typeof SENTINELS} what
 * @param {{ class?: string, code?: string, why?: string, cause?: unknown }} [o]
 */
function sentinel(what, o = {}) {
  const [code, class_, text] = SENTINELS[what];
  return new AntiphonError({
    code: o.code ?? code,
    class: o.class ?? class_,
    reason: what === "too_large" ? "antiphon.too_large" : `callback.${what}`,
    message: `callback: ${text}${o.why ? `: ${o.why}` : ""}`,
    marks: what === "unserved" ? ["callback.undeliverable"] : undefined,
    permanent: what === "misuse" || what === "too_large" || what === "is_stream" || what === "repeated",
    cause: o.cause,
  });
}

/** The same error, of work that was done. @param {AntiphonError} error */
function failed({ code, reason, message, permanent, cause }) {
  return new AntiphonError({ code, reason, message, permanent, class: "failed", cause });
}

/** The error of an ask whose signal was aborted. @param {unknown} why @param {string} class_ */
function gaveUp(why, class_) {
  const cause = AntiphonError.from(why);
  const code = cause.code === "deadline_exceeded" ? cause.code : "canceled";
  return sentinel("gave_up", { code, class: class_, why: cause.message, cause: why });
}

/* ---- what is on the wire ------------------------------------------------------- */

const KINDS = new Set(["request", "reply", "part", "progress", "cancel", "credit", "event", "ping", "pong"]);
const NEEDS_ID = new Set(["request", "reply", "part", "progress", "cancel", "credit"]);

/**
 * A message as it travels.
 * @typedef {object} Message
 * @property {string} kind
 * @property {string} [id]
 * @property {string} [to]
 * @property {string} [replyTo]
 * @property {number} [seq]
 * @property {number} [timeout] how long it is of interest
 * @property {Record<string, string>} [header]
 * @property {AntiphonError} [error]
 * @property {any} [body]
 */

/**
 * Reads a text envelope. A kind that is not known is no error.
 * @param {unknown} text
 * @returns {Message}
 * @throws {AntiphonError} callback.malformed
 */
export function parseMessage(text) {
  if (typeof text !== "string") throw malformed("no text");
  if (deeper(text, MAX_DEPTH)) throw malformed("too deep");
  let t;
  try {
    t = JSON.parse(text);
  } catch {
    throw malformed("no JSON");
  }
  if (!isObject(t)) throw malformed("no JSON object");
  const kind = stringField(t, "kind", 64);
  if (kind === "") throw malformed("no kind");
  /** @type {Message} */
  const m = { kind, seq: t.seq ?? 0 };
  if (!Number.isInteger(m.seq) || t.seq < 0 || t.seq > 0xffffffff) throw malformed("the number is none");
  const id = stringField(t, "id", 22);
  if (id !== "") {
    if (!/^[\w-]{21}[AQgw]$/.test(id)) throw malformed("the id is none");
    if (id !== NO_ID) m.id = id;
  }
  m.to = stringField(t, "to", MAX_ADDRESS);
  m.replyTo = stringField(t, "replyTo", MAX_ADDRESS);
  if (t.timeoutMs !== undefined && t.timeoutMs !== null) {
    if (typeof t.timeoutMs !== "number" || !(t.timeoutMs >= 0 && t.timeoutMs < Infinity)) throw malformed("the timeout is none");
    m.timeout = micros(t.timeoutMs);
  }
  if (t.header !== undefined && t.header !== null) m.header = parseHeader(t.header);
  if (t.error !== undefined && t.error !== null) m.error = parseError(t.error);
  if (Object.hasOwn(t, "body")) m.body = t.body;
  if (t.bytes !== undefined && t.bytes !== null) {
    if (Object.hasOwn(t, "body")) throw malformed("two bodies");
    m.body = parseBytes(t.bytes);
  }
  if (NEEDS_ID.has(kind) && !m.id) throw malformed("no id");
  if ((kind === "event" && !m.to) || (kind === "part" && m.seq === 0)) throw malformed("incomplete");
  return m;
}

const NO_ID = "A".repeat(22);

/** @param {string} why */
function malformed(why) {
  return sentinel("malformed", { why });
}

/** @param {any} v */
function isObject(v) {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

/** @param {any} t @param {string} name @param {number} limit */
function stringField(t, name, limit) {
  const v = t[name] ?? "";
  if (typeof v !== "string" || exceeds(v, limit)) throw malformed(`${name} is none`);
  return v;
}

/** @param {any} t */
function parseHeader(t) {
  if (!isObject(t)) throw malformed("the header is none");
  /** @type {Record<string, string>} */
  const header = Object.create(null); // __proto__ is a name like any other
  for (const [k, v] of Object.entries(t)) {
    if (v !== null && typeof v !== "string") throw malformed("the header is none");
    header[k] = v ?? "";
  }
  if (headerTooLarge(header)) throw malformed("a limit exceeded");
  return Object.freeze(header);
}

/** @param {Record<string, string>} header */
function headerTooLarge(header) {
  const all = Object.entries(header);
  return all.length > MAX_HEADERS || exceeds(all.flat().join(""), MAX_HEADER_SIZE);
}

/** @param {any} t */
function parseError(t) {
  const text = (/** @type {any} */ v) => v === undefined || v === null || typeof v === "string";
  const ok =
    isObject(t) &&
    [t.code, t.message, t.class, t.reason].every(text) &&
    (t.details == null || (isObject(t.details) && Object.values(t.details).every(text))) &&
    (t.marks == null || (Array.isArray(t.marks) && t.marks.every(text))) &&
    (t.permanent == null || typeof t.permanent === "boolean") &&
    (t.retryAfterMs == null || Number.isInteger(t.retryAfterMs));
  if (!ok) throw malformed("error that is none");
  const details = Object.entries(t.details ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return new AntiphonError({
    code: cut(t.code ?? "", 128),
    class: cut(t.class ?? "", 128),
    reason: cut(t.reason ?? "", 128),
    message: cut(t.message ?? "", 4096),
    details: Object.fromEntries(details.slice(0, 64).map(([k, v]) => [cut(k, 128), cut(v ?? "", 1024)])),
    marks: (t.marks ?? []).slice(0, 32).map((/** @type {string?} */ m) => cut(m ?? "", 128)),
    permanent: t.permanent ?? false,
    retryAfter: Math.max(0, t.retryAfterMs ?? 0),
  });
}

/** @param {any} t */
function parseBytes(t) {
  if (typeof t !== "string" || t.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(t)) throw malformed("the bytes are none");
  return t === "" ? undefined : Uint8Array.from(atob(t), (c) => c.charCodeAt(0));
}

/** Reports whether arrays and objects nest deeper than most, before anything is made of them. @param {string} text @param {number} most */
function deeper(text, most) {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (quoted) {
      if (c === 0x5c) i++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > most) return true;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return false;
}

/**
 * Writes a text envelope.
 * @param {Message & Encoded} m its body, or the body as encode has written it
 * @returns {string}
 */
export function formatMessage(m) {
  const { json, bytes } = "body" in m ? encode(m.body) : m;
  const head = JSON.stringify({
    kind: m.kind,
    id: m.id || undefined,
    to: m.to || undefined,
    replyTo: m.replyTo || undefined,
    seq: m.seq || undefined,
    timeoutMs: m.timeout === undefined ? undefined : micros(m.timeout),
    header: m.header && Object.keys(m.header).length ? m.header : undefined,
    error: m.error,
    bytes,
  });
  return json === undefined ? head : `${head.slice(0, -1)},"body":${json}}`;
}

/** A time as it travels: in milliseconds, with three decimals. @param {number} ms */
function micros(ms) {
  return Math.round(Math.min(Math.max(ms, 0), MAX_TIMEOUT) * 1000) / 1000;
}

/** @typedef {{ json?: string, bytes?: string, size?: number }} Encoded */

/** Encodes a value. @param {any} v @returns {Encoded} */
function encode(v) {
  if (v === undefined) return { size: 0 };
  if (v instanceof ArrayBuffer) v = new Uint8Array(v);
  if (ArrayBuffer.isView(v)) {
    const all = new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
    if (all.length === 0) return { size: 0 };
    let s = "";
    for (let i = 0; i < all.length; i += 8192) s += String.fromCharCode(...all.subarray(i, i + 8192));
    return { bytes: btoa(s), size: all.length };
  }
  let json;
  try {
    json = JSON.stringify(v);
  } catch (cause) {
    throw sentinel("misuse", { why: "the value cannot be encoded as JSON", cause });
  }
  if (json === undefined) throw sentinel("misuse", { why: `a ${typeof v} cannot be encoded as JSON` });
  if (deeper(json, MAX_DEPTH - 1)) return encode(utf8.encode(json)); // as the wire has it
  return { json, size: json.length };
}

const utf8 = new TextEncoder();

/** Reports whether s has more than limit bytes in UTF-8. @param {string} s @param {number} limit */
function exceeds(s, limit) {
  return s.length > limit || (s.length * 3 > limit && utf8.encode(s).length > limit);
}

/** Shortens s to limit bytes of UTF-8. @param {string} s @param {number} limit */
function cut(s, limit) {
  return exceeds(s, limit) ? s.slice(0, utf8.encodeInto(s, new Uint8Array(limit)).read) : s;
}

/** An id: 128 random bits in 22 characters of base64url. */
function newID() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...random)).slice(0, 22).replaceAll("+", "-").replaceAll("/", "_");
}

/* ---- time ---------------------------------------------------------------------- */

const now = () => performance.now();

/**
 * Calls f after ms, never early, however long that is.
 * @param {number} ms
 * @param {() => void} f
 * @returns {() => void} stops it
 */
function after(ms, f) {
  const at = now() + ms;
  /** @type {any} */
  let timer;
  const arm = () => {
    timer = setTimeout(() => (now() < at ? arm() : f()), Math.min(Math.max(Math.ceil(at - now()), 0), 2 ** 31 - 1));
  };
  arm();
  return () => clearTimeout(timer);
}

/** Full jitter over a bound that doubles. @param {number} attempt from 1 */
function fullJitter(attempt) {
  return Math.random() * Math.min(100 * 2 ** Math.min(attempt - 1, 30), 30_000);
}

/* ---- what waits to be sent ----------------------------------------------------- */

/** Lanes: who goes first. @type {Record<string, number>} */
const LANE = { request: 1, event: 2 };

/**
 * @typedef {object} Outgoing
 * @property {string} kind
 * @property {number} size
 * @property {() => string?} text writes the message, or null if it is of no use any more
 * @property {string} [key] of what makes its elders obsolete
 */

/**
 * Where messages wait while there is no connection, or the network is slow: bounded
 * in number and bytes; answers before requests before events.
 */
class Outbox {
  /** @type {Outgoing[][]} */
  lanes = [[], [], []];
  bytes = 0;
  /** @type {Map<string, Outgoing>} */
  latest = new Map();
  /** @type {(() => void)[]} */
  waiting = [];

  /** @param {number} count of each lane @param {number} limit bytes of all */
  constructor(count, limit) {
    this.count = count;
    this.limit = limit;
  }

  /** Takes o, or reports that there is no room. @param {Outgoing} o */
  put(o) {
    const lane = LANE[o.kind] ?? 0;
    const old = o.key === undefined ? undefined : this.latest.get(o.key);
    const limit = lane === 0 ? this.limit : this.limit / 2; // half is for answers alone
    if (old) {
      const more = o.size - old.size;
      if (more > 0 && this.bytes + more > limit) return false;
      this.bytes += more;
      old.size = o.size;
      old.text = o.text;
      return true;
    }
    const empty = this.lanes.every((l) => l.length === 0);
    if (this.lanes[lane].length >= this.count || (!empty && this.bytes + o.size > limit)) return false;
    this.lanes[lane].push(o);
    this.bytes += o.size;
    if (o.key !== undefined) this.latest.set(o.key, o);
    return true;
  }

  /** The one to go next, which stays. @returns {Outgoing | undefined} */
  peek() {
    return this.lanes.find((l) => l.length > 0)?.[0];
  }

  /** Takes out o, or the oldest event. @param {Outgoing} [o] */
  take(o = this.lanes[2][0]) {
    const lane = this.lanes[LANE[o.kind] ?? 0];
    const at = lane[0] === o ? 0 : lane.indexOf(o);
    if (at < 0) return;
    if (at === 0) lane.shift();
    else lane.splice(at, 1);
    this.bytes -= o.size;
    if (o.key !== undefined) this.latest.delete(o.key);
    this.wake();
  }

  /** Forgets all of a lane. @param {number} lane */
  clear(lane) {
    for (const o of [...this.lanes[lane]]) this.take(o);
  }

  wake() {
    const waiting = this.waiting;
    this.waiting = [];
    for (const w of waiting) w();
  }
}

/* ---- a bounded memory ---------------------------------------------------------- */

/**
 * Remembers a bounded number of things, in bounded bytes; the oldest are forgotten first.
 * @template T
 */
class Memory {
  /** @type {Map<string, { value: T, until: number, size: number }>} */
  all = new Map();
  bytes = 0;

  /** @param {number} count @param {number} limit bytes */
  constructor(count, limit) {
    this.count = count;
    this.limit = limit;
  }

  /** @param {string} id @param {T} value @param {number} until @param {number} size */
  keep(id, value, until, size) {
    this.forget(id);
    this.all.set(id, { value, until, size });
    this.bytes += size;
    for (const old of this.all.keys()) {
      if (this.all.size <= this.count && this.bytes <= this.limit) break;
      this.forget(old);
    }
  }

  /** @param {string} id @returns {{ value: T } | undefined} */
  find(id) {
    const found = this.all.get(id);
    if (found && found.until <= now()) {
      this.forget(id);
      return undefined;
    }
    return found;
  }

  /** @param {string} id */
  forget(id) {
    this.bytes -= this.all.get(id)?.size ?? 0;
    this.all.delete(id);
  }

  clear() {
    this.all.clear();
    this.bytes = 0;
  }
}

/* ---- the peer ------------------------------------------------------------------ */

/**
 * @typedef {object} Options
 * @property {number} [timeout] of asks without another; 30 s
 * @property {number} [maxPending] asks at once; one more rejects with callback.full; 1024
 * @property {number} [maxBody] bytes of a body, either way; 4 MiB
 * @property {number} [outbox] messages of each sort that wait to be sent; 1024
 * @property {number} [outboxBytes] bytes of them together; 4 MiB
 * @property {number} [inboxBytes] bytes of requests that are being answered or wait for it; 16 MiB
 * @property {number} [buffer] bytes given to the network before more wait; 256 KiB
 * @property {number} [heartbeat] how long the other end may be silent before it is asked
 *   for a sign of life, and how long that may take; 30 s
 * @property {number} [connectTimeout] of one attempt to connect; 10 s
 * @property {(attempt: number) => number} [backoff] how long to wait before the next
 *   attempt; full jitter from 100 ms to 30 s unless given
 * @property {(e: Observed) => void} [observer] is told what the package comment of
 *   callback lists
 * @property {any} [WebSocket] the class to connect with; the platform's unless given
 */

const CALLED = new Set(["backoff", "observer", "WebSocket"]);

/** @typedef {{ name: string, kind?: string, id?: string, error?: AntiphonError, count?: number }} Observed */

/** @typedef {"connecting" | "open" | "waiting" | "closed"} Status */

/** The event "status" of a Peer. */
export class StatusEvent extends Event {
  /** @param {Status} status @param {AntiphonError} [error] @param {number} [delay] */
  constructor(status, error, delay) {
    super("status");
    /** @type {Status} */
    this.status = status;
    /** Why the connection broke, or could not be made. @type {AntiphonError | undefined} */
    this.error = error;
    /** How long until the next attempt, while waiting. @type {number | undefined} */
    this.delay = delay;
  }
}

/**
 * What work learns about the request it is answering.
 * @typedef {object} Context
 * @property {AbortSignal} signal aborted when nobody waits for the answer any more
 * @property {string} name under which it is served
 * @property {string} [id] of the request; events have none
 * @property {Readonly<Record<string, string>>} header
 * @property {Date} [deadline] the asker's, if there is one
 * @property {number} remaining how long there is until then; Infinity if there is none
 * @property {(percent: number, message?: string, data?: any) => void} report tells the
 *   asker how far the work has come
 */

/**
 * @typedef {object} AskOptions
 * @property {number} [timeout] how long the answer may take at most
 * @property {number} [idle] how long the answerer may be silent: progress and parts
 *   make it start again
 * @property {AbortSignal} [signal] gives up, and ends the work
 * @property {(p: { percent: number, message: string, data: any }) => void} [onProgress]
 * @property {Record<string, string>} [header] sent along
 * @property {Context} [within] the request that is being answered meanwhile: its
 *   signal, its deadline and its trace context count for this one too
 */

/** @typedef {{ concurrency?: number, queue?: number }} ServeOptions calls at once, 64, and requests that wait for a turn, 1024 */

/**
 * Connects, and stays connected until it is closed. It returns at once; what is served
 * before the caller's next await is there when the first request comes.
 *
 * @param {string | URL | (() => string | URL | Promise<string | URL>)} url of scheme
 *   ws, wss, http or https, or relative to the page; a function is called for each
 *   attempt, so that it can add a fresh token
 * @param {Options} [options]
 * @returns {Peer}
 */
export function connect(url, options) {
  return new Peer(url, options);
}

/**
 * One end of a conversation: it asks, answers, and does both at once. Its event is
 * "status", a StatusEvent.
 */
export class Peer extends EventTarget {
  /** @type {Required<Options>} */
  #o;
  /** @type {() => string | URL | Promise<string | URL>} */
  #url;
  /** @type {Status} */
  #status = "connecting";
  /** @type {any} the connection, or undefined */
  #ws;
  #turn = {};
  #attempt = 0;
  #since = 0; // when it was opened
  #heard = 0; // when something came
  /** @type {(() => void)[]} timers of the connection */
  #timers = [];
  /** @type {() => void} ends the wait for the next attempt */
  #skip = () => {};
  #draining = false; // a timer looks whether the network has room again
  /** @type {Outbox} */
  #out;
  /** @type {Map<string, Ask>} */
  #asks = new Map();
  /** @type {Memory<string>} how asks ended */
  #ended = new Memory(REMEMBERED, Infinity);
  /** @type {Map<string, Service>} */
  #services = new Map();
  /** @type {Map<string, Job>} */
  #jobs = new Map();
  #held = 0; // bytes of requests
  /** @type {Memory<string | null>} answers, for requests that come again */
  #answers = new Memory(REMEMBERED, 1 << 20);
  #online = () => this.#skip();

  /** Use connect. @param {any} url @param {Options} [options] */
  constructor(url, options = {}) {
    super();
    this.#o = {
      timeout: 30_000,
      maxPending: 1024,
      maxBody: 4 << 20,
      outbox: 1024,
      outboxBytes: 4 << 20,
      inboxBytes: 16 << 20,
      buffer: 256 << 10,
      heartbeat: 30_000,
      connectTimeout: 10_000,
      backoff: fullJitter,
      observer: () => {},
      WebSocket: globalThis.WebSocket,
      ...Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)),
    };
    for (const [name, v] of Object.entries(this.#o)) {
      const ok = CALLED.has(name) ? typeof v === "function" : typeof v === "number" && v > 0;
      if (!ok) throw sentinel("misuse", { why: `option ${name}` });
    }
    if (typeof url !== "function") {
      const fixed = address(url);
      url = () => fixed;
    }
    this.#url = url;
    this.#out = new Outbox(this.#o.outbox, this.#o.outboxBytes);
    globalThis.addEventListener?.("online", this.#online);
    this.#connect();
  }

  /** "connecting", "open", "waiting" (for the next attempt) or "closed". */
  get status() {
    return this.#status;
  }

  /** How many asks wait for their answers. */
  get pending() {
    return this.#asks.size;
  }

  /**
   * Asks for what is served as name, and resolves with the answer. Besides the errors
   * of the work it rejects with callback.expired when its time is over, callback.gave_up
   * when its signal is aborted, callback.disconnected, callback.closed and
   * callback.full. Of class not_accepted is what had not left.
   * @param {string} name
   * @param {any} [q]
   * @param {AskOptions} [o]
   * @returns {Promise<any>}
   */
  ask(name, q, o = {}) {
    return new Promise((resolve, reject) => {
      const a = new Ask(name, o);
      a.settle = reject;
      a.receive = (m) => {
        if (m.kind === "reply") m.error ? reject(m.error) : resolve(m.body);
        else this.#abort(a, sentinel("is_stream"));
      };
      this.#start(a, q, 0);
    });
  }

  /**
   * Asks for the parts of what is served as name: each loop over the result is one
   * request. The parts come in order; at most window of them are on their way or wait
   * for the loop, and leaving it ends the work. A name that answers with one value
   * yields that.
   * @param {string} name
   * @param {any} [q]
   * @param {AskOptions & { window?: number }} [o] window is 64 unless given
   * @returns {AsyncIterable<any>}
   */
  stream(name, q, o = {}) {
    return { [Symbol.asyncIterator]: () => this.#inflow(name, q, o) };
  }

  /**
   * Sends an event to what is served as name: at most once, without an answer, as soon
   * as there is a connection. It does not wait: when there is no room the oldest event
   * is dropped, or with overflow "keep-last" the one of the same name and key.
   * @param {string} name
   * @param {any} [q]
   * @param {{ ttl?: number, overflow?: "drop-oldest" | "keep-last", key?: string, header?: Record<string, string> }} [o]
   *   ttl is how long the event is of use; for ever unless given
   * @throws {AntiphonError} misuse, callback.closed, or callback.full if others fill the outbox
   */
  notify(name, q, o = {}) {
    this.#usable(name);
    const { ttl, overflow = "drop-oldest", key = "" } = o;
    if (ttl !== undefined && !(ttl > 0)) throw sentinel("misuse", { why: "ttl is not positive" });
    if (overflow !== "drop-oldest" && overflow !== "keep-last") throw sentinel("misuse", { why: "no such overflow" });
    const header = checkHeader(o.header);
    const body = this.#encode(q);
    const end = ttl === undefined ? undefined : now() + ttl;
    const out = {
      kind: "event",
      size: weigh(name, header, body),
      key: overflow === "keep-last" ? `${name}\0${key}` : undefined,
      text: () => {
        if (end === undefined || end > now()) return formatMessage({ kind: "event", to: name, timeout: end && end - now(), header, ...body });
        this.#observe({ name: "callback.dropped", kind: name, error: sentinel("expired") });
        return null;
      },
    };
    let dropped = 0;
    let taken = this.#post(out);
    for (; !taken && this.#out.lanes[2].length > 0; dropped++) {
      this.#out.take();
      taken = this.#post(out);
    }
    if (dropped > 0) this.#observe({ name: "callback.dropped", kind: name, count: dropped, error: sentinel("full") });
    if (!taken) throw sentinel("full");
  }

  /**
   * Answers what is asked as name with f, and hands it the events of that name. What f
   * throws is the answer too.
   * @param {string} name
   * @param {(q: any, ctx: Context) => any} f may return a promise
   * @param {ServeOptions} [o]
   * @returns {() => void} ends it: what comes from then on is refused
   */
  serve(name, f, o) {
    return this.#serve(name, f, false, o);
  }

  /**
   * Answers what is asked as name with the parts that f yields, as far as the asker has
   * room. When the asker leaves, the generator's return is called.
   * @param {string} name
   * @param {(q: any, ctx: Context) => AsyncIterable<any> | Iterable<any>} f
   * @param {ServeOptions} [o]
   * @returns {() => void} ends it
   */
  serveStream(name, f, o) {
    return this.#serve(name, f, true, o);
  }

  /**
   * Ends it all: asks reject with callback.closed, and the signals of work are aborted.
   * It may be called again.
   */
  close() {
    if (this.#status === "closed") return;
    const why = sentinel("closed");
    const ws = this.#leave();
    this.#become("closed");
    globalThis.removeEventListener?.("online", this.#online);
    this.#skip();
    quietly(() => ws?.close(1000));
    for (const j of [...this.#jobs.values()]) this.#end(j, sentinel("closed", { class: "unknown" }));
    this.#services.clear();
    for (const a of [...this.#asks.values()]) this.#over(a, a.sent ? sentinel("closed", { class: "unknown" }) : why);
    for (const lane of [0, 1, 2]) this.#out.clear(lane);
    this.#answers.clear();
  }

  /* -- the connection -- */

  async #connect() {
    const turn = (this.#turn = {}); // what belongs to another attempt is not listened to
    const mine = (/** @type {(e: any) => void} */ f) => (/** @type {any} */ e) => {
      if (this.#turn === turn) f(e);
    };
    const lost = mine((cause) => this.#lost(sentinel("disconnected", { why: AntiphonError.from(cause).message, cause })));
    this.#attempt++;
    this.#timers = [after(this.#o.connectTimeout, () => lost("connecting took too long"))];
    this.#become("connecting");
    try {
      const url = address(await this.#url());
      if (this.#turn !== turn) return;
      const ws = (this.#ws = new this.#o.WebSocket(url, [PROTOCOL]));
      ws.binaryType = "arraybuffer";
      ws.onopen = mine(() => this.#opened(ws));
      ws.onmessage = mine((e) => this.#message(e.data));
      ws.onerror = () => {}; // a close follows
      ws.onclose = mine((e) => lost(`closed with code ${e?.code}${e?.reason ? `, ${e.reason}` : ""}`));
    } catch (cause) {
      lost(cause);
    }
  }

  /** @param {any} ws */
  #opened(ws) {
    this.#stopTimers();
    if (ws.protocol !== PROTOCOL) {
      this.#lost(sentinel("disconnected", { why: `the server does not speak ${PROTOCOL}` }));
      return;
    }
    this.#since = this.#heard = now();
    this.#watch();
    this.#become("open");
    this.#flush();
  }

  /** Asks a silent end for a sign of life, and gives the connection up if there is none. */
  #watch() {
    const every = this.#o.heartbeat;
    let asked = false;
    const look = () => {
      const silent = now() - this.#heard;
      if (silent < every) {
        asked = false;
        this.#timers = [after(every - silent, look)];
      } else if (!asked) {
        asked = true;
        this.#post({ kind: "ping", size: 100, text: () => formatMessage({ kind: "ping" }) });
        this.#timers = [after(every, look)];
      } else this.#lost(sentinel("disconnected", { why: "the other end is silent" }));
    };
    this.#timers = [after(every, look)];
  }

  #stopTimers() {
    for (const stop of this.#timers) stop();
    this.#timers = [];
  }

  /** Lets go of the connection. */
  #leave() {
    const ws = this.#ws;
    this.#ws = undefined;
    this.#turn = {};
    this.#stopTimers();
    return ws;
  }

  /** The connection broke, or could not be made. @param {AntiphonError} why */
  #lost(why) {
    if (this.#status === "closed") return;
    const ws = this.#leave();
    quietly(() => ws?.close());
    if (this.#status === "open") {
      if (now() - this.#since >= CALM) this.#attempt = 1;
      this.#observe({ name: "callback.disconnected", error: why });
    }
    this.#out.clear(0); // answers to those who are gone
    for (const j of [...this.#jobs.values()]) this.#end(j, why);
    this.#answers.clear();
    let delay = quietly(() => this.#o.backoff(this.#attempt));
    if (!(delay >= 0)) delay = fullJitter(this.#attempt);
    const stop = after(delay, () => this.#skip());
    this.#skip = () => {
      this.#skip = () => {};
      stop();
      if (this.#status === "waiting") this.#connect();
    };
    this.#become("waiting", why, delay);
    for (const a of [...this.#asks.values()]) if (a.sent) this.#over(a, why);
  }

  /** @param {Status} status @param {AntiphonError} [error] @param {number} [delay] */
  #become(status, error, delay) {
    this.#status = status;
    this.dispatchEvent(new StatusEvent(status, error, delay));
  }

  /** @param {Observed} e */
  #observe(e) {
    quietly(() => this.#o.observer(e));
  }

  /* -- sending -- */

  /** @param {string} name */
  #usable(name) {
    if (typeof name !== "string" || name === "" || exceeds(name, MAX_ADDRESS)) throw sentinel("misuse", { why: `a name has 1 to ${MAX_ADDRESS} bytes` });
    if (this.#status === "closed") throw sentinel("closed");
  }

  /** @param {any} v */
  #encode(v) {
    const body = encode(v);
    const large = body.json === undefined ? (body.size ?? 0) > this.#o.maxBody : exceeds(body.json, this.#o.maxBody);
    if (large) throw sentinel("too_large", { why: `a body has at most ${this.#o.maxBody} bytes` });
    return body;
  }

  /** Sends o or puts it into the outbox; reports false if there is no room. @param {Outgoing} o */
  #post(o) {
    const ok = this.#out.put(o);
    if (ok) this.#flush();
    return ok;
  }

  /** Gives the network what waits, as far as it has room. */
  #flush() {
    for (let o = this.#out.peek(); o && this.#status === "open"; o = this.#out.peek()) {
      const held = this.#ws.bufferedAmount;
      const share = this.#o.buffer / (o.kind === "event" ? 4 : o.kind === "request" ? 2 : 1);
      if (held > 0 && held + o.size > share) {
        this.#drain();
        return;
      }
      this.#out.take(o);
      const text = o.text();
      if (text === null) continue;
      try {
        this.#ws.send(text);
      } catch (cause) {
        this.#lost(sentinel("disconnected", { why: AntiphonError.from(cause).message, cause }));
      }
    }
  }

  /** Looks again soon: the platform does not tell when there is room. */
  #drain() {
    if (this.#draining) return;
    this.#draining = true;
    after(20, () => {
      this.#draining = false;
      this.#flush();
    });
  }

  /** Waits for room for o until the job is over. @param {Job} j @param {Outgoing} o */
  async #postWait(j, o) {
    while (!j.over && !this.#post(o)) {
      await new Promise((resolve) => {
        j.more = () => resolve(undefined);
        this.#out.waiting.push(j.more);
      });
    }
  }

  /* -- receiving -- */

  /** Nothing that comes makes this throw. @param {unknown} data */
  #message(data) {
    this.#heard = now();
    if (typeof data === "string" && exceeds(data, this.#o.maxBody + SLACK)) {
      this.#observe({ name: "callback.malformed", error: sentinel("too_large") });
      this.#lost(sentinel("disconnected", { why: "a message exceeds the limit" }));
      return;
    }
    try {
      const m = parseMessage(data);
      if (!KINDS.has(m.kind)) throw malformed("a kind that is not known");
      const { length } = /** @type {string} */ (data);
      const limit = m.kind === "progress" ? MAX_REPORT : this.#o.maxBody;
      if (length <= limit || !bodyExceeds(m.body, limit)) this.#dispatch(m, length);
      else this.#tooLarge(m);
    } catch (err) {
      this.#observe({ name: "callback.malformed", error: AntiphonError.from(err) });
    }
    this.#flush();
  }

  /** Fails what m belongs to, whose body exceeds the limit. @param {Message} m */
  #tooLarge(m) {
    const error = sentinel("too_large");
    if (m.kind === "request") this.#refuse(m, error);
    else if (m.kind === "reply") this.#answered({ ...m, body: undefined, error: failed(error) });
    else throw error;
  }

  /** @param {Message} m @param {number} size */
  #dispatch(m, size) {
    const id = m.id ?? "";
    switch (m.kind) {
      case "request":
      case "event":
        this.#accept(m, size);
        return;
      case "reply":
      case "part":
      case "progress":
        this.#answered(m);
        return;
      case "cancel": {
        const j = this.#jobs.get(id);
        if (j) this.#end(j, sentinel("asker_gone"));
        else if (!this.#answers.find(id)) this.#answers.keep(id, null, now() + 60_000, 100); // it may overtake its request
        return;
      }
      case "credit":
        this.#jobs.get(id)?.grant(m.seq ?? 0);
        return;
      case "ping":
        this.#post({ kind: "pong", size: 100, text: () => formatMessage({ kind: "pong", to: m.replyTo }) });
        return;
    }
  }

  /* -- asking -- */

  /** Registers a and sends its request. @param {Ask} a @param {any} q @param {number} credit */
  #start(a, q, credit) {
    const o = a.o;
    this.#usable(a.name);
    const within = o.within;
    for (const v of [o.timeout, o.idle]) if (v !== undefined && !(v > 0 && v < Infinity)) throw sentinel("misuse", { why: "a timeout is positive and finite" });
    const signals = [o.signal, within?.signal].filter((s) => s !== undefined);
    for (const s of signals) if (s.aborted) throw gaveUp(s.reason, "not_accepted");
    const timeout = Math.min(o.timeout ?? this.#o.timeout, within?.remaining ?? Infinity);
    if (timeout <= 0) throw sentinel("expired", { class: "not_accepted" });
    const body = this.#encode(q);
    const header = checkHeader(traced(within, checkHeader(o.header)));
    if (this.#asks.size >= this.#o.maxPending) throw sentinel("full");
    const end = now() + timeout;
    a.id = newID();
    this.#asks.set(a.id, a);
    const expire = () => {
      this.#observe({ name: "callback.expired", kind: a.name, id: a.id, error: sentinel("expired") });
      this.#abort(a, sentinel("expired", { class: a.sent ? "unknown" : "not_accepted" }));
    };
    a.stops.push(after(timeout, expire));
    if (o.idle !== undefined) {
      let stop = after(o.idle, expire);
      a.stops.push(() => stop());
      a.touch = () => {
        stop();
        stop = after(/** @type {number} */ (o.idle), expire);
      };
    }
    for (const s of signals) {
      const abort = () => this.#abort(a, gaveUp(s.reason, a.sent ? "unknown" : "not_accepted"));
      s.addEventListener("abort", abort);
      a.stops.push(() => s.removeEventListener("abort", abort));
    }
    a.out = {
      kind: "request",
      size: weigh(a.name, header, body),
      text: () => {
        if (end <= now()) return null; // and it expires
        a.sent = true;
        return formatMessage({ kind: "request", id: a.id, to: a.name, seq: credit, timeout: end - now(), header, ...body });
      },
    };
    if (!this.#post(a.out)) this.#over(a, sentinel("full"));
  }

  /** Takes a out. It reports whether it was there. @param {Ask} a @param {string} how */
  #remove(a, how) {
    if (!this.#asks.delete(a.id)) return false;
    this.#ended.keep(a.id, how, Infinity, 0);
    for (const stop of a.stops) stop();
    return true;
  }

  /** Ends an ask, whose work has ended already. @param {Ask} a @param {AntiphonError} why */
  #over(a, why) {
    if (!this.#remove(a, "gone")) return;
    if (a.out && !a.sent) this.#out.take(a.out);
    a.settle(why);
  }

  /** Ends an ask and its work. @param {Ask} a @param {AntiphonError} why */
  #abort(a, why) {
    if (!this.#asks.has(a.id)) return;
    this.#over(a, why);
    if (a.sent) this.#control("cancel", a); // if there is no room, the deadline ends the work
  }

  /** @param {string} kind @param {Ask} a @param {number} [seq] */
  #control(kind, a, seq) {
    return this.#post({ kind, size: 200, text: () => formatMessage({ kind, id: a.id, to: a.name, seq }) });
  }

  /** @param {Message} m */
  #answered(m) {
    const id = m.id ?? "";
    const a = this.#asks.get(id);
    if (!a) {
      const how = this.#ended.find(id)?.value;
      const name = how === "answered" ? "callback.duplicate" : how === "gone" ? "callback.late" : "callback.unknown";
      this.#observe({ name, kind: m.kind, id });
      return;
    }
    if (m.kind === "progress") {
      this.#progress(a, m);
      return;
    }
    if (m.kind === "reply") this.#remove(a, "answered");
    a.receive(m);
  }

  /** @param {Ask} a @param {Message} m */
  #progress(a, m) {
    if ((m.seq ?? 0) <= a.heard) return; // overtaken
    a.heard = m.seq ?? 0;
    a.touch();
    const { percent, message, data, bytes } = m.body ?? {};
    const report = {
      percent: clamp(percent),
      message: typeof message === "string" ? message : "",
      data: typeof bytes === "string" ? parseBytes(bytes) : data,
    };
    if (a.o.onProgress) quietly(() => a.o.onProgress?.(report));
  }

  /** @param {string} name @param {any} q @param {AskOptions & { window?: number }} o */
  #inflow(name, q, o) {
    const window = o.window ?? 64;
    /** @type {any[]} */
    const parts = [];
    /** @type {{ resolve: (r: IteratorResult<any>) => void, reject: (err: any) => void }[]} */
    const readers = [];
    const a = new Ask(name, o);
    let started = false;
    let last = 0; // Seq of the last part that came
    let taken = 0;
    let allowed = 0;
    /** @type {{ error?: AntiphonError } | undefined} */
    let ended;

    const took = () => {
      taken++;
      if (ended || taken - allowed < (window + 1) / 2) return;
      allowed = taken;
      if (!this.#control("credit", a, taken + window)) this.#abort(a, sentinel("full", { class: "unknown" }));
    };
    const serve = () => {
      while (readers.length > 0) {
        if (parts.length > 0) {
          readers.shift()?.resolve({ done: false, value: parts.shift() });
          took();
        } else if (ended) {
          const { error } = ended;
          ended = {}; // said once
          const reader = readers.shift();
          error ? reader?.reject(error) : reader?.resolve({ done: true, value: undefined });
        } else return;
      }
    };
    a.settle = (error) => {
      ended ??= { error };
      serve();
    };
    a.receive = (m) => {
      const seq = m.seq ?? 0;
      if (m.kind === "reply") {
        if (m.error) ended = { error: m.error };
        else if (seq !== last) ended = { error: sentinel("gap") };
        else {
          ended = {};
          if (seq === 0 && m.body !== undefined) parts.push(m.body);
        }
        serve();
      } else if (seq <= last) this.#observe({ name: "callback.duplicate", kind: "part", id: a.id });
      else if (seq !== last + 1) this.#abort(a, sentinel("gap"));
      else if (parts.length >= window) this.#abort(a, sentinel("flooded"));
      else {
        last = seq;
        a.touch();
        parts.push(m.body);
        serve();
      }
    };
    return {
      next: () =>
        new Promise((resolve, reject) => {
          if (!started) {
            started = true;
            try {
              if (!Number.isInteger(window) || window < 1 || window > MAX_WINDOW) throw sentinel("misuse", { why: `a window is 1 to ${MAX_WINDOW}` });
              this.#start(a, q, window);
            } catch (error) {
              ended ??= { error: /** @type {AntiphonError} */ (error) };
            }
          }
          readers.push({ resolve, reject });
          serve();
        }),
      return: async (/** @type {any} */ value) => {
        started = true;
        parts.length = 0;
        ended = {};
        this.#abort(a, sentinel("gave_up"));
        serve();
        return { done: /** @type {const} */ (true), value };
      },
    };
  }

  /* -- answering -- */

  /** @param {string} name @param {(q: any, ctx: Context) => any} f @param {boolean} streams @param {ServeOptions} [o] */
  #serve(name, f, streams, o = {}) {
    this.#usable(name);
    const { concurrency = 64, queue = 1024 } = o;
    if (typeof f !== "function") throw sentinel("misuse", { why: `serve(${JSON.stringify(name)}) needs a function` });
    if (!(concurrency >= 1 && queue >= 0)) throw sentinel("misuse", { why: "options of serve" });
    if (this.#services.has(name)) throw sentinel("misuse", { why: `${JSON.stringify(name)} is served already` });
    /** @type {Service} */
    const s = { name, f, streams, concurrency, queue, running: 0, waiting: [], late: [] };
    this.#services.set(name, s);
    return () => {
      if (this.#services.get(name) === s) this.#services.delete(name);
    };
  }

  /** Starts what m asks for, or says why not. @param {Message} m @param {number} size */
  #accept(m, size) {
    const name = m.to ?? "";
    const id = m.id ?? "";
    const s = this.#services.get(name);
    const event = m.kind === "event";
    if (!s) return this.#refuse(m, sentinel("unserved"));
    if (m.timeout === 0) return this.#observe({ name: "callback.dropped", kind: name, id: m.id, error: sentinel("expired") });
    if (s.streams && (event || m.seq === 0)) return this.#refuse(m, sentinel("is_stream", { class: "not_accepted" }));
    if (!event && this.#jobs.has(id)) return this.#observe({ name: "callback.repeated", kind: name, id });
    const known = event ? undefined : this.#answers.find(id);
    if (known) {
      this.#observe({ name: "callback.repeated", kind: name, id });
      if (known.value !== null) this.#post({ kind: "reply", size: known.value.length, text: () => known.value });
      return;
    }
    const room = this.#held === 0 || this.#held + size <= this.#o.inboxBytes;
    const j = new Job(s, m, size);
    j.context.report = (percent, message = "", data) => this.#report(j, percent, message, data);
    if (room && s.running < s.concurrency) {
      this.#enter(j);
      this.#run(s, j);
    } else if (event) {
      if (s.late.length >= s.queue || !room) {
        this.#observe({ name: "callback.dropped", kind: name, error: sentinel("full") });
        if (s.late.length === 0) return;
        this.#end(s.late[0], sentinel("full"));
      }
      this.#enter(j);
      s.late.push(j);
    } else if (!room || s.waiting.length >= s.queue) this.#refuse(m, sentinel("full"));
    else {
      this.#enter(j);
      s.waiting.push(j);
    }
  }

  /** @param {Job} j */
  #enter(j) {
    this.#held += j.size;
    this.#jobs.set(j.key, j);
    if (j.end !== undefined) j.stop = after(j.end - now(), () => this.#end(j, sentinel("time_up")));
  }

  /** If there is no room to refuse, the asker's time ends: a flood is not answered by one. @param {Message} m @param {AntiphonError} error */
  #refuse(m, error) {
    this.#observe({ name: "callback.rejected", kind: m.to, id: m.id, error });
    if (m.kind === "request") this.#post({ kind: "reply", size: 300, text: () => formatMessage({ kind: "reply", id: m.id, error }) });
  }

  /** Nobody waits for j any more. @param {Job} j @param {AntiphonError} why */
  #end(j, why) {
    if (j.over) return;
    this.#done(j);
    if (j.m.id) this.#answers.keep(j.m.id, null, j.end ?? Infinity, 100);
    const queue = j.m.id ? j.service.waiting : j.service.late;
    const at = queue.indexOf(j);
    if (at >= 0) {
      queue.splice(at, 1);
      this.#held -= j.size;
    }
    j.controller.abort(why);
    j.more();
  }

  /** @param {Job} j */
  #done(j) {
    j.over = true;
    j.stop();
    this.#jobs.delete(j.key);
  }

  /** Does j and what waits after it. @param {Service} s @param {Job | undefined} j */
  async #run(s, j) {
    s.running++;
    for (; j; j = s.waiting.shift() ?? s.late.shift()) {
      await this.#do(j);
      this.#held -= j.size;
    }
    s.running--;
  }

  /** Does j and sends the answer; it never rejects. @param {Job} j */
  async #do(j) {
    const event = j.m.kind === "event";
    /** @type {Encoded} */
    let body = {};
    /** @type {AntiphonError | undefined} */
    let error;
    try {
      const result = j.service.f(j.m.body, j.context);
      if (j.service.streams) await this.#parts(j, result);
      else {
        const value = await result;
        if (!event) body = this.#encoded(value);
      }
    } catch (err) {
      error = AntiphonError.from(err);
    }
    if (event) {
      if (error) this.#observe({ name: "callback.event_failed", kind: j.service.name, error });
    } else if (!j.over) {
      const id = /** @type {string} */ (j.m.id);
      if (error && !quietly(() => JSON.stringify(error))) error = new AntiphonError({ code: "internal", message: "an error that cannot be told" });
      const text = formatMessage({ kind: "reply", id, seq: j.sent, error, ...body });
      const kept = j.service.streams || text.length > 1 << 18 ? formatMessage({ kind: "reply", id, error: sentinel("repeated") }) : text;
      this.#answers.keep(id, kept, j.end ?? Infinity, kept.length);
      await this.#postWait(j, { kind: "reply", size: text.length, text: () => text });
    }
    this.#done(j);
  }

  /** Encodes what work has made: if that fails, the work was done all the same. @param {any} v */
  #encoded(v) {
    try {
      return this.#encode(v);
    } catch (err) {
      throw failed(AntiphonError.from(err));
    }
  }

  /** Sends what a generator yields, as far as there is credit. @param {Job} j @param {any} source */
  async #parts(j, source) {
    const it = (source[Symbol.asyncIterator] ?? source[Symbol.iterator]).call(source);
    let done = false;
    try {
      while (!j.over) {
        const part = await it.next();
        done = Boolean(part.done);
        if (done) return;
        const body = this.#encoded(await part.value);
        await j.credit();
        if (j.over) return;
        const seq = ++j.sent;
        await this.#postWait(j, { kind: "part", size: weigh("", undefined, body), text: () => formatMessage({ kind: "part", id: j.m.id, seq, ...body }) });
      }
    } catch (err) {
      done = true;
      throw err;
    } finally {
      if (!done) await it.return?.();
    }
  }

  /** @param {Job} j @param {number} percent @param {string} message @param {any} data */
  #report(j, percent, message, data) {
    if (j.over || j.m.kind === "event") return;
    /** @type {AntiphonError | undefined} */
    let error = sentinel("full");
    try {
      const { json, bytes } = encode(data);
      const head = JSON.stringify({ percent: clamp(percent), message: message ? String(message) : undefined, bytes });
      const body = json === undefined ? head : `${head.slice(0, -1)},"data":${json}}`;
      if (exceeds(body, MAX_REPORT)) throw sentinel("too_large");
      const seq = ++j.reported;
      if (this.#post({ kind: "progress", key: `\0${j.m.id}`, size: body.length + 100, text: () => formatMessage({ kind: "progress", id: j.m.id, seq, json: body }) })) return;
    } catch (err) {
      error = AntiphonError.from(err);
    }
    this.#observe({ name: "callback.unsent", kind: "progress", id: j.m.id, error });
  }
}

/** A request of our own. */
class Ask {
  id = "";
  sent = false;
  heard = 0; // Seq of the last progress
  /** @type {Outgoing | undefined} */
  out;
  /** @type {(() => void)[]} timers and listeners */
  stops = [];
  touch = () => {};
  /** @type {(m: Message) => void} */
  receive = () => {};
  /** @type {(err: AntiphonError) => void} */
  settle = () => {};

  /** @param {string} name @param {AskOptions} o */
  constructor(name, o) {
    this.name = name;
    this.o = o ?? {};
  }
}

/**
 * @typedef {object} Service
 * @property {string} name
 * @property {(q: any, ctx: Context) => any} f
 * @property {boolean} streams
 * @property {number} concurrency
 * @property {number} queue
 * @property {number} running
 * @property {Job[]} waiting
 * @property {Job[]} late events
 */

let events = 0;

/** A request or event that is being answered. */
class Job {
  controller = new AbortController();
  signal = this.controller.signal;
  over = false; // answered, or nobody waits for it
  stop = () => {};
  more = () => {}; // there is credit, or it is over
  reported = 0;
  sent = 0;

  /** @param {Service} service @param {Message} m @param {number} size */
  constructor(service, m, size) {
    this.service = service;
    this.m = m;
    this.size = size;
    this.key = m.id ?? `event ${++events}`;
    this.end = m.timeout === undefined ? undefined : now() + m.timeout;
    this.allowed = m.seq ?? 0;
    const end = this.end;
    /** @type {Context} */
    this.context = {
      signal: this.signal,
      name: service.name,
      id: m.id,
      header: m.header ?? Object.freeze(Object.create(null)),
      deadline: m.timeout === undefined ? undefined : new Date(Math.min(Date.now() + m.timeout, 8.64e15)),
      get remaining() {
        return end === undefined ? Infinity : Math.max(end - now(), 0);
      },
      report: () => {},
    };
  }

  /** @param {number} total */
  grant(total) {
    this.allowed = Math.max(this.allowed, total);
    this.more();
  }

  /** Waits until one more part is allowed, or it is over. */
  async credit() {
    while (!this.over && this.sent >= this.allowed) await new Promise((resolve) => (this.more = () => resolve(undefined)));
  }
}

/* ---- small things -------------------------------------------------------------- */

/** The address as a WebSocket has it. @param {string | URL} url */
function address(url) {
  try {
    const u = new URL(url, globalThis.location?.href);
    u.protocol = u.protocol.replace(/^http/, "ws");
    u.hash = "";
    if (u.protocol === "ws:" || u.protocol === "wss:") return u.href;
  } catch {
    // which would quote it, and it may hold a secret
  }
  throw sentinel("misuse", { why: "the URL is none to connect to" });
}

/** The header of an ask made while answering another takes over its trace context. @param {Context} [within] @param {Record<string, string>} [header] */
function traced(within, header) {
  const came = within?.header ?? {};
  const trace = Object.fromEntries(["traceparent", "tracestate"].filter((k) => k in came).map((k) => [k, came[k]]));
  return { ...trace, ...header };
}

/** @param {Record<string, string>} [header] */
function checkHeader(header) {
  if (header === undefined) return undefined;
  if (!isObject(header) || !Object.values(header).every((v) => typeof v === "string")) throw sentinel("misuse", { why: "a header has strings" });
  if (headerTooLarge(header)) throw sentinel("misuse", { why: `a header has at most ${MAX_HEADERS} entries and ${MAX_HEADER_SIZE} bytes` });
  return { ...header };
}

/** @param {any} body @param {number} limit */
function bodyExceeds(body, limit) {
  return body instanceof Uint8Array ? body.length > limit : body !== undefined && exceeds(JSON.stringify(body), limit);
}

/** About what a message weighs. @param {string} name @param {Record<string, string> | undefined} header @param {Encoded} body */
function weigh(name, header, body) {
  return 200 + name.length + (header ? JSON.stringify(header).length : 0) + (body.json ?? body.bytes ?? "").length;
}

/** @param {any} percent */
function clamp(percent) {
  return typeof percent === "number" && percent > 0 ? Math.min(percent, 100) : 0;
}

/** Calls f, which is another's: what it throws is shown where the platform shows such things, and harms nobody. @template T @param {() => T} f @returns {any} */
function quietly(f) {
  try {
    return f();
  } catch (err) {
    /** @type {any} */ (globalThis).reportError?.(err);
    return undefined;
  }
}
