// The Python that the wizard writes for people's own data. It is theirs to change. Pure.

const SPLIT = `        order = np.random.default_rng(0).permutation(len(inputs))
        inputs, labels = inputs[order], labels[order]
        first, second = len(order) * 6 // 10, len(order) * 8 // 10
`;
const PARTS = "(slice(first), slice(first, second), slice(second, None))";

/** @param {string} file @param {string} target @param {import("./csv.js").About} about @param {number} rows */
export function tableRecipe(file, target, { columns, classes }, rows) {
  const curve = classes === null;
  const outputs = curve ? "1" : "len(self.classes)";
  const named = curve ? "" : `    classes = ${python(classes.map(([name]) => name))}\n`;
  const judged = curve
    ? `
    def loss(self, model, inputs, values):
        return F.mse_loss(model(inputs)[:, 0], values)

    def correct(self, model, inputs, values):
        """An answer counts as right when it is at most a quarter of a deviation away."""
        return ((model(inputs)[:, 0] - values).abs() < 0.25).sum()
`
    : "";
  return `"""My table ${plain(file)}: ${plain(target)} from ${columns.length} columns. It lies in this tab alone."""

from pathlib import Path

import numpy as np

from distml_py import Recipe, nn, optim, train
from distml_py.data import CSVDataset, Splits, TensorDataset
${curve ? "from distml_py.nn import functional as F\n" : ""}

class OwnTable(Recipe):
    batch_size = ${batchOf(rows)}
    steps = 600
    width = 32
${named}
    def data(self):
        columns = ${python(columns)}
        table = CSVDataset(Path("/data/table.csv"), ${python(target)}, columns, classification=${curve ? "False" : "True"})
        inputs, labels = table.fields
${SPLIT}        inputs = (inputs - inputs[:first].mean(0)) / (inputs[:first].std(0) + 1e-6)
${curve ? "        labels = (labels - labels[:first].mean()) / (labels[:first].std() + 1e-6)\n" : ""}        return Splits(*(TensorDataset(inputs[part], labels[part]) for part in ${PARTS}))

    def model(self):
        return nn.Sequential(
            nn.Linear(${columns.length}, self.width),
            nn.ReLU(),
            nn.Linear(self.width, self.width),
            nn.ReLU(),
            nn.Linear(self.width, ${outputs}),
        )

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.005)
${judged}

if __name__ == "__main__":
    train(OwnTable())
`;
}

/** @param {string[]} classes @param {number} side @param {number} count  of pictures */
export function picturesRecipe(classes, side, count) {
  return `"""My pictures: ${classes.length} classes. They lie in this tab alone."""

from pathlib import Path

import numpy as np

from distml_py import Recipe, nn, optim, train
from distml_py.data import Splits, TensorDataset

SIDE = ${side}


class OwnPictures(Recipe):
    batch_size = ${batchOf(count)}
    steps = 300
    width = 8
    classes = ${python(classes)}

    def data(self):
        stored = np.frombuffer(Path("/data/pictures.bin").read_bytes(), np.uint8)
        count = len(stored) // (SIDE * SIDE * 3 + 1)  # a label and its picture each
        labels = stored[:count].astype(np.int32)
        inputs = stored[count:].reshape(count, SIDE, SIDE, 3).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
${SPLIT}        return Splits(*(TensorDataset(inputs[part], labels[part]) for part in ${PARTS}))

    def model(self):
        return nn.Sequential(
            nn.Conv2d(3, self.width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(self.width, 2 * self.width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(2 * self.width * (SIDE // 4) ** 2, len(self.classes)),
        )

    def optimizer(self, parameters):
        return optim.Adam(parameters, lr=0.003)


if __name__ == "__main__":
    train(OwnPictures())
`;
}

/** @param {string} file */
export function textRecipe(file) {
  return `"""My text ${plain(file)}: a small GPT learns to write it, character by character. It lies in this tab alone."""

from pathlib import Path

from distml_py import Recipe, optim, train
from distml_py.data import CharTokenizer, Splits, TextDataset
from distml_py.models import GPT
from distml_py.nn import functional as F


class OwnText(Recipe):
    batch_size = 16
    steps = 600
    width = 48
    time = 48  # characters that it sees at once
    evaluate_every = 50

    def data(self):
        text = Path("/data/text.txt").read_text(encoding="utf-8")
        self.tokenizer = CharTokenizer(text)
        tokens = self.tokenizer.encode(text)
        part = max(len(tokens) // 10, self.time + 1)
        parts = (tokens[: -2 * part], tokens[-2 * part : -part], tokens[-part:])
        return Splits(*(TextDataset(one, self.time, stride) for one, stride in zip(parts, (1, 24, 24), strict=True)))

    def model(self):
        return GPT(self.tokenizer.vocab_size, self.time, n_layer=2, n_head=4, n_embd=self.width)

    def optimizer(self, parameters):
        return optim.AdamW(parameters, lr=0.003)

    def loss(self, model, before, after):
        return F.cross_entropy(model(before).flatten(0, 1), after.flatten())

    def correct(self, model, before, after):
        """The share of characters that are guessed, for each window."""
        return (model(before).argmax(2) == after).float().mean(1).sum()


if __name__ == "__main__":
    train(OwnText())
`;
}

/** At most 32, and no more than there are training samples. @param {number} samples */
function batchOf(samples) {
  return Math.max(4, Math.min(32, Math.floor(samples * 0.6)));
}

/** Text as a Python literal: JSON's escapes are Python's, too. @param {string | string[]} value */
function python(value) {
  return JSON.stringify(value).replaceAll('","', '", "');
}

/** A name as it may stand in a docstring. @param {string} text */
function plain(text) {
  return text.replaceAll(/["\\\n\r]/g, " ").slice(0, 60);
}
