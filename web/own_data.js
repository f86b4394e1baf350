/** @param {import("./panels.js").Ship} ship */
export function openOwnData(ship) {}
