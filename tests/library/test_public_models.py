"""Models judged by PyTorch twins written here, over 20 steps; names and shapes by tables of the usual public ones."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import distml_py as dm
from distml_py import engine, models
from distml_py.errors import ShapeError
from op_examples import numbers, whole

STEPS = 20


def stories(words: int) -> Any:
    return models.Llama(words, 288, 6, 6, intermediate_size=768, tie_word_embeddings=True)


TABLES = Path(__file__).parent / "state_dicts"
# by table: the model, and how many trained numbers the public one has (shared ones once)
PUBLIC: dict[str, tuple[Callable[[], dm.nn.Module], int]] = {
    "resnet18": (models.resnet18, 11_689_512),
    "resnet34": (models.resnet34, 21_797_672),
    "vit_tiny_patch16_224": (models.vit_tiny, 5_717_416),
    "unet": (lambda: models.UNet(3, 2, width=64), 31_037_698),
    "vae": (models.VAE, 652_824),
    # one layer, and fewer words and places, than GPT-2's 124,439,808; fewer words than stories15M's 15,191,712
    "gpt2_one_layer": (lambda: models.GPT(512, 64, 1, 12, 768), 124_439_808 - 11 * 7_087_872 - (50257 - 512 + 1024 - 64) * 768),
    "llama_stories15m": (lambda: stories(512), 15_191_712 - (32000 - 512) * 288),
    "char_lstm": (lambda: models.CharLSTM(65), 243_969),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_names_and_shapes_are_the_public_ones(name: str) -> None:
    make, count = PUBLIC[name]
    model = make()
    rows = [line.split() for line in (TABLES / f"{name}.txt").read_text().splitlines()]
    wanted = [(key, () if shape == "-" else tuple(map(int, shape.split("x")))) for key, shape in rows]
    assert [(key, value.shape) for key, value in model.state_dict().items()] == wanted
    assert sum(parameter.numel() for parameter in model.parameters()) == count


class TorchResNet34(nn.Module):
    """torchvision's, with fewer channels."""

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        for n, count in enumerate((3, 4, 6, 3)):
            before, now = width * 2 ** max(n - 1, 0), width * 2**n
            parts = [self.block(before if b == 0 else now, now, 2 if n and b == 0 else 1) for b in range(count)]
            setattr(self, f"layer{n + 1}", nn.ModuleList(parts))
        self.fc = nn.Linear(8 * width, classes)

    @staticmethod
    def block(a: int, b: int, stride: int) -> nn.ModuleDict:
        parts = {"conv1": nn.Conv2d(a, b, 3, stride, 1, bias=False), "bn1": nn.BatchNorm2d(b)}
        parts |= {"conv2": nn.Conv2d(b, b, 3, 1, 1, bias=False), "bn2": nn.BatchNorm2d(b)}
        if stride > 1:
            parts["downsample"] = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))
        return nn.ModuleDict(parts)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for n in range(4):
            for part in getattr(self, f"layer{n + 1}"):
                side = part["downsample"](x) if "downsample" in part else x
                out = part["bn1"](part["conv1"](x)).relu()
                x = (part["bn2"](part["conv2"](out)) + side).relu()
        return self.fc(x.mean((2, 3)))


class TorchViT(nn.Module):
    """timm's names on PyTorch's own parts."""

    def __init__(self, size: int, patch: int, classes: int, width: int, depth: int, heads: int):
        super().__init__()
        self.cls_token, count = nn.Parameter(torch.zeros(1, 1, width)), (size // patch) ** 2
        self.pos_embed, self.heads = nn.Parameter(torch.zeros(1, count + 1, width)), heads
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.blocks = nn.ModuleList(self.block(width) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width, 1e-6), nn.Linear(width, classes)

    @staticmethod
    def block(width: int) -> nn.ModuleDict:
        attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        norms = [nn.LayerNorm(width, 1e-6) for _ in range(2)]
        return nn.ModuleDict({"norm1": norms[0], "attn": attn, "norm2": norms[1], "mlp": mlp})

    def forward(self, x: Any) -> Any:
        x = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            q, k, v = block["attn"]["qkv"](block["norm1"](x)).chunk(3, -1)
            q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
            weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
            x = x + block["attn"]["proj"]((weights @ v).transpose(1, 2).flatten(2))
            x = x + block["mlp"]["fc2"](F.gelu(block["mlp"]["fc1"](block["norm2"](x))))
        return self.head(self.norm(x)[:, 0])


class TorchLlama(nn.Module):
    """The published checkpoints' names; rotations as complex numbers, which is another way to say them."""

    def __init__(self, vocab: int, width: int, depth: int, heads: int, kv_heads: int, inner: int):
        super().__init__()
        self.heads, self.kv_heads, self.each = heads, kv_heads, width // heads
        layers = nn.ModuleList(self.layer(width, inner) for _ in range(depth))
        self.model = nn.ModuleDict({"embed_tokens": nn.Embedding(vocab, width), "layers": layers, "norm": nn.RMSNorm(width, 1e-5)})
        self.lm_head = nn.Linear(width, vocab, bias=False)

    def layer(self, width: int, inner: int) -> nn.ModuleDict:
        small = self.kv_heads * self.each
        attention = {name: nn.Linear(width, size, bias=False) for name, size in (("q_proj", width), ("k_proj", small))}
        attention |= {"v_proj": nn.Linear(width, small, bias=False), "o_proj": nn.Linear(width, width, bias=False)}
        mlp = {name: nn.Linear(width, inner, bias=False) for name in ("gate_proj", "up_proj")}
        mlp["down_proj"] = nn.Linear(inner, width, bias=False)
        norms = {name: nn.RMSNorm(width, 1e-5) for name in ("input_layernorm", "post_attention_layernorm")}
        return nn.ModuleDict({"self_attn": nn.ModuleDict(attention), "mlp": nn.ModuleDict(mlp), **norms})

    def turned(self, x: Any) -> Any:
        rates = 10000.0 ** (-torch.arange(0, self.each, 2, dtype=torch.float64) / self.each)
        angles = torch.outer(torch.arange(x.shape[1], dtype=torch.float64), rates)[:, None]
        half = self.each // 2
        both = torch.complex(x[..., :half].double(), x[..., half:].double()) * torch.polar(torch.ones_like(angles), angles)
        return torch.cat([both.real, both.imag], -1).to(x.dtype)

    def forward(self, tokens: Any) -> Any:
        x = self.model["embed_tokens"](tokens)
        n, time, width = x.shape
        hidden = torch.triu(torch.ones(time, time, dtype=torch.bool), 1)
        for part in self.model["layers"]:
            y, own = part["input_layernorm"](x), part["self_attn"]
            q = self.turned(own["q_proj"](y).view(n, time, self.heads, self.each))
            k = self.turned(own["k_proj"](y).view(n, time, self.kv_heads, self.each))
            v = own["v_proj"](y).view(n, time, self.kv_heads, self.each)
            k, v = (whole.repeat_interleave(self.heads // self.kv_heads, 2) for whole in (k, v))
            scores = torch.einsum("nqhd,nkhd->nhqk", q, k) / math.sqrt(self.each)
            weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
            x = x + own["o_proj"](torch.einsum("nhqk,nkhd->nqhd", weights, v).reshape(n, time, width))
            y, mlp = part["post_attention_layernorm"](x), part["mlp"]
            x = x + mlp["down_proj"](F.silu(mlp["gate_proj"](y)) * mlp["up_proj"](y))
        return self.lm_head(self.model["norm"](x))


class TorchUNet(nn.Module):
    def __init__(self, channels: int, classes: int, bilinear: bool, width: int):
        super().__init__()
        self.bilinear, less = bilinear, 1 + bilinear
        self.inc = nn.ModuleDict({"double_conv": self.two(channels, width, width)})
        sizes = [width, 2 * width, 4 * width, 8 * width, 16 * width // less]
        for n in range(4):
            inside = nn.ModuleDict({"double_conv": self.two(sizes[n], sizes[n + 1], sizes[n + 1])})
            setattr(self, f"down{n + 1}", nn.ModuleDict({"maxpool_conv": nn.Sequential(nn.MaxPool2d(2), inside)}))
        for n in range(4):
            wide = width * 2 ** (4 - n)
            out = width if n == 3 else wide // 2 // less
            parts: dict[str, nn.Module] = {} if bilinear else {"up": nn.ConvTranspose2d(wide, wide // 2, 2, 2)}
            parts["conv"] = nn.ModuleDict({"double_conv": self.two(wide, wide // 2 if bilinear else out, out)})
            setattr(self, f"up{n + 1}", nn.ModuleDict(parts))
        self.outc = nn.ModuleDict({"conv": nn.Conv2d(width, classes, 1)})

    @staticmethod
    def two(a: int, middle: int, b: int) -> nn.Sequential:
        first = [nn.Conv2d(a, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle), nn.ReLU()]
        return nn.Sequential(*first, nn.Conv2d(middle, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

    def forward(self, x: Any) -> Any:
        seen = [self.inc["double_conv"](x)]
        for n in range(1, 5):
            parts = getattr(self, f"down{n}")["maxpool_conv"]
            seen.append(parts[1]["double_conv"](parts[0](seen[-1])))
        x = seen.pop()
        for n in range(1, 5):
            part, beside = getattr(self, f"up{n}"), seen.pop()
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True) if self.bilinear else part["up"](x)
            rows, columns = beside.shape[2] - x.shape[2], beside.shape[3] - x.shape[3]
            x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
            x = part["conv"]["double_conv"](torch.cat([beside, x], 1))
        return self.outc["conv"](x)


class TorchCharLSTM(nn.Module):
    def __init__(self, vocab: int, width: int, hidden: int, layers: int):
        super().__init__()
        self.encoder, self.rnn = nn.Embedding(vocab, width), nn.LSTM(width, hidden, layers, batch_first=True)
        self.decoder = nn.Linear(hidden, vocab)

    def forward(self, tokens: Any) -> Any:
        return self.decoder(self.rnn(self.encoder(tokens))[0]), None


IMAGES, TOKENS = numbers(2, 3, 33, 34), whole(3, 5, low=0, high=11)
CASES: dict[str, tuple[Callable[[], Any], Callable[[], nn.Module], np.ndarray]] = {
    "ResNet-34": (lambda: models.resnet34(5, width=2), lambda: TorchResNet34(5, 2), IMAGES),
    "ViT": (
        lambda: models.VisionTransformer(12, 4, 3, 5, 6, 2, 3),
        lambda: TorchViT(12, 4, 5, 6, 2, 3),
        numbers(3, 3, 12, 12),
    ),
    "Llama": (
        lambda: models.Llama(11, 8, 2, 4, 2, intermediate_size=12, max_position_embeddings=9),
        lambda: TorchLlama(11, 8, 2, 4, 2, 12),
        TOKENS,
    ),
    "U-Net": (lambda: models.UNet(3, 4, width=2), lambda: TorchUNet(3, 4, False, 2), numbers(2, 3, 17, 18)),
    "U-Net, bilinear": (lambda: models.UNet(3, 4, True, 2), lambda: TorchUNet(3, 4, True, 2), numbers(2, 3, 19, 16)),
    "char-LSTM": (lambda: models.CharLSTM(11, 4, 5), lambda: TorchCharLSTM(11, 4, 5, 2), TOKENS),
}


@pytest.mark.parametrize("name", CASES)
def test_twenty_training_steps_are_pytorchs(name: str) -> None:
    make, twin, inputs = CASES[name]
    dm.manual_seed(3)
    ours, theirs = make().double(), twin().double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    mine, other = dm.optim.SGD(ours.parameters(), lr=0.01), torch.optim.SGD(theirs.parameters(), lr=0.01)
    data = inputs.astype(np.int64 if inputs.dtype == np.int32 else np.float64)
    for _ in range(STEPS):
        losses = []
        for lib, model, optimizer in ((dm, ours, mine), (torch, theirs, other)):
            optimizer.zero_grad()
            out = model(lib.tensor(data))
            out = out[0] if isinstance(out, tuple) else out
            loss = (out - 0.3).square().mean() + out.softmax(-1).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for (key, value), judge in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(value.numpy(), judge.numpy(), rtol=1e-5, atol=1e-7, err_msg=key)


def test_a_vae_says_what_pytorchs_example_says() -> None:
    model = models.VAE(12, 7, 3).double()
    w = {key: torch.tensor(value.numpy()) for key, value in model.state_dict().items()}
    x = numbers(5, 3, 4, low=0.05, high=0.95).astype(np.float64)
    flat = torch.tensor(x).flatten(1)
    hidden = F.linear(flat, w["fc1.weight"], w["fc1.bias"]).relu()
    mu, logvar = (F.linear(hidden, w[f"{name}.weight"], w[f"{name}.bias"]) for name in ("fc21", "fc22"))
    found = model.encode(dm.tensor(x).flatten(1))
    np.testing.assert_allclose(found[0].detach().numpy(), mu.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(found[1].detach().numpy(), logvar.detach().numpy(), rtol=1e-6)
    dm.manual_seed(1)
    sample = model.reparameterize(*found).detach().numpy()
    noise = (sample - mu.numpy()) / np.exp(logvar.numpy() / 2)
    dm.manual_seed(1)
    assert noise == pytest.approx(dm.randn(5, 3).numpy(), rel=1e-5, abs=1e-6)
    decoded = F.linear(torch.tensor(sample), w["fc3.weight"], w["fc3.bias"]).relu()
    recon = F.linear(decoded, w["fc4.weight"], w["fc4.bias"]).sigmoid()
    wanted = F.binary_cross_entropy(recon, flat, reduction="sum") - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    dm.manual_seed(1)
    assert model.loss(dm.tensor(x)).item() == pytest.approx(wanted.item(), rel=1e-6)


LANGUAGE: dict[str, Callable[[], Any]] = {
    "GPT": lambda: models.GPT(11, 9, 2, 2, 6, tie_weights=False),
    "Llama": lambda: models.Llama(11, 8, 2, 4, 2, intermediate_size=12, max_position_embeddings=9),
}


def scattered(model: Any) -> Any:
    """Weights large enough for the scores to differ."""
    for n, parameter in enumerate(model.parameters()):
        dm.nn.init.normal_(parameter, std=0.5 + 0.01 * n)
    return model.eval()


@pytest.mark.parametrize("name", LANGUAGE)
def test_a_cache_changes_no_score(name: str) -> None:
    dm.manual_seed(2)
    model, tokens = scattered(LANGUAGE[name]()), whole(3, 8, low=0, high=11)
    wanted = model(dm.tensor(tokens)).detach().numpy()
    cache = models.KVCache(9, 2)
    for first, last in ((0, 3), (3, 4), (4, 7), (7, 8)):
        found = model(dm.tensor(tokens[:, first:last]), cache).detach().numpy()
        cache.length = last
        np.testing.assert_allclose(found, wanted[:, first:last], rtol=1e-4, atol=1e-5)
    with pytest.raises(ShapeError, match="KVCache: 8 and 2 more tokens, 9 have room"):
        cache.put(0, dm.ones(3, 2, 2, 3), dm.ones(3, 2, 2, 3))


@pytest.mark.parametrize("name", LANGUAGE)
def test_the_best_tokens_are_those_of_a_loop_without_a_cache(name: str) -> None:
    dm.manual_seed(2)
    model, tokens = scattered(LANGUAGE[name]()), whole(2, 3, low=0, high=11)
    wanted = tokens
    for _ in range(10):  # beyond the block's size as well
        scores = model(dm.tensor(wanted[:, -9:])).detach().numpy()[:, -1]
        wanted = np.concatenate([wanted, scores.argmax(1)[:, None].astype(np.int32)], 1)
    found = model.generate(dm.tensor(tokens), 10, temperature=0)
    assert found.tolist() == wanted.tolist()
    assert len(np.unique(wanted[:, 3:])) > 2, "the scores differ"


@pytest.mark.parametrize("name", [*LANGUAGE, "char-LSTM"])
def test_a_longer_text_needs_no_more_plans_than_a_short_one(name: str) -> None:
    """Each token's graph is that of the token before: nothing is computed again, and no kernel compiled for it."""
    model = scattered(LANGUAGE[name]() if name in LANGUAGE else models.CharLSTM(11, 4, 5))
    start = dm.tensor(whole(2, 3, low=0, high=11))
    model.generate(start, 12)  # beyond the block's size as well
    before = engine.counters().plans
    assert model.generate(start, 30).shape == (2, 33)
    assert engine.counters().plans == before


@pytest.mark.parametrize("name", [*LANGUAGE, "char-LSTM"])
def test_tokens_are_drawn_by_the_seed_from_the_best_ones(name: str) -> None:
    model = scattered(LANGUAGE[name]() if name in LANGUAGE else models.CharLSTM(11, 4, 5))
    start = dm.tensor(whole(64, 2, low=0, high=11))
    runs = []
    for seed in (1, 1, 2):
        dm.manual_seed(seed)
        runs.append(model.generate(start, 3, temperature=1.5).tolist())
    assert runs[0] == runs[1] != runs[2]
    dm.manual_seed(1)
    out = model(start)
    scores = (out[0] if isinstance(out, tuple) else out).detach().numpy()[:, -1]
    best = np.argsort(scores, 1)[:, -2:]
    drawn = np.array(model.generate(start, 1, temperature=5.0, top_k=2).tolist())[:, -1]
    assert all(token in row for token, row in zip(drawn, best, strict=True)) and (drawn != best[:, 1]).sum() > 8
    same = model.generate(start, 4, top_k=1).tolist()
    assert same == model.generate(start, 4, temperature=0).tolist()


def test_tokens_are_drawn_in_proportion() -> None:
    from distml_py.models.sampling import next_tokens

    dm.manual_seed(0)
    scores = np.log(np.tile(np.array([[0.1, 0.6, 0.3]], np.float32), (6000, 1)))
    drawn = np.bincount(next_tokens(dm.tensor(scores), 1.0, None), minlength=3) / 6000
    assert drawn == pytest.approx([0.1, 0.6, 0.3], abs=0.03)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: models.VisionTransformer(10, 4), "patch_size=4 must divide img_size=10"),
        (lambda: models.VisionTransformer(8, 4, embed_dim=7, num_heads=2), "num_heads=2 must divide embed_dim=7"),
        (lambda: models.VisionTransformer(8, 4, depth=1)(dm.ones(1, 3, 8, 9)), r"needs images \(n, c, 8, 8\), got \(1, 3, 8, 9\)"),
        (lambda: models.UNet(1, 1)(dm.ones(1, 1, 15, 16)), r"UNet needs images \(n, 1, h, w\) of at least 16 x 16, got"),
        (lambda: models.Llama(11, 8, 1, 4, 3), "Llama: 3 key heads must divide 4 heads, and those hidden_size=8"),
        (lambda: models.Llama(11, 6, 1, 2), "rotary positions need an even width of a head, got 3"),
        (lambda: LANGUAGE["Llama"]()(dm.tensor(whole(1, 10, low=0, high=9))), "Llama: 10 tokens, max_position_embeddings is 9"),
        (
            lambda: LANGUAGE["GPT"]().generate(dm.tensor([1]), 1),
            r"generate needs tokens \(n, time\) with at least one each, got \(1,\)",
        ),
        (
            lambda: LANGUAGE["GPT"]().generate(dm.tensor([[1]]), 1, -1.0),
            "temperature is at least 0, top_k at least 1, got -1.0",
        ),
        (lambda: models.CharLSTM(5).generate(dm.tensor([1]), 1), r"generate needs tokens \(n, time\) with at least one each"),
    ],
)
def test_what_a_model_cannot_do_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        wrong()
