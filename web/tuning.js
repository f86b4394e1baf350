// What the autotuner found on this device, kept in IndexedDB: a worker has no localStorage, and a page on a LAN address no caches.

import { request } from "./database.js";

const DATABASE = "distml_py";
const STORE = "tuning";
const MOST_MS = 2000; // a database that does not answer holds up nobody

/**
 * The record of a device, "" when there is none. It is text that Python checks: damaged, foreign and outdated ones are ignored there.
 * @param {string} device @returns {Promise<string>}
 */
export async function recall(device) {
  const found = await request(DATABASE, STORE, "readonly", (store) => store.get(device), MOST_MS);
  return typeof found === "string" ? found : "";
}

/** @param {string} device @param {string} text */
export async function remember(device, text) {
  await request(DATABASE, STORE, "readwrite", (store) => store.put(text, device), MOST_MS);
}
