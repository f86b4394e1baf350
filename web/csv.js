// Tables as text: CSV with quotes, the separator guessed, and what its columns hold. No DOM.

import { t } from "./strings.js";

const LEAST_ROWS = 20;
const MOST_CLASSES = 100;
const MISSING = /^(|na|n\/a|nan|null|\?)$/i; // what spreadsheets and other tools write where there is no value
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i; // what both JavaScript and Python read as one

/**
 * @typedef {object} About  what a table says of one of its columns, the target
 * @property {string[]} columns  those of numbers, without the target
 * @property {string[]} others  those that are not
 * @property {[string, number][] | null} classes  with their rows; null: the target is a number
 * @property {number} rows  that have all these values
 * @property {number} dropped  rows that lack one
 */

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
    const numeric = this.names.filter((name) => this.column(name).filter(isNumber).length > this.rows.length * 0.9);
    const columns = numeric.filter((name) => name !== target);
    const others = this.names.filter((name) => name !== target && !numeric.includes(name));
    const rows = this.whole(columns, target);
    const at = this.names.indexOf(target);
    const kinds = new Map();
    for (const row of rows) kinds.set(row[at], (kinds.get(row[at]) ?? 0) + 1);
    const few = kinds.size <= 20 && kinds.size * 2 <= rows.length && [...kinds.keys()].every((value) => !isNumber(value) || Number.isInteger(Number(value)));
    const words = [...kinds.keys()].some((value) => !isNumber(value));
    const classes = words || few ? [...kinds].sort(([a], [b]) => order(a, b)) : null;
    return { columns, others, classes, rows: rows.length, dropped: this.rows.length - rows.length };
  }

  /** The rows that have a number in each of the columns, and a target. @param {string[]} columns @param {string} target */
  whole(columns, target) {
    const places = columns.map((name) => this.names.indexOf(name));
    const aim = this.names.indexOf(target);
    return this.rows.filter((row) => places.every((at) => isNumber(row[at])) && !MISSING.test(row[aim]));
  }

  /** The table again, without rows that lack a value. @param {string} target */
  clean(target) {
    return [this.names, ...this.whole(this.about(target).columns, target)].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  }

  /** Why nothing can be learned about a column, and what to do; "" when something can. @param {string} target */
  complaint(target) {
    const { columns, classes, rows } = this.about(target);
    const name = target;
    if (!columns.length) return t("No column but {name} holds numbers alone: there is nothing to learn from. Numbers have a point before their fraction, and no unit.", { name });
    if (rows < LEAST_ROWS) return t("Only {n} rows have a value in all of these columns; at least 20 are needed. Fill the gaps, or take out a column that is mostly empty.", { n: rows });
    if (classes?.length === 1) return t("{name} is the same in all rows: there is nothing to tell apart. Choose another column.", { name });
    if (classes && (classes.length > MOST_CLASSES || classes.length * 2 > rows)) return t("{name} holds {n} different words in {rows} rows, too many to be classes. Choose another column.", { name, n: classes.length, rows });
    return "";
  }
}

/** Reads CSV. Throws an Error in words when it is none. @param {string} text */
export function readCsv(text) {
  const lines = text.replace(/^\uFEFF/, "").replaceAll(/\r\n?/g, "\n");
  const first = lines.split("\n", 1)[0].replaceAll(/"[^"]*"/g, "");
  const separator = [",", ";", "\t"].map((one) => ({ one, count: first.split(one).length })).sort((a, b) => b.count - a.count)[0].one;
  const [head, ...rest] = records(lines, separator).filter((row) => row.length > 1 || row[0] !== "");
  if (!head || head.length < 2) throw new Error(t("The file has one column or none: a table has a first row of names, and at least two columns, separated by commas."));
  const names = head.map((name) => name.trim());
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) throw new Error(t("Two columns have the name “{name}”. Give each its own, and try again.", { name: twice }));
  if (rest.length < LEAST_ROWS) throw new Error(t("The table has {n} rows below its names; at least 20 are needed to learn and to check.", { n: rest.length }));
  const odd = rest.findIndex((row) => row.length !== names.length);
  if (odd >= 0) throw new Error(t("Row {row} has {n} values, the first row names {columns} columns. Mend that row and try again.", { row: odd + 2, n: rest[odd].length, columns: names.length }));
  const value = (/** @type {string} */ cell) => (separator === ";" && /^[+-]?\d+,\d+$/.test(cell) ? cell.replace(",", ".") : cell); // decimal commas
  return new Table(names, rest.map((row) => row.map((cell) => value(cell.trim()))));
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
      row.push(value);
      rows.push(row);
      row = [];
      value = "";
    } else value += sign;
  }
  if (inside) throw new Error(t("A quotation mark in row {row} is not closed. Mend that row and try again.", { row: rows.length + 1 }));
  if (value !== "" || row.length) rows.push([...row, value]);
  return rows;
}

/** @param {string} text */
export function isNumber(text) {
  return NUMBER.test(text) && Number.isFinite(Number(text));
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
