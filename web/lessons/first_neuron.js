// Lesson: one neuron learns a line, cannot bend it, and a second layer can.

const CODE = `"""A first neuron: which side of a line does a point lie on?"""

import numpy as np

from distml_py import Recipe, nn, optim, train
from distml_py.data import Splits, TensorDataset


class Neuron(Recipe):
    batch_size = 32
    steps = 300
    classes = ["left", "right"]

    def data(self):
        points = np.random.default_rng(0).uniform(-1, 1, (600, 2)).astype(np.float32)
        side = (points[:, 0] + 0.5 * points[:, 1] > 0.1).astype(np.int32)
        return Splits(*(TensorDataset(points[part], side[part]) for part in np.split(np.arange(600), [360, 480])))

    def model(self):
        return nn.Linear(2, 2)

    def optimizer(self, parameters):
        return optim.SGD(parameters, lr=0.5)


if __name__ == "__main__":
    train(Neuron())
`;

/** @type {import("../lessons.js").Lesson} */
export const FIRST_NEURON = {
  name: "first_neuron",
  title: "A first neuron",
  about: "One layer learns to tell two sides of a line apart, and what a learning rate is.",
  steps: [
    {
      text: "A neuron multiplies what it is given by its weights and adds the results. Here it gets a point, two numbers, and is to say on which side of a line the point lies. The line `nn.Linear(2, 2)` in the code is all there is of the model. Press Train.",
      begin: (ship) => ship.recipes.put({ name: "first_neuron", code: CODE }),
      done: ({ status }) => status.recipe === "first_neuron" && (status.step ?? 0) > 0,
    },
    {
      text: "The border view shows what the model says everywhere in the plane. At first it is wrong; with each step the weights move a little, so that the loss falls. Wait until the run has finished.",
      done: ({ status }) => status.state === "finished",
    },
    {
      text: "The learning rate says how far the weights move in a step. Set it to 0.01 with the control beside the code, watch the code change with it, and train again: the curve falls much more slowly.",
      done: ({ known, status }) => /lr=0?\.01\b/.test(known.run?.code ?? "") && status.state === "finished" && status.recipe === "first_neuron",
    },
    {
      text: "Both runs stay in the chart, each in a colour of its own. That is how people find good settings: change one thing, and compare. You have trained your first neuron.",
      done: () => true,
    },
  ],
};
