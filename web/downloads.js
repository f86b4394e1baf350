// Counting the bytes of the engine's downloads while they pass, and naming the stage they belong to. Nothing is fetched twice.

/**
 * Downloads in the order people wait for them. A stage of several files says its bytes here: they come side by side, and
 * compressed, which hides their length. The files are pinned; a wrong sum would only bend the bar. 0: one file, which tells.
 */
const STAGES = [
  { stage: "Downloading the Python engine", matches: /pyodide\.asm\.wasm|python_stdlib\.zip/, bytes: 8_645_967 + 2_416_866 },
  { stage: "Downloading NumPy", matches: /\/numpy-[^/]*\.whl/, bytes: 0 },
  { stage: "Downloading the library", matches: /\/distml_py-[^/]*\.whl/, bytes: 0 },
];

/** Files that did not come: Pyodide's own errors do not name them. @type {string[]} */
export const missing = [];

/**
 * Wraps this worker's fetch. `tell` gets each stage's bytes; total 0 means unknown.
 * @param {(stage: string, loaded: number, total: number) => void} tell
 * @param {() => Promise<Uint8Array<ArrayBuffer> | undefined>} stdlib  Python's own library, where this browser has kept it
 */
export function countDownloads(tell, stdlib) {
  const fetchPlain = globalThis.fetch.bind(globalThis);
  const loaded = STAGES.map(() => 0);
  globalThis.fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const name = url.split("/").at(-1) ?? "";
    const kept = name === "python_stdlib.zip" ? await stdlib() : undefined;
    if (kept) return new Response(kept);
    const response = await fetchPlain(input, init).catch((error) => {
      missing.push(`${name} (${error.message})`);
      throw error;
    });
    if (!response.ok) missing.push(`${name} (status ${response.status})`);
    const index = STAGES.findIndex(({ matches }) => matches.test(url));
    if (index < 0 || !response.ok || response.body === null) return response;
    const { stage, bytes } = STAGES[index];
    // The length of a compressed answer is not that of what arrives here.
    const length = response.headers.has("content-encoding") ? 0 : Number(response.headers.get("content-length"));
    void counted(response.clone(), (size) => tell(stage, (loaded[index] += size), bytes || length));
    return response; // itself: browsers keep the machine code of WebAssembly for what came from their own store as it is
  };
}

/** Reads an answer to its end. @param {Response} response @param {(size: number) => void} tell */
async function counted(response, tell) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) tell(part.value.byteLength);
  } catch {
    // who reads the answer itself is told
  }
}
