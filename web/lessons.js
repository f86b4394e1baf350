// Guided lessons inside the page (lesson texts are in lessons/).

export class Lessons {
  /** @param {import("./panels.js").Ship} ship @param {import("./looking.js").Looking} looking */
  constructor(ship, looking) {
    this.ship = ship;
    this.looking = looking;
  }

  draw() {}
}
