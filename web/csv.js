// Tables as text: CSV with quotes, the separator guessed, and what its columns hold. No DOM.

import { t } from "./strings.js";

/** @typedef {{columns: string[], classes: [string, number][] | null, dropped: number}} About  columns: those of numbers, without the target */

export class Table {
  /** @param {string[]} names @param {string[][]} rows */
  constructor(names, rows) {
    this.names = names;
    this.rows = rows;
  }

  /** @param {string} name @returns {string[]} */
  column(name) {
    const at = this.names.indexOf(name);
    return this.rows.map((row) => row[at]);
  }

  /** What can be learned about a column from the others. @param {string} target @returns {About} */
  about(target) {
    const columns = this.names.filter((name) => name !== target && this.column(name).filter(isNumber).length > this.rows.length * 0.9);
    const values = this.column(target);
    const kinds = new Map();
    for (const value of values) kinds.set(value, (kinds.get(value) ?? 0) + 1);
    const few = kinds.size <= 20 && [...kinds.keys()].every((value) => !isNumber(value) || Number.isInteger(Number(value)));
    const words = values.some((value) => !isNumber(value));
    const dropped = this.rows.length - this.whole(columns, target).length;
    return { columns, classes: words || few ? [...kinds].sort(([a], [b]) => order(a, b)) : null, dropped };
  }

  /** The rows that have a number in each of the columns. @param {string[]} columns @param {string} target */
  whole(columns, target) {
    const places = columns.map((name) => this.names.indexOf(name));
    const aim = this.names.indexOf(target);
    return this.rows.filter((row) => places.every((at) => isNumber(row[at])) && row[aim] !== "");
  }

  /** The table again, without rows that lack a number. @param {About} about */
  clean({ columns }) {
    const places = columns.map((name) => this.names.indexOf(name));
    const rows = this.rows.filter((row) => places.every((at) => isNumber(row[at])));
    return [this.names, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  }
}

/** Reads CSV. Throws an Error in words when it is none. @param {string} text */
export function readCsv(text) {
  const separator = [",", ";", "\t"].map((one) => ({ one, count: text.split("\n", 1)[0].split(one).length })).sort((a, b) => b.count - a.count)[0].one;
  const rows = records(text.replace(/^\uFEFF/, ""), separator).filter((row) => row.length > 1 || row[0] !== "");
  const [names, ...rest] = rows;
  if (!names || names.length < 2) throw new Error(t("The file has one column or none: a table has a first row of names, and at least two columns, separated by commas."));
  if (rest.length < 20) throw new Error(t("The table has {n} rows below its names; at least 20 are needed to learn and to check.", { n: rest.length }));
  const odd = rest.findIndex((row) => row.length !== names.length);
  if (odd >= 0) throw new Error(t("Row {row} has {n} values, the first row names {columns} columns. Mend that row and try again.", { row: odd + 2, n: rest[odd].length, columns: names.length }));
  return new Table(names.map((name) => name.trim()), rest.map((row) => row.map((value) => value.trim())));
}

/** @param {string} text @param {string} separator @returns {string[][]} */
function records(text, separator) {
  const rows = [];
  /** @type {string[]} */
  let row = [];
  let value = "";
  let inside = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (inside) {
      if (sign !== '"') value += sign;
      else if (text[at + 1] === '"') value += text[++at];
      else inside = false;
    } else if (sign === '"' && value === "") inside = true;
    else if (sign === separator) {
      row.push(value);
      value = "";
    } else if (sign === "\n") {
      row.push(value.replace(/\r$/, ""));
      rows.push(row);
      row = [];
      value = "";
    } else value += sign;
  }
  if (value !== "" || row.length) rows.push([...row, value]);
  return rows;
}

/** @param {string} text */
function isNumber(text) {
  return text !== "" && Number.isFinite(Number(text));
}

/** As CSVDataset orders classes: numbers first, by their value. @param {string} a @param {string} b */
function order(a, b) {
  const [first, second] = [isNumber(a), isNumber(b)];
  if (first && second) return Number(a) - Number(b);
  return first !== second ? (first ? -1 : 1) : a < b ? -1 : 1;
}

/** @param {string} value */
function quoted(value) {
  return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
