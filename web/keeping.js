// Models and their curves kept in this browser's IndexedDB; plain http has it, too. The oldest go when there are too many.

const NAME = "distml.models";
const STORE = "models";
const MOST = 12;

/** @typedef {{id?: number, run?: string, name: string, code: string, seed: number, steps: number, step: number, when: number, accuracy: number | null, loss: number | null, weights: ArrayBuffer, points: import("./history.js").Point[]}} Kept */

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} work @returns {Promise<T>} */
async function within(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const asked = work(database.transaction(STORE, mode).objectStore(STORE));
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  } finally {
    database.close();
  }
}

/** The newest first. @returns {Promise<Kept[]>} */
export async function keptModels() {
  return (await within("readonly", (store) => store.getAll())).reverse();
}

/** @param {Kept} model */
export async function keepModel(model) {
  await within("readwrite", (store) => store.add(model));
  for (const old of (await keptModels()).slice(MOST)) await forgetModel(/** @type {number} */ (old.id));
}

/** @param {number} id */
export function forgetModel(id) {
  return within("readwrite", (store) => store.delete(id));
}
