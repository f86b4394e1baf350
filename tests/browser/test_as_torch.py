"""The page's switch: programs that import torch, as people write them, run in the tab by clicks."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from served import Coordinator
from tabs import Tab

SCRIPT = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.manual_seed(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x):
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


def train(model, loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if batch_idx % 2 == 0:
            print(f"Train Epoch: {epoch} [{batch_idx * len(data)}/{len(loader.dataset)}]\\tLoss: {loss.item():.6f}")


def test(model, x, y):
    model.eval()
    with torch.no_grad():
        pred = model(x).argmax(dim=1, keepdim=True)
        return pred.eq(y.view_as(pred)).sum().item()


def main():
    x = torch.randn(128, 1, 8, 8)
    y = (x.mean((1, 2, 3)) > 0).long()
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    model = Net().to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(1, 11):
        train(model, loader, optimizer, epoch)
    print(f"Accuracy: {test(model, x, y)}/{len(x)} on {x.device}, {torch.__version__}")
    torch.save(model.state_dict(), "net.pt")
    model.load_state_dict(torch.load("net.pt", weights_only=True))
    print("the end")


if __name__ == "__main__":
    main()
"""
WRONG = """import torch


def forward(x):
    return x @ x


print("before")
forward(torch.ones(2, 3))
"""
ENDLESS = """import torch

w = torch.zeros(3, requires_grad=True)
step = 0
while True:
    loss = ((w - 1) ** 2).sum()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
    step += 1
    print(f"step {step} {loss.item():.4f}")
"""
MNIST = """from torchvision import datasets, transforms

train = datasets.MNIST("../data", train=True, download=True, transform=transforms.ToTensor())
print(len(train), train[1][0].shape, train[1][1])
"""


pytestmark = pytest.mark.xdist_group("as_torch")  # they share a page


def run(page: Page, code: str) -> None:
    page.locator("#code").fill(code)
    page.get_by_role("button", name="Train").click()


def idx(path: Path, array: np.ndarray) -> str:
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())
    return str(path)


@pytest.fixture(scope="module")
def tab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A host's page, its engine ready."""
    served = Coordinator(tmp_path_factory.mktemp("served"))
    opened = Tab(browser.new_context(), served.host_link)
    assert "WebGL2" in opened.until("the engine", lambda s: s["backend"], 60)["backend"]
    yield opened
    assert not opened.errors
    opened.page.context.close()
    served.stop()


@pytest.fixture
def page(tab: Tab) -> Page:
    tab.page.get_by_label("Run as PyTorch script").check()
    return tab.page


def test_a_program_without_the_switch_is_told_of_it(tab: Tab) -> None:
    run(tab.page, SCRIPT)
    expect(tab.page.locator("#problem-next")).to_contain_text("Run as PyTorch script", timeout=30_000)


def test_a_training_program_runs_to_its_end_and_prints(tab: Tab, page: Page) -> None:
    printed = page.locator("#printed")
    run(page, SCRIPT)
    expect(printed).to_be_visible(timeout=60_000)
    expect(printed).to_contain_text("the end", timeout=60_000)
    assert tab.until("its end", lambda s: s["state"] not in ("training", "waiting"), 20)["state"] == "finished"
    lines = printed.inner_text().splitlines()
    losses = [float(line.split("Loss: ")[1]) for line in lines if "Loss" in line]
    assert len(losses) == 20 and losses[-1] < losses[0] / 2, lines
    right, of = lines[-2].split()[1].split("/")
    assert int(right) > 0.9 * int(of) and "on webgl" in lines[-2], lines


def test_an_error_marks_its_line_and_shows_the_programs_traceback(page: Page) -> None:
    run(page, WRONG)
    expect(page.get_by_role("alert")).to_contain_text("Line 5: ShapeError: matmul needs", timeout=30_000)
    expect(page.locator(".cm-marked")).to_have_text("    return x @ x")
    assert page.locator("#printed").inner_text().splitlines() == ["before"]
    shown = page.locator("#problem-traceback").text_content() or ""
    frames = [line for line in shown.splitlines() if "File" in line]
    assert frames == [f'  File "script.py", line {n}, in {where}' for n, where in ((9, "<module>"), (5, "forward"))], shown


def test_data_sets_say_which_files_to_give_and_where(page: Page) -> None:
    run(page, MNIST)
    expect(page.get_by_role("alert")).to_contain_text("give train-images-idx3-ubyte.gz and train-labels", timeout=30_000)
    expect(page.get_by_role("alert")).to_contain_text("Files for the script")


def test_stop_ends_a_program_at_once_and_files_stay_given(tab: Tab, page: Page, tmp_path: Path) -> None:
    printed = page.locator("#printed")
    pictures, labels = np.ones((3, 28, 28), "u1"), np.array([3, 4, 5], "u1")
    files = (("train-images-idx3-ubyte", pictures), ("train-labels-idx1-ubyte", labels))
    page.locator("#script-files").set_input_files([idx(tmp_path / name, array) for name, array in files])
    run(page, ENDLESS)
    expect(printed).to_contain_text("step 3 ", timeout=30_000)
    assert tab.status()["state"] == "training"
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Train")).to_be_enabled(timeout=1000)
    assert "step" in printed.inner_text()
    run(page, MNIST)  # the engine that is loaded again is given the files again
    expect(printed).to_have_text("3 torch.Size([1, 28, 28]) 4\n", timeout=60_000)
