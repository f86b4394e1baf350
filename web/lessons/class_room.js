// Lesson: several tabs train one model together.

/** @type {import("../lessons.js").Lesson} */
export const CLASS_ROOM = {
  name: "class_room",
  title: "A class-room cluster",
  about: "Open the join link in a second tab, or on another machine, and let both train one model.",
  steps: [
    {
      text: "Big models are trained by many machines at once. Here each machine is a browser tab. Press Train: this tab begins alone.",
      begin: (ship) => ship.recipes.choose("digits_cnn"),
      done: ({ status }) => status.state === "training" && (status.step ?? 0) > 0,
    },
    {
      text: "Open the join link, below Invite others, in a second tab or on another device of this network, and press Join there. The projector view shows it as a QR code.",
      done: ({ status }) => (status.workers ?? 0) >= 2,
    },
    {
      text: "Each step's samples are now cut into shards, and every tab computes the gradient of some. The coordinator adds them, so all tabs have the same weights. In the list of workers you see how many shards each has done.",
      done: ({ known }) => (known.coordinator?.worker_list ?? []).filter((row) => row.shards_done > 0).length >= 2,
    },
    {
      text: "Close the second tab. The run goes on: what that tab had in hand is given to another. No machine is needed, and each one helps.",
      done: ({ status }) => (status.workers ?? 0) < 2,
    },
  ],
};
