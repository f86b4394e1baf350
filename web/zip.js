// Reading zip files: their list of contents, and the members that are asked for. Stored and deflated ones; no more.

import { t } from "./strings.js";

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const MOST_BYTES = 50 << 20; // of a member when unpacked

/** @param {ArrayBuffer} buffer @param {(name: string) => boolean} wanted @returns {Promise<{name: string, data: ArrayBuffer}[]>} */
export async function unzip(buffer, wanted) {
  try {
    return await contents(buffer, wanted);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error; // it has words already
    throw new Error(t("The file is no zip archive, or a damaged one: pack it again."));
  }
}

/** @param {ArrayBuffer} buffer @param {(name: string) => boolean} wanted @returns {Promise<{name: string, data: ArrayBuffer}[]>} */
async function contents(buffer, wanted) {
  const view = new DataView(buffer);
  let end = buffer.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw new Error(t("The file is no zip archive, or a damaged one: pack it again."));
  const found = [];
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (at + 46 > buffer.byteLength || view.getUint32(at, true) !== ENTRY) throw new Error(t("The zip archive's list of contents is damaged: pack it again."));
    const [method, packed, size] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
    const [nameBytes, extra, comment, place] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true), view.getUint32(at + 42, true)];
    const name = new TextDecoder().decode(new Uint8Array(buffer, at + 46, nameBytes)).replaceAll("\\", "/"); // as some Windows programs write them
    if (!name.endsWith("/") && wanted(name)) found.push({ name, data: await member(buffer, view, { method, packed, size, place }) });
    at += 46 + nameBytes + extra + comment;
  }
  return found;
}

/** @param {ArrayBuffer} buffer @param {DataView} view @param {{method: number, packed: number, size: number, place: number}} entry */
async function member(buffer, view, { method, packed, size, place }) {
  if (size > MOST_BYTES) throw new Error(t("A picture in the zip archive has more than 50 MB: take smaller ones."));
  const from = place + 30 + view.getUint16(place + 26, true) + view.getUint16(place + 28, true);
  const bytes = buffer.slice(from, from + packed);
  if (method === 0) return bytes;
  if (method !== 8) throw new Error(t("The zip archive is packed in a way that browsers cannot read: use plain zip."));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const parts = [];
  let total = 0;
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    total += value.byteLength;
    if (total > size) throw new Error(t("The zip archive is damaged: a member is larger than it says."));
    parts.push(value);
  }
  return new Blob(parts).arrayBuffer();
}
