// One request to a store of IndexedDB, which workers have, and pages on plain http. It knows nothing of what is kept there.

/**
 * undefined when there is no database, when it fails, or when it does not answer in time: nobody is held up by it.
 * @param {string} name @param {string} store @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} ask @param {number} most_ms @returns {Promise<any>}
 */
export function request(name, store, mode, ask, most_ms) {
  const answer = new Promise((resolve) => {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(store);
    opening.onerror = () => resolve(undefined);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction(store, mode);
      const asked = ask(transaction.objectStore(store));
      const done = (/** @type {any} */ found) => {
        opening.result.close();
        resolve(found);
      };
      transaction.oncomplete = () => done(asked.result);
      transaction.onabort = () => done(undefined);
    };
  });
  const late = new Promise((resolve) => setTimeout(resolve, most_ms));
  return Promise.race([answer, late]).catch(() => undefined);
}
