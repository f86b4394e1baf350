// The engine's worker, which engine.js takes over. Where the browser has kept the engine's files, it is started before the rest of the
// page has come; where they have to be downloaded, the page comes first.

import { knownStart } from "./known_start.js";
import { ASSETS, fileAt, isStatic } from "./place.js";

/** @typedef {{worker: Worker, said: any[], failed: string | null}} Started  what it has said before somebody listened */

/** @returns {Started} */
function started() {
  const worker = new Worker(fileAt("web/engine_worker.js"), { type: "module" });
  /** @type {Started} */
  const start = { worker, said: [], failed: null };
  worker.onmessage = ({ data }) => start.said.push(data);
  worker.onerror = (event) => {
    event.preventDefault();
    start.failed = event.message;
  };
  worker.postMessage({
    kind: "boot",
    index_url: ASSETS,
    lock_url: `${ASSETS}pyodide-lock.json`,
    bridge_url: fileAt("bridge/bridge.js"),
    alone: isStatic,
    known: knownStart(),
  });
  return start;
}

/** Whether it was started before the page's own part had come. */
export const startedAhead = Boolean(knownStart()?.sha256);
/** @type {Started | null} */
let first = startedAhead ? started() : null;

/** The worker that was started before, and a new one each time after that. @returns {Started} */
export function startWorker() {
  const found = first ?? started();
  first = null;
  return found;
}
