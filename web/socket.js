// The WebSocket to the coordinator: hello, reconnecting, goodbye. It passes frames on and never looks into a tensor.

import { readHeader } from "./frames.js";

const PROTOCOL = 4; // what is spoken here, and the oldest one, too
const FIRST_DELAY_S = 0.5;
const LONGEST_DELAY_S = 15;
const REFUSALS = [4401, 4403, 4409]; // not this token; not this role; another tab took this session over
const SILENCE_MS = 15_000; // the coordinator sends its status at least every few seconds

/**
 * @typedef {{phase: "connecting" | "open"} | {phase: "retry", at: number} | {phase: "refused", reason: string}} LinkState
 *   retry: `at` is the time, as of Date.now(), of the next attempt.
 * @typedef {object} Handlers
 * @property {(state: LinkState) => void} link
 * @property {(header: {type: string, [field: string]: any}, data: string | ArrayBuffer) => void} frame
 */

/** One lasting connection: it comes back by itself until it is refused. */
export class Connection {
  /**
   * @param {{token: string, session: string, name: string}} who
   * @param {Handlers} handlers
   */
  constructor(who, handlers) {
    this.who = who;
    this.handlers = handlers;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.failures = 0;
    this.timer = 0;
    this.heard = 0;
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && this.connect());
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
    setInterval(() => this.checkSilence(), 2000);
  }

  connect() {
    clearTimeout(this.timer);
    this.drop();
    this.handlers.link({ phase: "connecting" });
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.heard = Date.now();
      // A link's token says which role it gives; only an address without one asks to be the host.
      const role = this.who.token ? "" : "host";
      const { token, name, session } = this.who;
      this.send({ type: "hello", protocol: PROTOCOL, token, role, name, session, oldest: PROTOCOL });
    };
    socket.onmessage = (event) => this.take(event.data);
    socket.onclose = (event) => this.lost(event);
    this.socket = socket;
  }

  /**
   * Sends a message or a finished frame; false when there is no open connection, and nothing was sent.
   * @param {object | string | ArrayBuffer} data
   */
  send(data) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(typeof data === "string" || data instanceof ArrayBuffer ? data : JSON.stringify(data));
    return true;
  }

  /** Says goodbye, so that this tab's leases are free at once. The connection stays down until connect(). */
  close() {
    this.send({ type: "goodbye" });
    clearTimeout(this.timer);
    this.drop();
  }

  retryNow() {
    if (this.timer) this.connect();
  }

  /** @param {string | ArrayBuffer} data */
  take(data) {
    this.heard = Date.now();
    const header = readHeader(data);
    if (header === null) return; // not one of our frames: nothing to show and nothing to answer
    if (header.type === "welcome") {
      this.failures = 0;
      this.handlers.link({ phase: "open" });
    }
    this.handlers.frame(header, data);
  }

  /** @param {CloseEvent} event */
  lost(event) {
    this.socket = null;
    if (REFUSALS.includes(event.code)) {
      this.handlers.link({ phase: "refused", reason: event.reason });
      return;
    }
    // Full jitter: a class of tabs that lost the coordinator together must not come back together.
    const longest = Math.min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** this.failures);
    const delay_ms = 100 + Math.random() * longest * 1000;
    this.failures += 1;
    this.handlers.link({ phase: "retry", at: Date.now() + delay_ms });
    this.timer = setTimeout(() => this.connect(), delay_ms);
  }

  /** A network that swallows everything never closes a socket; silence is the only sign. */
  checkSilence() {
    if (this.socket?.readyState !== WebSocket.OPEN || Date.now() - this.heard < SILENCE_MS) return;
    this.drop();
    this.lost(new CloseEvent("close", { code: 1006 }));
  }

  drop() {
    this.timer = 0;
    if (this.socket === null) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }
}
