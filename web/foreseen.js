// The kernels that a visit began with, kept for the next one (webgl_bridge/rehearsal.js). People's Python can write where they lie: only
// their text is taken from there, and none is used that the library does not ask for.

import { recall, remember } from "./tuning.js";

const LOOK_EVERY_MS = 30; // whether the driver has compiled them

/** @param {string} device */
const name = (device) => `${device} kernels`;

/**
 * Begins the kernels of the last visit; they are drawn with once, as soon as the driver has compiled them or when what is returned is
 * called for the last time to look. Nobody waits for them. The record is taken out, and written anew after a first loss: one that this
 * GPU does not survive is met once.
 * @param {{bridge: any, device: string}} opened @param {string | undefined} key  of the library that asked for them
 * @returns {Promise<() => void>}
 */
export async function foresee({ bridge, device }, key) {
  if (bridge === undefined || key === undefined) return () => {};
  /** Whether there is nothing left to do. What goes wrong here is left to Python. @param {() => boolean} work */
  const done = (work) => {
    try {
      return work();
    } catch (error) {
      console.warn(error);
      return true;
    }
  };
  const record = (await recall(name(device))) || "{}";
  const found = done(() => {
    const { key: theirs, kernels } = JSON.parse(record);
    if (theirs === key) bridge.foresee(kernels);
    return theirs !== key;
  });
  if (found) return () => {};
  await remember(name(device), "");
  const look = () => {
    if (done(() => bridge.rehearse())) clearInterval(timer);
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return () => {
    look();
    clearInterval(timer);
  };
}

/**
 * From here on kernels count; what is returned keeps them. What the self-test drew with before is not asked for again.
 * @param {any} bridge @param {string} device @param {string} key
 */
export function beginning(bridge, device, key) {
  bridge.record();
  return () => {
    bridge.forget();
    void remember(name(device), JSON.stringify({ key, kernels: bridge.record() }));
  };
}
