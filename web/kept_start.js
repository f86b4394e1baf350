// The engine's files as they stood after a first start, kept in this browser's IndexedDB: Python's own library and the packages, with
// the byte code of all that was imported. A later start unpacks and compiles nothing. Nothing of it is used unless it has the
// SHA-256 that the page (known_start.js) has noted before anybody's code ran here: whoever's code runs here later could change it.

import { request } from "./database.js";
import { sha256 } from "./sha256.js";

const [DATABASE, STORE, SLOT] = ["distml.start", "start", "start"];
const MOST_MS = 5000; // reading it must not take longer than doing without
const MOST_BUILT = 3; // of the same files: a browser that loses them again and again keeps none
const STDLIB = "/lib/python313.zip";
const LEFT_OUT = /\.(pyi|pxd|pyx|h|c|a)$/; // what nothing imports
const WITH_CODE = `
import importlib.util, io, marshal, pathlib, sys, zipfile, zipimport
def with_code(archive, target):
    """Writes the archive, and in it the code of each of its modules that was imported."""
    data = io.BytesIO(pathlib.Path(archive).read_bytes())
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    with zipfile.ZipFile(data, "a") as packed:
        for name, module in list(sys.modules.items()):
            loader = getattr(getattr(module, "__spec__", None), "loader", None)
            if isinstance(loader, zipimport.zipimporter) and loader.archive == archive:
                path = loader.get_filename(name).removeprefix(archive + "/") + "c"
                packed.writestr(path, head + marshal.dumps(loader.get_code(name)))
    pathlib.Path(target).write_bytes(data.getbuffer())
with_code("${STDLIB}", "/tmp/stdlib.zip")
`;

const CLASSES = "/lib/classes.marshal";
const WITH_CLASSES = `
import builtins, dataclasses, marshal, pathlib
classes = pathlib.Path("${CLASSES}")
known = marshal.loads(classes.read_bytes()) if classes.exists() else {}
kept = len(known)
def run(text, *spaces):
    """A dataclass writes its methods as text, which takes longer to compile than all else about it."""
    if text not in known:
        known[text] = compile(text, "<string>", "exec")
    builtins.exec(known[text], *spaces)
def written(keep):
    del dataclasses.exec
    if keep:
        classes.write_bytes(marshal.dumps(known))
    return len(known) - kept
dataclasses.exec = run
written
`;

/** @typedef {{stdlib: Uint8Array<ArrayBuffer>, files: Map<string, Uint8Array>}} Kept */

/** What a start was kept of. @param {import("./python_start.js").Lock} lock */
export function keyOf({ info, packages }) {
  return `2 ${info.version} ${packages.numpy.sha256} ${packages["distml-py"].sha256}`;
}

/**
 * The kept files, null when there are none, or none that the page knows.
 * @param {string} key @param {import("./known_start.js").KnownStart | null} known @returns {Promise<Kept | null>}
 */
export async function takeKept(key, known) {
  if (known === null || known.key !== key || !known.sha256) return null;
  const found = await request(DATABASE, STORE, "readonly", (store) => store.get(SLOT), MOST_MS);
  if (!(found instanceof ArrayBuffer)) return null;
  const bytes = new Uint8Array(found);
  return (await sha256(bytes)) === known.sha256 ? unpacked(bytes) : null;
}

/** Puts the packages where they were; Python's own library was served before. @param {any} pyodide @param {Kept} kept */
export function putBack(pyodide, { files }) {
  const { FS, loadedPackages } = pyodide;
  const folders = new Set([...files.keys()].map((path) => path.slice(0, path.lastIndexOf("/"))));
  for (const folder of folders) FS.mkdirTree(folder);
  for (const [path, bytes] of files) FS.writeFile(path, bytes, { canOwn: true });
  for (const name of ["numpy", "distml-py"]) loadedPackages[name] = "default channel";
}

/** From now on what is imported leaves its byte code, if a start may be kept. @param {any} pyodide @param {boolean} on */
export function leaveCode(pyodide, on) {
  pyodide.runPython(`import sys; sys.dont_write_bytecode = ${on ? "False" : "True"}`);
}

/** Until what is returned is called, dataclasses are made of the code that was kept; with true, of what was made is kept. @param {any} pyodide */
export function makeClasses(pyodide) {
  const written = pyodide.runPython(WITH_CLASSES, { globals: pyodide.toPy({}) });
  return (/** @type {boolean} */ keep) => {
    performance.mark("classes", { detail: written(keep) }); // how many had to be compiled
    written.destroy();
  };
}

/** Whether there is something to gain by keeping this start. @param {string} key @param {import("./known_start.js").KnownStart | null} known */
export function worthKeeping(key, known) {
  return known !== null && (known.key !== key || known.built < MOST_BUILT);
}

/** Keeps the files as they are now; its SHA-256. @param {any} pyodide @returns {Promise<string>} */
export async function keep(pyodide) {
  pyodide.runPython(WITH_CODE, { globals: pyodide.toPy({}) });
  const { FS } = pyodide;
  const site = pyodide.runPython("import site; site.getsitepackages()[0]");
  const files = [[STDLIB, FS.readFile("/tmp/stdlib.zip")], [CLASSES, FS.readFile(CLASSES)]];
  FS.unlink("/tmp/stdlib.zip");
  for (const path of below(FS, site)) files.push([path, path.endsWith(".pyc") ? unchecked(FS.readFile(path)) : FS.readFile(path)]);
  const bytes = packed(files);
  const hash = await sha256(bytes);
  void request(DATABASE, STORE, "readwrite", (store) => store.put(bytes.buffer, SLOT), MOST_MS);
  return hash;
}

/** @param {any} FS @param {string} folder @returns {Generator<string>} */
function* below(FS, folder) {
  for (const name of FS.readdir(folder)) {
    const path = `${folder}/${name}`;
    if (name === "." || name === "..") continue;
    if (FS.isDir(FS.stat(path).mode)) yield* below(FS, path);
    else if (!LEFT_OUT.test(name)) yield path;
  }
}

/** Byte code that stands for its source whatever the source's date (PEP 552). @param {Uint8Array} code */
function unchecked(code) {
  code.set([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 4);
  return code;
}

/** The length of a list of names and sizes, the list, the files. @param {any[][]} files @returns {Uint8Array<ArrayBuffer>} */
function packed(files) {
  const list = new TextEncoder().encode(JSON.stringify(files.map(([path, data]) => [path, data.length])));
  const bytes = new Uint8Array(files.reduce((sum, [, data]) => sum + data.length, 4 + list.length));
  new DataView(bytes.buffer).setUint32(0, list.length);
  bytes.set(list, 4);
  let at = 4 + list.length;
  for (const [, data] of files) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

/** @param {Uint8Array<ArrayBuffer>} bytes @returns {Kept} */
function unpacked(bytes) {
  let at = 4 + new DataView(bytes.buffer).getUint32(0);
  const files = new Map();
  for (const [path, size] of JSON.parse(new TextDecoder().decode(bytes.subarray(4, at)))) {
    files.set(path, bytes.subarray(at, at + size));
    at += size;
  }
  const stdlib = files.get(STDLIB);
  files.delete(STDLIB);
  return { stdlib, files };
}
