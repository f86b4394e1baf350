// What the page adds to the window, for the type checker.

interface Window {
  distml: { status: () => ReturnType<typeof import("./status.js").statusOf>; code: () => string };
}
