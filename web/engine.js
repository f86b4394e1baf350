// The page's side of the engine worker: starts it, speaks its message table, and lets only known frames out of it.

import { startWorker } from "./first_engine.js";
import { FROM_ENGINE, readHeader } from "./frames.js";
import { noteStart } from "./known_start.js";
import { isStatic } from "./place.js";

/**
 * @typedef {{message: string, line: number, recipe: boolean, traceback: string}} Failure  recipe: the person's Python, not the engine, failed
 * @typedef {object} Report
 * @property {string | null} state
 * @property {number | null} step
 * @property {number | null} loss
 * @property {number | null} val_loss
 * @property {number | null} accuracy
 * @property {number | null} train_accuracy
 * @property {number | null} test_accuracy
 * @property {number | null} weights_version
 * @property {string | null} weights_sha256
 * @property {number | null} cpu_ops
 * @property {number | null} step_ms
 * @property {import("./history.js").Point[]} evaluations  the last ones, in order
 * @property {number | null} python_ms
 * @property {number | null} draws
 * @property {number | null} texture_bytes
 * @typedef {object} EngineHandlers
 * @property {(stage: string, loaded: number, total: number) => void} stage
 * @property {(backend: string) => void} ready
 * @property {(back: boolean) => void} gpu  the browser took the GPU away, or gave it back
 * @property {(data: ArrayBuffer) => void} prepared
 * @property {() => void} scripted  a program came to its end
 * @property {(data: string | ArrayBuffer) => void} frame
 * @property {(report: Report, run: string | null) => void} report
 * @property {(text: string) => void} print
 * @property {(failure: Failure) => void} error
 * @property {(header: {type: string, [field: string]: any}, data: string | ArrayBuffer) => void} told  without a coordinator: what it would have said
 */

export class Engine {
  /** @param {EngineHandlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    /** @type {Worker | null} */
    this.worker = null;
    /** @type {Map<number, {resolve: (found: any) => void, reject: (error: Error) => void}>} questions that wait for their answer */
    this.questions = new Map();
    this.asked = 0;
    this.isReady = false;
    /** @type {() => void} */
    this.tellReady = () => {};
    /** Fulfilled when an engine can be asked something; a failed load leaves it open for the next one. @type {Promise<void>} */
    this.whenReady = this.waiting();
    /** When the worker last said anything, as of performance.now(). */
    this.heardAt = 0;
    /** Of the time, that the worker may compute: each new one is told. */
    this.share = 1;
  }

  /** Starts loading Pyodide; after a failure, starts again with a new worker. */
  boot() {
    this.stop();
    const { worker, said, failed } = startWorker();
    /** @param {any} message */
    const hear = (message) => {
      if (worker !== this.worker) return; // the last words of one that was ended
      this.heardAt = performance.now();
      this.take(message);
    };
    /** @param {string} words */
    const fail = (words) => this.handlers.error({ message: `The engine could not start: ${words || "its script did not load"}`, line: 0, recipe: false, traceback: "" });
    worker.onmessage = ({ data }) => hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
    this.worker = worker;
    if (this.share < 1) this.duty(this.share);
    for (const message of said) hear(message);
    if (failed !== null) fail(failed);
  }

  /** @returns {Promise<void>} */
  waiting() {
    return new Promise((resolve) => (this.tellReady = resolve));
  }

  /** Ends the worker, whatever it does. */
  stop() {
    this.worker?.terminate();
    this.worker = null;
    if (this.isReady) this.whenReady = this.waiting();
    this.isReady = false;
    for (const { reject } of this.questions.values()) reject(new Error("the engine was loaded again"));
    this.questions.clear();
  }

  /**
   * A question that changes nothing of the run, answered between two units of work.
   * @param {"look" | "save" | "fit" | "put" | "give"} what @param {any[]} values @returns {Promise<any>}
   */
  ask(what, ...values) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.questions.set(id, { resolve, reject });
      this.post({ kind: "ask", id, what, values });
    });
  }

  /** One view of the model, see inspection.py. @param {string} view @param {object} [options] @returns {Promise<any>} */
  async look(view, options = {}) {
    return JSON.parse(await this.ask("look", view, JSON.stringify(options)));
  }

  /** @param {{name: string, code: string, seed: number, steps: number | null, weights?: ArrayBuffer | null}} recipe */
  prepare(recipe) {
    this.post({ kind: "prepare", ...recipe });
  }

  /** Runs a program written for PyTorch to its end, in this tab alone. @param {{name: string, code: string}} program */
  script({ name, code }) {
    this.post({ kind: "script", name, code });
  }

  /** @param {string | ArrayBuffer} data */
  frame(data) {
    this.post({ kind: "frame", data }, typeof data === "string" ? [] : [data]);
  }

  leave() {
    this.post({ kind: "leave" });
  }

  /** How much of the time the engine computes. @param {number} share  0 to 1 */
  duty(share) {
    this.share = share;
    this.post({ kind: "duty", share });
  }

  /** @param {object} message @param {Transferable[]} [transfer] */
  post(message, transfer = []) {
    this.worker?.postMessage(message, transfer);
  }

  /** @param {any} message one row of the table in ARCHITECTURE.md, or anything a recipe managed to post */
  take(message) {
    switch (message?.kind) {
      case "stage":
        return this.handlers.stage(String(message.stage), Number(message.loaded), Number(message.total));
      case "ready":
        this.isReady = true;
        this.handlers.ready(String(message.backend));
        return this.tellReady();
      case "kept":
        // From a worker that has run nobody's code yet: it gets none before it is ready.
        if (!this.isReady) noteStart(message);
        return;
      case "gpu":
        return this.handlers.gpu(message.state === "back");
      case "prepared":
        // The recipe's Python shares this worker: it must not be able to send a host's other commands.
        if (readHeader(message.data)?.type === "start") this.handlers.prepared(message.data);
        return;
      case "scripted":
        return this.handlers.scripted();
      case "frame":
        if (FROM_ENGINE.has(readHeader(message.data)?.type ?? "")) this.handlers.frame(message.data);
        return;
      case "told": {
        const header = isStatic ? readHeader(message.data) : null;
        return header === null ? undefined : this.handlers.told(header, message.data);
      }
      case "answer": {
        const question = this.questions.get(message.id);
        this.questions.delete(message.id);
        if (message.error !== undefined) question?.reject(new Error(String(message.error)));
        else question?.resolve(message.found);
        return;
      }
      case "report":
        return this.handlers.report(message.report, message.run ?? null);
      case "print":
        return this.handlers.print(String(message.text));
      case "error":
        return this.handlers.error({
          message: String(message.message),
          line: Number(message.line) || 0,
          recipe: message.recipe === true,
          traceback: String(message.traceback ?? ""),
        });
    }
  }
}
