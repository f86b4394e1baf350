// Python in the engine worker: Pyodide, NumPy and the library, from the coordinator or as this browser has kept them. No GPU, no run.

import { countDownloads } from "./downloads.js";
import { GLUE } from "./glue.js";
import { keep, keyOf, leaveCode, makeClasses, putBack, takeKept, worthKeeping } from "./kept_start.js";

/**
 * @typedef {object} Told
 * @property {(text: string, loaded?: number, total?: number) => void} stage
 * @property {(text: string) => void} print
 * @property {(record: {key: string, sha256: string}) => void} kept  what a later start may use; without a sum it may not
 * @property {() => Promise<void>} loaded  Python is about to import: a GPU can work beside it
 * @typedef {{info: {version: string}, packages: Record<string, {sha256: string, imports: string[]}>}} Lock
 */

/**
 * Pyodide with GLUE's namespace, and the packages that this coordinator serves, by name and by what they are imported as.
 * @param {string} index_url @param {string} lock_url @param {import("./known_start.js").KnownStart | null} known @param {Told} told
 */
export async function startPython(index_url, lock_url, known, told) {
  told.stage("Downloading the Python engine");
  countDownloads(told.stage, () => kept.then((found) => found?.stdlib));
  const asked = fetch(lock_url).then((answer) => /** @type {Promise<Lock>} */ (answer.json()));
  const kept = asked.then((lock) => takeKept(keyOf(lock), known)).catch(() => null);
  const { loadPyodide } = await import(`${index_url}pyodide.mjs`);
  const lock = await asked;
  const loading = loadPyodide({ indexURL: index_url, packageBaseUrl: index_url, lockFileContents: lock, stdout: told.print, stderr: told.print });
  const [files, key] = [await kept, keyOf(lock)];
  try {
    const pyodide = await loading;
    await told.loaded();
    if (files !== null) putBack(pyodide, files);
    else await fetchPackages(pyodide, told);
    told.stage("Starting NumPy and the library");
    const keeping = files === null && worthKeeping(key, known);
    if (keeping) leaveCode(pyodide, true);
    const made = makeClasses(pyodide);
    const namespace = pyodide.globals.get("dict")();
    pyodide.runPython(GLUE, { globals: namespace, filename: "engine_worker.js" });
    made(keeping);
    performance.mark("imported");
    if (keeping) {
      leaveCode(pyodide, false);
      told.kept({ key, sha256: await keep(pyodide) }); // nobody's code has run here until now
    }
    return { pyodide, served: served(lock), namespace, key };
  } catch (error) {
    if (files !== null) told.kept({ key, sha256: "" }); // the next start does without
    throw error;
  }
}

/** @param {any} pyodide @param {Told} told */
async function fetchPackages(pyodide, told) {
  told.stage("Downloading NumPy");
  await pyodide.loadPackage("numpy", { messageCallback: () => {} });
  told.stage("Downloading the library");
  await pyodide.loadPackage("distml-py", { messageCallback: () => {} });
}

/** @param {Lock} lock @returns {Map<string, string>} */
function served({ packages }) {
  return new Map(Object.entries(packages).flatMap(([name, { imports }]) => [name, ...imports].map((word) => /** @type {[string, string]} */ ([word, name]))));
}
