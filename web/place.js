// Where the page lies, and whether a coordinator served it or a plain web server did. Nothing is asked for here.

/** The folder above web/: a coordinator's address for this version of its files, or any folder of a static host. */
const FILES = new URL("..", import.meta.url);
/** Where everything else lies: the coordinator's root, or the same folder. */
const ROOT = new URL(FILES.href.replace(/v\/[0-9a-f]{12}\/$/, ""));

/** The full address of what the coordinator answers. @param {string} path  without a leading slash */
export function at(path) {
  return new URL(path, ROOT).href;
}

/** The full address of one of the page's own files. @param {string} path  beginning with web/ or bridge/ */
export function fileAt(path) {
  return new URL(path, FILES).href;
}

/** Where Pyodide, NumPy and the library lie: a coordinator names a folder of this version, which a browser may keep for good. */
export const ASSETS = at(document.querySelector('meta[name="distml-assets"]')?.getAttribute("content") ?? "assets/");

/** `distml export-site` writes this mark into the page: there is no coordinator, the tab trains alone. */
export const isStatic = document.querySelector('meta[name="distml-static"]') !== null;
