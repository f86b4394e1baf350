"""Names by language with a recurrent net written out by hand and updated by hand, as in the tutorial; then an LSTM."""

import random

import torch
import torch.nn as nn

random.seed(3)
names = {
    "English": ["Smith", "Baker", "Walker"],
    "Italian": ["Rossi", "Bianchi", "Romano"],
    "Czech": ["Novak", "Dvorak", "Svoboda"],
}
categories = list(names)
letters = sorted({c for group in names.values() for name in group for c in name})


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, len(letters))
    for li, letter in enumerate(line):
        tensor[li][0][letters.index(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.i2o = nn.Linear(input_size + hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        output = self.softmax(self.i2o(combined))
        return output, hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(len(letters), 16, len(categories))
start = torch.optim.SGD(rnn.parameters(), lr=0.1)
criterion = nn.NLLLoss()
for iteration in range(15):
    category = random.choice(categories)
    line = random.choice(names[category])
    category_tensor = torch.tensor([categories.index(category)], dtype=torch.long)
    hidden = rnn.init_hidden()
    rnn.zero_grad()
    for letter in line_to_tensor(line):
        output, hidden = rnn(letter, hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-0.1)
    top_n, top_i = output.topk(1)
    guess = categories[top_i[0].item()]
    print("%d %.5f %s / %s %s" % (iteration, loss.item(), line, guess, "✓" if guess == category else f"✗ ({category})"))


class CharLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(letters), 8)
        self.lstm = nn.LSTM(8, 16, num_layers=2, batch_first=True)
        self.fc = nn.Linear(16, len(letters))

    def forward(self, x, state=None):
        out, state = self.lstm(self.embed(x), state)
        return self.fc(out), state


model = CharLSTM()
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-2)
text = torch.tensor([[letters.index(c) for c in "Rossi"], [letters.index(c) for c in "Novak"]])
state = None
for step in range(6):
    scores, state = model(text[:, :-1], state)
    state = tuple(s.detach() for s in state)
    loss = nn.CrossEntropyLoss()(scores.reshape(-1, len(letters)), text[:, 1:].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, f"{loss:.5f}", tuple(state[0].shape))
print(model)
