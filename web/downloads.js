// Counting the bytes of the engine's downloads while they pass, and naming the stage they belong to. Nothing is fetched twice.

/** Downloads in the order people wait for them. */
const STAGES = [
  { stage: "Downloading the Python engine", matches: /pyodide\.asm\.wasm|python_stdlib\.zip/ },
  { stage: "Downloading NumPy", matches: /\/numpy-[^/]*\.whl/ },
  { stage: "Downloading the library", matches: /\/distml_py-[^/]*\.whl/ },
];

/** A compressed answer does not say how long its body will be. These files are pinned; a wrong size only bends the bar. */
const UNPACKED_BYTES = new Map([
  ["pyodide.asm.wasm", 8_645_967],
  ["python_stdlib.zip", 2_416_866],
]);

/** Files that did not come: Pyodide's own errors do not name them. @type {string[]} */
export const missing = [];

/**
 * Wraps this worker's fetch. `tell` gets each stage's bytes; total 0 means unknown.
 * @param {(stage: string, loaded: number, total: number) => void} tell
 */
export function countDownloads(tell) {
  const fetchPlain = globalThis.fetch.bind(globalThis);
  const sums = STAGES.map(() => ({ loaded: 0, total: 0, unknown: false }));
  globalThis.fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const name = url.split("/").at(-1) ?? "";
    const response = await fetchPlain(input, init).catch((error) => {
      missing.push(`${name} (${error.message})`);
      throw error;
    });
    if (!response.ok) missing.push(`${name} (status ${response.status})`);
    const index = STAGES.findIndex(({ matches }) => matches.test(url));
    if (index < 0 || !response.ok || response.body === null) return response;
    const sum = sums[index];
    const packed = response.headers.has("content-encoding");
    const length = packed ? (UNPACKED_BYTES.get(name) ?? 0) : Number(response.headers.get("content-length"));
    sum.total += length;
    sum.unknown ||= !length;
    const count = new TransformStream({
      transform(chunk, controller) {
        sum.loaded += chunk.byteLength;
        tell(STAGES[index].stage, sum.loaded, sum.unknown ? 0 : sum.total);
        controller.enqueue(chunk);
      },
    });
    // The content type stays, or WebAssembly would not compile while it streams.
    return new Response(response.body.pipeThrough(count), { status: response.status, headers: response.headers });
  };
}
