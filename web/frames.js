// Reading a frame's type without touching its tensors, and the two lists of what may pass. No sockets, no DOM.

const MAGIC = 0x314c4d44; // "DML1", little-endian
const PREFIX_BYTES = 12;
const MAX_HEADER_BYTES = 1 << 20;

/** What the engine worker, which runs other people's Python, may send to the coordinator. */
export const FROM_ENGINE = new Set(["join", "gradient", "evaluation", "progress", "checkpoint", "problem", "resync"]);

/** What the engine worker is told. The rest (welcome, status) is for the page alone. */
export const FOR_ENGINE = new Set(["run", "weights", "delta", "lease", "evaluate", "solo", "yield", "rejected", "ended"]);

/**
 * The JSON header of a frame, or null when it is not a frame at all.
 * @param {string | ArrayBuffer} data
 * @returns {{type: string, [field: string]: any} | null}
 */
export function readHeader(data) {
  try {
    const header = JSON.parse(typeof data === "string" ? data : headerText(data));
    return header !== null && typeof header === "object" && typeof header.type === "string" ? header : null;
  } catch {
    return null;
  }
}

/** @param {ArrayBuffer} data */
function headerText(data) {
  const view = new DataView(data);
  const bytes = view.getUint32(4, true);
  if (view.getUint32(0, true) !== MAGIC || bytes > Math.min(MAX_HEADER_BYTES, data.byteLength - PREFIX_BYTES)) {
    throw new RangeError("not a frame");
  }
  return new TextDecoder().decode(new Uint8Array(data, PREFIX_BYTES, bytes));
}
