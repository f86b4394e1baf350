"""Idioms of many repositories: a gradient penalty, diffusion with averaged weights, packed sequences, hooks, checkpoints, codebooks."""

import collections
import copy
import itertools
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_, parameters_to_vector, vector_to_parameters
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.data import ConcatDataset, DataLoader, Dataset, WeightedRandomSampler, random_split

torch.manual_seed(0)
# 1. WGAN-GP
D = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.LeakyReLU(0.2), nn.Linear(16, 4))
opt = torch.optim.RMSprop(D.parameters(), lr=5e-3)
for i in range(5):
    real, fake = torch.randn(8, 2), torch.randn(8, 2) + 1
    alpha = torch.linspace(0, 1, 8).view(-1, 1).expand(real.size())
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    d = D(interpolates)
    gradients = torch.autograd.grad(
        outputs=d, inputs=interpolates, grad_outputs=torch.ones_like(d), create_graph=True, retain_graph=True, only_inputs=True
    )[0]
    gradient_penalty = ((gradients.norm(2, dim=1) - 1) ** 2).mean() * 10
    loss = D(fake).mean() - D(real).mean() + gradient_penalty
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"gp {i} {loss.item():.4f} {gradient_penalty.item():.4f}")


# 2. DDPM
def extract(a, t, x_shape):
    b = t.shape[0]
    return a.gather(-1, t).reshape(b, *((1,) * (len(x_shape) - 1))).to(t.device)


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class TimeEmbedding(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim
        self.mlp = nn.Sequential(nn.Linear(dim, dim), Swish(), nn.Linear(dim, dim))

    def forward(self, t):
        half = self.dim // 2
        emb = math.log(10000) / (half - 1)
        emb = torch.exp(torch.arange(half, device=t.device) * -emb)
        emb = t[:, None].float() * emb[None, :]
        return self.mlp(torch.cat((emb.sin(), emb.cos()), dim=-1))


class UNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.time = TimeEmbedding(c)
        self.inc = nn.Conv2d(1, c, 3, padding=1)
        self.n1 = nn.GroupNorm(4, c)
        self.down = nn.Conv2d(c, c * 2, 3, stride=2, padding=1)
        self.n2 = nn.GroupNorm(4, 2 * c)
        self.up = nn.ConvTranspose2d(c * 2, c, 4, 2, 1)
        self.out = nn.Conv2d(2 * c, 1, 1)

    def forward(self, x, t):
        e = self.time(t)[:, :, None, None]
        a = F.silu(self.n1(self.inc(x))) + e
        b = F.silu(self.n2(self.down(a)))
        return self.out(torch.cat([self.up(b), a], dim=1))


T = 20
betas = torch.linspace(1e-4, 0.02, T)
alphas = 1.0 - betas
alphas_cumprod = torch.cumprod(alphas, dim=0)
prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
unet = UNet()
ema = copy.deepcopy(unet).eval().requires_grad_(False)
opt = torch.optim.AdamW(unet.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=4e-3, total_steps=6)
for i in range(6):
    x0 = torch.randn(4, 1, 8, 8).clamp(-1, 1)
    t = torch.randint(T, (4,)).long()
    noise = torch.randn(4, 1, 8, 8)
    xt = extract(alphas_cumprod.sqrt(), t, x0.shape) * x0 + extract((1 - alphas_cumprod).sqrt(), t, x0.shape) * noise
    loss = F.smooth_l1_loss(unet(xt, t), noise)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    g = clip_grad_norm_(unet.parameters(), 1.0)
    opt.step()
    sched.step()
    with torch.no_grad():
        for p, q in zip(unet.parameters(), ema.parameters()):
            q.mul_(0.9).add_(p, alpha=0.1)
        for (n, b), (m, c) in zip(unet.named_buffers(), ema.named_buffers()):
            c.copy_(b)
    print(f"ddpm {i} {loss.item():.4f} {g.item():.4f} {sched.get_last_lr()[0]:.6f}")


# 3. packed sequences
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(12, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 6, num_layers=2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(12, 5)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.emb(x), lengths.cpu(), batch_first=True, enforce_sorted=False)
        out, (h, c) = self.lstm(packed)
        out, _ = pad_packed_sequence(out, batch_first=True)
        return self.fc(out), torch.cat((h[-2], h[-1]), dim=1)


class Sentences(Dataset):
    def __init__(self):
        self.rows = [torch.tensor([(i * j) % 11 + 1 for j in range(1, 3 + i % 4)]) for i in range(12)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i], (self.rows[i] % 5)


def collate(batch):
    xs, ys = zip(*batch)
    n = torch.tensor([len(x) for x in xs])
    return nn.utils.rnn.pad_sequence(xs, batch_first=True), nn.utils.rnn.pad_sequence(ys, batch_first=True, padding_value=-100), n


tag = Tagger()
opt = torch.optim.Adam(tag.parameters(), lr=0.02)
for x, y, n in itertools.chain(*[DataLoader(Sentences(), batch_size=5, collate_fn=collate, shuffle=True) for _ in range(2)]):
    logits, pooled = tag(x, n)
    loss = F.cross_entropy(logits.permute(0, 2, 1), y, ignore_index=-100) + pooled.pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    acc = (logits.argmax(-1) == y)[y != -100].float().mean()
    print(f"tag {loss.item():.4f} {acc.item():.4f}")
# 4. hooks, checkpoint, EMA vectors, mixup, focal loss, dice loss
acts = {}
net = nn.Sequential(
    collections.OrderedDict(
        [("a", nn.Linear(6, 8)), ("act", nn.GELU()), ("b", nn.Linear(8, 8)), ("n", nn.BatchNorm1d(8)), ("c", nn.Linear(8, 3))]
    )
)
h1 = net.a.register_forward_hook(lambda m, i, o: acts.__setitem__("a", o.detach()))
h2 = net.b.register_full_backward_hook(lambda m, gi, go: acts.__setitem__("g", go[0].norm().item()))
opt = torch.optim.SGD(
    [{"params": net.a.parameters(), "lr": 0.05}, {"params": [p for n, p in net.named_parameters() if not n.startswith("a.")]}],
    lr=0.1,
    momentum=0.9,
    nesterov=True,
    weight_decay=1e-4,
)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=1, factor=0.5)


def focal(inputs, targets, gamma=2.0):
    ce = F.cross_entropy(inputs, targets, reduction="none")
    pt = torch.exp(-ce)
    return ((1 - pt) ** gamma * ce).mean()


for i in range(6):
    x, y = torch.randn(10, 6), torch.randint(3, (10,))
    lam = 0.3
    index = torch.flip(torch.arange(10), [0])
    mixed = lam * x + (1 - lam) * x[index, :]
    h = checkpoint(net[:3], mixed, use_reentrant=False)
    out = net[3:](h)
    loss = lam * focal(out, y) + (1 - lam) * focal(out, y[index])
    onehot = F.one_hot(y, 3).float()
    prob = out.softmax(1)
    loss = loss + 1 - (2 * (prob * onehot).sum(0) + 1).div(prob.sum(0) + onehot.sum(0) + 1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    plateau.step(loss.item())
    print(f"focal {i} {loss.item():.4f} {acts['a'].abs().mean().item():.4f} {acts['g']:.4f} {opt.param_groups[1]['lr']:.4f}")
h1.remove()
h2.remove()
vec = parameters_to_vector(net.parameters())
vector_to_parameters(vec * 0.5, net.parameters())
print(
    f"vec {vec.norm().item():.4f} {parameters_to_vector(net.parameters()).norm().item():.4f} {sum(p.numel() for p in net.parameters() if p.requires_grad)}"
)
# 5. VQ straight through
codebook = nn.Embedding(5, 4)
enc = nn.Linear(6, 4)
dec = nn.Linear(4, 6)
opt = torch.optim.Adam(itertools.chain(enc.parameters(), dec.parameters(), codebook.parameters()), lr=0.02)
for i in range(5):
    x = torch.randn(12, 6)
    z = enc(x)
    dist = z.pow(2).sum(1, keepdim=True) + codebook.weight.pow(2).sum(1) - 2 * z @ codebook.weight.t()
    idx = torch.argmin(dist, dim=1)
    enc1h = torch.zeros(idx.shape[0], 5).scatter_(1, idx.unsqueeze(1), 1)
    q = (enc1h @ codebook.weight).view(z.shape)
    loss = F.mse_loss(q.detach(), z) * 0.25 + F.mse_loss(q, z.detach())
    q = z + (q - z).detach()
    avg = enc1h.mean(0)
    perplexity = torch.exp(-torch.sum(avg * torch.log(avg + 1e-10)))
    loss = loss + F.mse_loss(dec(q), x)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"vq {i} {loss.item():.4f} {perplexity.item():.4f}")
# 6. contrastive SimCLR / CLIP
img, txt = nn.Linear(6, 4, bias=False), nn.Linear(5, 4, bias=False)
scale = nn.Parameter(torch.tensor([1.0, 1.0]) * np.log(1 / 0.07))
opt = torch.optim.AdamW([*img.parameters(), *txt.parameters()], lr=0.01)
for i in range(4):
    a, b = F.normalize(img(torch.randn(7, 6)), dim=-1), F.normalize(txt(torch.randn(7, 5)), dim=-1)
    logits = scale[0].exp() * a @ b.t()
    labels = torch.arange(7)
    loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2
    feats = torch.cat([a, b])
    sim = F.cosine_similarity(feats[:, None], feats[None], dim=-1)
    mask = torch.eye(14, dtype=torch.bool)
    sim = sim.masked_fill(mask, -9e15)
    pos = mask.roll(shifts=7, dims=0)
    nll = -sim[pos] / 0.5 + torch.logsumexp(sim / 0.5, dim=-1)
    (loss + nll.mean()).backward()
    opt.step()
    opt.zero_grad()
    print(f"clip {i} {loss.item():.4f} {nll.mean().item():.4f}")
# 7. splits and samplers
full = torch.utils.data.TensorDataset(torch.arange(20).float(), torch.arange(20) % 2)
a, b = random_split(full, [15, 5], generator=torch.Generator().manual_seed(42))
both = ConcatDataset([a, b])
print(f"{len(a)} {len(b)} {len(both)} {sorted(int(x) for x, _ in both) == list(range(20))}")
w = WeightedRandomSampler([1.0] * 20, num_samples=8, replacement=True)
print(str(len(list(DataLoader(full, sampler=w, batch_size=4, drop_last=True)))))
