// Which code a person has agreed to run: by the click that follows its display, or by the hash in the link they were given.

const PIN_CHARACTERS = 32; // of the code's SHA-256: 128 bits

/** The beginning of a hash after `&c=` in the address; "" on a link that names no code. */
export function pinFromAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("c") ?? "";
}

/** A join link that names this code. @param {string} link @param {string} code_sha256 */
export function naming(link, code_sha256) {
  return link === "" ? "" : `${link.split("&c=")[0]}&c=${code_sha256.slice(0, PIN_CHARACTERS)}`;
}

/** Whether this is the code that the link was made for; a link that names none fits all. @param {string} pin @param {string} code_sha256 */
export function fits(pin, code_sha256) {
  return pin === "" || (pin.length === PIN_CHARACTERS && code_sha256.startsWith(pin));
}
