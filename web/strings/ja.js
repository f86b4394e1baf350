/** @type {Record<string, string>} */
export const STRINGS = {};
