// The kernels that a visit began with, kept for the next one (webgl_bridge/rehearsal.js). People's Python can write where they lie: only
// their text is taken from there, and none is used that the library does not ask for.

import { recall, remember } from "./tuning.js";

/** @param {string} device */
const name = (device) => `${device} kernels`;

/**
 * Begins the kernels of the last visit; what is returned draws with them once. What goes wrong here is left to Python. The record is
 * taken out, and written anew after a first loss: one that this GPU does not survive is met once.
 * @param {{bridge: any, device: string}} opened @param {string | undefined} key  of the library that asked for them
 * @returns {Promise<() => void>}
 */
export async function foresee({ bridge, device }, key) {
  const idle = () => {};
  if (bridge === undefined || key === undefined) return idle;
  try {
    const found = JSON.parse((await recall(name(device))) || "{}");
    if (found.key !== key) return idle;
    await remember(name(device), "");
    bridge.foresee(found.kernels);
  } catch (error) {
    console.warn(error);
    return idle;
  }
  return () => {
    try {
      bridge.rehearse();
    } catch (error) {
      console.warn(error);
    }
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
