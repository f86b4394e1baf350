// The engine worker's bridge to the GPU: opened beside the downloads, and asked for again while the browser has taken it away.

const LOST_EVERY_MS = 100; // how often a lost GPU is asked for
const MOST_ASKED = 100;

/**
 * The bridge, or the reason why this browser has none.
 * @param {string} url @param {(state: "lost" | "back") => void} changed
 */
export async function openBridge(url, changed) {
  try {
    const { createBridge } = await import(url);
    const bridge = createBridge(new OffscreenCanvas(1, 1), (/** @type {"lost" | "back"} */ state) => {
      changed(state);
      if (state === "lost") setTimeout(revive, LOST_EVERY_MS, bridge, MOST_ASKED);
    });
    return { bridge, why: "", device: JSON.parse(bridge.limits()).renderer };
  } catch (error) {
    // undefined and not null: only undefined is None in Python
    return { bridge: undefined, why: error instanceof Error ? error.message : String(error), device: "" };
  }
}

/** Asks for a new GPU also when there is nothing to compute. @param {{limits: () => string}} bridge @param {number} tries */
function revive(bridge, tries) {
  try {
    bridge.limits();
  } catch {
    if (tries > 0) setTimeout(revive, LOST_EVERY_MS, bridge, tries - 1);
  }
}
