// Lesson: a classifier of handwritten digits, its mistakes, and a drawing of one's own.

/** @type {import("../lessons.js").Lesson} */
export const DIGITS = {
  name: "digits",
  title: "A digit classifier",
  about: "A network learns to read handwritten digits; you look at its mistakes and draw your own.",
  steps: [
    {
      text: "1,797 people's digits, 8 by 8 pixels each, wait in this page. The network sees the pixels and answers with a number for each digit; the largest one counts. Press Train.",
      begin: (ship) => ship.recipes.choose("digits_mlp"),
      done: ({ status }) => status.recipe === "digits_mlp" && (status.step ?? 0) > 0,
    },
    {
      text: "The validation accuracy is measured on digits that the network does not learn from. Wait until it is above 90 percent.",
      done: ({ status }) => (status.accuracy ?? 0) > 0.9,
    },
    {
      text: "Open Confusion in the panel Look into the model, and choose a red cell: it shows digits that were taken for another one.",
      done: () => document.querySelector("#look .behind li") !== null,
    },
    {
      text: "Open Draw and draw a digit, or type it with # signs. The network answers at once, also while it trains.",
      done: () => (/** @type {HTMLTextAreaElement | null} */ (document.querySelector("#typed-drawing"))?.value ?? "").includes("#"),
    },
    {
      text: "It reads digits like those it has seen. Draw one very small or upside down, and it fails: a network knows its data, not the world.",
      done: () => true,
    },
  ],
};
