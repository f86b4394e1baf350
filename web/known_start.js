// Which kept start of the engine is good (kept_start.js): the page says so, in localStorage. People's Python runs in a worker,
// which can write to the database where the start lies, and cannot reach this.

const KEY = "distml.start";

/** @typedef {{key: string, sha256: string, built: number}} KnownStart  built: how often one was made for this key */

/** @returns {KnownStart | null} null: this browser keeps nothing */
export function knownStart() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { key: String(found.key ?? ""), sha256: String(found.sha256 ?? ""), built: Number(found.built) || 0 };
  } catch {
    return null;
  }
}

/** @param {{key: string, sha256: string}} made */
export function noteStart({ key, sha256 }) {
  const before = knownStart();
  const built = before?.key === key ? before.built + 1 : 1;
  try {
    localStorage.setItem(KEY, JSON.stringify({ key: String(key), sha256: String(sha256), built }));
  } catch {
    // storage is full or switched off: the next start takes as long as this one
  }
}
