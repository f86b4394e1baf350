// The wizard for people's own data: what was chosen is read here, shown, counted, and handed to this tab's Python. Nothing is sent.

import { CameraSamples, cameraRefusal } from "./camera.js";
import { isNumber, readCsv } from "./csv.js";
import { element, say } from "./elements.js";
import { picturesRecipe, tableRecipe, textRecipe } from "./own_recipes.js";
import { canvasOf, make } from "./pictures.js";
import { isBusy } from "./status.js";
import { t } from "./strings.js";
import { textOf } from "./text_file.js";
import { unzip } from "./zip.js";
import * as words from "./words.js";

export const LIMITS = { csv: 20 << 20, text: 4 << 20, picture: 20 << 20, pictures: 3000, zip: 200 << 20, classes: 100 };
const SIDES = [16, 24, 32, 48];
const PICTURE = /(^|\/)(?!\._)[^/]*\.(png|jpe?g|webp|gif|bmp)$/i; // "._": what macOS leaves beside each file
const SHOWN_CLASSES = 12;

/** @typedef {{class: string, name: string, blob: Blob}} Shot  a picture and the class it belongs to */

/** @param {import("./panels.js").Ship} ship */
export function openOwnData(ship) {
  const wizard = new Wizard(ship);
  for (const [id, take] of /** @type {[string, (files: File[]) => unknown][]} */ ([
    ["data-csv", ([file]) => wizard.table(file)],
    ["data-folder", (files) => wizard.folder(files)],
    ["data-zip", ([file]) => wizard.zip(file)],
    ["data-text", ([file]) => wizard.text(file)],
  ])) {
    const input = /** @type {HTMLInputElement} */ (element(id));
    input.addEventListener("change", async () => {
      const files = [...(input.files ?? [])];
      input.value = "";
      if (files.length) await wizard.begin(() => take(files));
    });
  }
  const camera = /** @type {HTMLButtonElement} */ (element("data-webcam"));
  const refusal = cameraRefusal();
  camera.disabled = refusal !== "";
  if (refusal) camera.insertAdjacentElement("afterend", make("p", t(refusal), "quiet"));
  camera.addEventListener("click", () => wizard.begin(() => wizard.webcam()));
}

class Wizard {
  /** @param {import("./panels.js").Ship} ship */
  constructor(ship) {
    this.ship = ship;
    this.box = element("wizard");
    /** @type {CameraSamples | null} */
    this.camera = null;
  }

  /** Something else was chosen. @param {() => unknown} work */
  begin(work) {
    this.close();
    return this.trying(work);
  }

  /** What goes wrong is said, with what to do about it; what is chosen so far stays. @param {() => unknown} work */
  async trying(work) {
    say("own-data-note", "");
    try {
      await work();
    } catch (error) {
      say("own-data-note", error instanceof Error ? error.message : String(error));
    }
  }

  close() {
    this.camera?.stop();
    this.camera = null;
    this.box.replaceChildren();
    this.box.hidden = true;
  }

  /** @param {string} title @param {Node[]} parts @param {string} go @param {() => Promise<void>} use */
  show(title, parts, go, use) {
    const button = make("button", go, "primary");
    const cancel = make("button", t("Cancel"), "plain");
    const buttons = make("p", "", "buttons");
    for (const one of [button, cancel]) one.type = "button";
    buttons.append(button, cancel);
    cancel.addEventListener("click", () => this.close());
    button.addEventListener("click", async () => {
      if (isBusy(this.ship.known)) return say("own-data-note", t("A run is in progress. Stop it, then press “{button}” again.", { button: go }));
      button.disabled = true;
      await this.trying(use);
      button.disabled = false;
    });
    this.box.replaceChildren(make("h3", title), ...parts, buttons);
    this.box.hidden = false;
    return button;
  }

  /** Hands files to this tab's Python. @param {{path: string, data: ArrayBuffer}[]} files */
  async put(files) {
    if (!this.ship.engine.isReady) say("own-data-note", t("The engine is still loading: this goes on when it is ready."));
    await this.ship.engine.whenReady;
    for (const { path, data } of files) await this.ship.engine.ask("put", path, data);
  }

  /** @param {string} name @param {string} code */
  done(name, code) {
    this.ship.recipes.put({ name, code });
    this.close();
    say("own-data-note", t("The data lies in this tab now, and the code above reads it. Press Train. Names of columns and classes are part of the code; the data itself is sent to nobody."));
  }

  /** @param {File} file */
  async table(file) {
    atMost(file, LIMITS.csv);
    const table = readCsv(await textOf(file));
    const target = make("select");
    target.id = "wizard-target";
    for (const name of table.names) target.add(new Option(name, name));
    target.value = table.names[table.names.length - 1];
    const label = make("label", t("What is to be told from the rest"));
    label.htmlFor = target.id;
    const field = make("p", "", "field");
    field.append(label, target);
    const counts = make("p", "", "quiet");
    const complaint = make("p", "", "warning");
    complaint.setAttribute("role", "status");
    const use = this.show(t("A table: {name}", { name: file.name }), [preview(table), field, counts, complaint], t("Use this table"), async () => {
      const about = table.about(target.value);
      await this.put([{ path: "/data/table.csv", data: new TextEncoder().encode(table.clean(target.value)).buffer }]);
      this.done("own_table", tableRecipe(file.name, target.value, about, about.rows));
    });
    const tell = () => {
      counts.textContent = countsIn(table, target.value);
      complaint.textContent = table.complaint(target.value);
      use.disabled = complaint.textContent !== "";
    };
    target.addEventListener("change", tell);
    tell();
  }

  /** @param {File[]} files */
  async folder(files) {
    const found = files.filter((file) => PICTURE.test(file.name));
    for (const file of found) atMost(file, LIMITS.picture);
    await this.pictures(found.map((file) => ({ class: folderOf(file.webkitRelativePath), name: file.name, blob: file })));
  }

  /** @param {File} file */
  async zip(file) {
    atMost(file, LIMITS.zip);
    const entries = (await unzip(await file.arrayBuffer(), (name) => PICTURE.test(name) && !name.startsWith("__MACOSX"))).slice(0, LIMITS.pictures + 1);
    await this.pictures(entries.map(({ name, data }) => ({ class: folderOf(name), name, blob: new Blob([data]) })));
  }

  /** @param {Shot[]} shots */
  async pictures(shots) {
    const counts = countsOf(shots);
    if (!shots.length) throw new Error(t("No picture was found: PNG, JPEG, WebP, GIF and BMP can be read. Save yours as one of these."));
    if (shots.length < 10) throw new Error(t("{n} pictures are too few to learn and to check: take at least 10.", { n: shots.length }));
    if (counts.size < 2) throw new Error(t("Found {n} pictures in {classes} folders. Put the pictures of each class into a folder of its own, at least two.", { n: shots.length, classes: counts.size }));
    if (shots.length > LIMITS.pictures || counts.size > LIMITS.classes) throw new Error(t("{n} pictures of {classes} classes are more than a tab takes: at most {most} pictures of {classesMost} classes.", { n: shots.length, classes: counts.size, most: LIMITS.pictures, classesMost: LIMITS.classes }));
    const side = make("select");
    side.id = "wizard-side";
    for (const one of SIDES) side.add(new Option(`${one} x ${one}`, String(one)));
    side.value = "24";
    const label = make("label", t("Shrink the pictures to"));
    label.htmlFor = side.id;
    const field = make("p", "", "field");
    field.append(label, side);
    const list = make("ul", "", "samples");
    for (const [name] of counts) {
      const shot = /** @type {Shot} */ (shots.find((one) => one.class === name));
      const item = make("li");
      item.append(canvasOf(await shrunk(shot, 48), name), make("span", `${name} (${counts.get(name)})`));
      list.append(item);
    }
    this.show(t("{n} pictures in {classes} classes", { n: words.count(shots.length), classes: counts.size }), [list, field], t("Use these pictures"), async () => {
      const pixels = Number(side.value);
      await this.put([await packed(shots, [...counts.keys()], pixels)]);
      this.done("own_pictures", picturesRecipe([...counts.keys()], pixels, shots.length));
    });
  }

  /** @param {File} file */
  async text(file) {
    atMost(file, LIMITS.text);
    const text = await textOf(file);
    if (text.length < 2000) throw new Error(t("{name} has {n} characters; a language model needs at least 2,000.", { name: file.name, n: text.length }));
    const shown = make("pre", text.slice(0, 400));
    shown.tabIndex = 0;
    shown.setAttribute("aria-label", t("Beginning of the text"));
    const facts = make("p", t("{n} characters, {kinds} different ones.", { n: words.count(text.length), kinds: new Set(text).size }), "quiet");
    this.show(t("A text: {name}", { name: file.name }), [shown, facts], t("Use this text"), async () => {
      await this.put([{ path: "/data/text.txt", data: new TextEncoder().encode(text).buffer }]);
      this.done("own_text", textRecipe(file.name));
    });
  }

  async webcam() {
    const camera = (this.camera = await CameraSamples.open());
    this.show(t("Webcam samples"), [camera.node], t("Use these pictures"), async () => {
      const { shots } = camera;
      await this.pictures(shots);
      camera.stop();
    });
  }
}

/** @param {File} file @param {number} most */
function atMost(file, most) {
  if (file.size > most) throw new Error(t("{name} has {mb} MB; at most {most} MB. Take a part of it.", { name: file.name, mb: words.megabytes(file.size), most: most >> 20 }));
}

/** What the table says of the column, in sentences. @param {import("./csv.js").Table} table @param {string} target */
function countsIn(table, target) {
  const { columns, others, classes, dropped } = table.about(target);
  const values = { rows: words.count(table.rows.length), columns: columns.length, name: target, classes: (classes ?? []).slice(0, SHOWN_CLASSES).map(([name, count]) => `${name} (${count})`).join(", ") };
  const told = [classes ? t("{rows} rows, {columns} columns of numbers. Classes: {classes}", values) : t("{rows} rows, {columns} columns of numbers. {name} is a number: the model learns a curve.", values)];
  if (classes && classes.length > SHOWN_CLASSES) told[0] += t(" and {n} more", { n: words.count(classes.length - SHOWN_CLASSES) });
  if (dropped) told.push(t("Rows that lack a value and are left out: {n}.", { n: words.count(dropped) }));
  if (others.length) told.push(t("Columns that are not numbers and are left out: {names}.", { names: others.join(", ") }));
  if (table.names.some(isNumber)) told.push(t("The first row was taken for names. If it holds values, write a row of names above it."));
  return told.join("\n");
}

/** @param {import("./csv.js").Table} table */
function preview(table) {
  const scroll = make("div", "", "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", t("First rows"));
  const node = make("table");
  const head = node.createTHead().insertRow();
  for (const name of table.names) {
    const cell = make("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  const body = node.createTBody();
  for (const row of table.rows.slice(0, 5)) {
    const line = body.insertRow();
    for (const value of row) line.insertCell().textContent = value.slice(0, 40);
  }
  scroll.append(node);
  return scroll;
}

/** @param {string} path */
function folderOf(path) {
  return path.split("/").at(-2) ?? "";
}

/** @param {Shot[]} shots @returns {Map<string, number>} by class, in the order of their names */
function countsOf(shots) {
  const counts = new Map();
  for (const name of shots.map((shot) => shot.class).sort()) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** @param {Shot} shot @param {number} side @returns {Promise<import("./pictures.js").Picture>} */
async function shrunk({ blob, name }, side) {
  const bitmap = await createImageBitmap(blob).catch(() => {
    throw new Error(t("This browser cannot read {name} as a picture: save it as PNG or JPEG, or take it out.", { name }));
  });
  const canvas = new OffscreenCanvas(side, side);
  const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const cut = Math.min(bitmap.width, bitmap.height);
  pen.drawImage(bitmap, (bitmap.width - cut) / 2, (bitmap.height - cut) / 2, cut, cut, 0, 0, side, side);
  bitmap.close();
  const rgba = pen.getImageData(0, 0, side, side).data;
  const bytes = new Array(side * side * 3);
  for (let at = 0; at < side * side; at++) for (let channel = 0; channel < 3; channel++) bytes[3 * at + channel] = rgba[4 * at + channel];
  return { width: side, height: side, channels: 3, bytes };
}

/** All pictures in one file: labels first, one byte each, then their bytes in rows of red, green and blue. @param {Shot[]} shots @param {string[]} classes @param {number} side */
async function packed(shots, classes, side) {
  const size = side * side * 3;
  const data = new Uint8Array(shots.length * (size + 1));
  for (const [at, shot] of shots.entries()) {
    data[at] = classes.indexOf(shot.class);
    data.set((await shrunk(shot, side)).bytes, shots.length + at * size);
  }
  return { path: "/data/pictures.bin", data: data.buffer };
}
