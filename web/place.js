// Where the page lies, and whether a coordinator served it or a plain web server did. Nothing is asked for here.

/** The folder above web/: a coordinator's root, or any folder of a static host. */
const ROOT = new URL("..", import.meta.url);

/** The full address of one of the page's own files. @param {string} path  without a leading slash */
export function at(path) {
  return new URL(path, ROOT).href;
}

/** Where Pyodide, NumPy and the library lie: a coordinator names a folder of this version, which a browser may keep for good. */
export const ASSETS = at(document.querySelector('meta[name="distml-assets"]')?.getAttribute("content") ?? "assets/");

/** `distml export-site` writes this mark into the page: there is no coordinator, the tab trains alone. */
export const isStatic = document.querySelector('meta[name="distml-static"]') !== null;
