// The text of a file that somebody chose: UTF-8, or UTF-16 where its first bytes say so. Other encodings are refused, not guessed.

import { t } from "./strings.js";

/** @param {File} file */
export async function textOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const mark = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  try {
    return new TextDecoder(mark, { fatal: true }).decode(bytes);
  } catch {
    throw new Error(t("{name} is no text in UTF-8. Save it again in that encoding; spreadsheets call it “CSV UTF-8”.", { name: file.name }));
  }
}
