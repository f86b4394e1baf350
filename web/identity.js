// Who this tab is: the token from the link, a random session, a friendly name. Nothing here is sent anywhere.

const ADJECTIVES = "amber brave calm clever cosy curious eager fair gentle happy jolly kind lively lucky mellow nimble quiet quick sunny swift warm witty".split(" ");
const ANIMALS = "badger beaver bison crane dolphin falcon ferret finch fox gecko heron ibex koala lemur lynx marten newt otter owl panda puffin raven robin seal sparrow stoat swan tapir wombat wren".split(" ");

/** The token in a link. @param {string} link */
export function tokenOf(link) {
  return new URLSearchParams(link.split("#")[1] ?? "").get("t") ?? "";
}

/** The token after `#t=` in the address, or "" on a plain one. */
export function tokenFromAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("t") ?? "";
}

/**
 * The session and name of this tab, kept across reloads.
 * They leave the storage while the tab is open, so that a duplicated tab, which copies the storage, gets its own.
 * @returns {{session: string, name: string}}
 */
export function identity() {
  const session = taken("distml.session") ?? randomHex(16);
  const name = taken("distml.name") ?? `${pick(ADJECTIVES)} ${pick(ANIMALS)}`;
  addEventListener("pagehide", () => {
    keep("distml.session", session);
    keep("distml.name", name);
  });
  return { session, name };
}

/** @param {string} key */
function taken(key) {
  try {
    const value = sessionStorage.getItem(key);
    sessionStorage.removeItem(key);
    return value;
  } catch {
    return null; // storage is switched off: a new name after each reload
  }
}

/** @param {string} key @param {string} value */
function keep(key, value) {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // storage is switched off: a new name after each reload
  }
}

/** @param {number} bytes */
function randomHex(bytes) {
  // getRandomValues exists on plain http too; randomUUID does not.
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** @param {string[]} words */
function pick(words) {
  return words[crypto.getRandomValues(new Uint32Array(1))[0] % words.length];
}
