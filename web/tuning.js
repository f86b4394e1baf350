// What the autotuner found on this device, kept in IndexedDB: a worker has no localStorage, and a page on a LAN address no caches.

const DATABASE = "distml_py";
const STORE = "tuning";
const MOST_MS = 1000; // a database that does not answer holds up nobody

/**
 * Runs one request; undefined when there is no database, or it fails: the library has a sensible choice of its own.
 * @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest} ask @returns {Promise<any>}
 */
function request(mode, ask) {
  const answer = new Promise((resolve) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => resolve(undefined);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction(STORE, mode);
      const asked = ask(transaction.objectStore(STORE));
      const done = (/** @type {any} */ found) => {
        opening.result.close();
        resolve(found);
      };
      transaction.oncomplete = () => done(asked.result);
      transaction.onabort = () => done(undefined);
    };
  });
  const late = new Promise((resolve) => setTimeout(resolve, MOST_MS));
  return Promise.race([answer, late]).catch(() => undefined);
}

/**
 * The record of a device, "" when there is none. It is text that Python checks: damaged, foreign and outdated ones are ignored there.
 * @param {string} device @returns {Promise<string>}
 */
export async function recall(device) {
  const found = await request("readonly", (store) => store.get(device));
  return typeof found === "string" ? found : "";
}

/** @param {string} device @param {string} text */
export async function remember(device, text) {
  await request("readwrite", (store) => store.put(text, device));
}
