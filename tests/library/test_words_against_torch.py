"""Short sentences of programs: what they show, or the kind of error they end in, is PyTorch's. Ops have their own judges."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from distml_py.stand_in import facade

KINDS = (AssertionError, KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError)
SENTENCES = """
(3,) + torch.Size([1, 2]), torch.Size([1]) + (2,), torch.broadcast_shapes((2, 1), (3,))
1 << torch.arange(3), 8 >> torch.arange(3)
torch.arange(4).view(2, 2)[torch.tensor(True)], torch.arange(2)[True].shape, torch.arange(2)[False].shape
torch.zeros(0, 3).max(0)
torch.zeros(0).argmax()
torch.zeros(0).logsumexp(0), torch.zeros(2, 0).logsumexp(1, keepdim=True), torch.zeros(0).median()
torch.tensor([[1, 2, 2], [3, 3, 1]]).mode(), torch.arange(3.0).nanmedian(0), torch.arange(3.0).aminmax()
torch.histogram(torch.arange(5.0), 2), torch.linalg.qr(torch.zeros(1, 1)), torch.linalg.lu(torch.eye(1))
torch.ones(3).expand(-1, 3)
torch.arange(3).masked_fill(torch.arange(3) > 1, float("-inf"))
torch.arange(3).masked_fill(torch.arange(3) > 1, 1.5), (torch.arange(3) > 1).masked_fill(torch.arange(3) > 0, 0)
torch.xlogy(torch.zeros(3), torch.tensor([0, float("inf"), float("nan")])), torch.logit(torch.tensor([0, 0.5, 1]))
torch.fmax(torch.tensor([1, float("nan"), 2]), torch.tensor([float("nan"), 3, 2]))
torch.fmin(torch.tensor([1, float("nan"), 2]), torch.tensor([float("nan"), 3, 2])), torch.fmax(torch.arange(2), torch.tensor(0.5))
F.softplus(torch.tensor([-80, -10, 0, 10, 19, 21, 100, float("inf"), -float("inf"), float("nan")]))
F.logsigmoid(torch.tensor([-100.0, -1, 0, 1, 9])), F.softplus(torch.tensor([-3.0, 3]), beta=2, threshold=1)
torch.ones(2).__delitem__(0)
setattr(torch.ones(2, requires_grad=True), "grad", torch.ones(3))
nn.TripletMarginWithDistanceLoss()
torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
torch.distributions.MultivariateNormal(torch.zeros(2), scale_tril=torch.eye(2))
torch.utils.data.default_collate([("a", 1), ("b", 2)]), torch.utils.data.default_collate(["a", "b"])
torch.ones(3, requires_grad=True).std(), torch.std_mean(torch.tensor([1.0, 3.0]))
[s for s in [torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.ones(1)], lr=0.1), 2)] if print(s._step_count)]
nn.BatchNorm1d(1).load_state_dict({k: v for k, v in vars(nn.BatchNorm1d(1))["_buffers"].items() if "run" in k}, strict=False)
nn.BatchNorm1d(1, affine=False).load_state_dict({"running_mean": torch.zeros(1), "running_var": torch.ones(1)})
Early()
f"{torch.tensor(3.14159):.2f}", "%.3f" % torch.tensor(2.0), f"{torch.tensor(3):d}", str(torch.ones(2)), f"{torch.tensor(True)}"
torch.histc(torch.zeros(0), 2), torch.zeros(0, 2).prod(), torch.zeros(2, 0).prod(1), torch.zeros(0, dtype=torch.int64).prod()
[torch.autograd.grad(x.prod(), x) for x in [torch.zeros(0, 3, requires_grad=True)]]
[torch.autograd.grad(torch.atan2(x, x).sum() + torch.atan2(x, 2 * x).sum(), x) for x in [torch.zeros(2, requires_grad=True)]]
[torch.autograd.grad(x.as_strided((2, 2), (1, 2)).sum(), x) for x in [torch.arange(6.0).view(2, 3).requires_grad_()]]
isinstance(torch.manual_seed(1), torch.Generator), torch.Generator().device, torch.manual_seed(5).initial_seed()
torch.empty(2, layout=torch.strided).shape, torch.ones(1).layout == torch.strided, reversed(torch.arange(4).view(2, 2))
nn.Embedding(3, 2, _weight=torch.ones(3, 2)).weight, nn.Embedding(3, 2, _weight=torch.ones(3, 2), _freeze=True).weight.requires_grad
nn.EmbeddingBag(3, 2, mode="sum", _weight=torch.ones(3, 2)), nn.EmbeddingBag.from_pretrained(torch.eye(3), mode="max").weight
F.hardtanh(torch.arange(-2, 3)), F.hardtanh(torch.arange(4), 0.5, 2.5), F.relu6(torch.arange(9))
float(torch.ones(1, 1)), int(torch.tensor(2.7)), [1, 2, 3][torch.tensor(1)], list(range(torch.tensor(3))), torch.tensor(3) in [3]
torch.distributions.Normal(torch.zeros(1).half(), 2.0).scale, torch.distributions.Gamma(2.0, torch.ones(1).half()).concentration
torch.ones(2).new(), torch.ones(1).name, torch.ones(1).is_conj(), torch.ones(1).is_neg(), torch.ones(1).is_inference()
torch.arange(3.0).hardshrink(1.0), torch.ones(2).neg().prelu(torch.tensor([0.5])), torch.ones(1).half().lgamma()
torch.ones(1, device="cuda")
torch.ones(1).cuda()
torch.arange(3).mean()
torch.tensor([[True, False]]).max(1), torch.tensor([[True, False], [True, True]]).min(0), torch.tensor(True).max(0)
torch.tensor([0, 2], dtype=torch.uint8).any(), torch.tensor([[0, 2]], dtype=torch.uint8).all(1), torch.arange(3).any(dim=())
torch.arange(3).sum(dtype=torch.bool), torch.arange(3.0).prod(dtype=torch.bool), torch.ones(2, 2).sum(1, dtype=torch.bool)
torch.cat([torch.ones(0), torch.arange(2)[None]], 0), torch.cat([torch.zeros(0).long(), torch.ones(1, 2).bool()])
torch.tensor([3, 4], dtype=torch.uint8).round_(), torch.arange(2).round(), torch.tensor([True, False]).logit()
F.softmin(torch.arange(2.0).view(1, 2)), F.linear(torch.ones(2, 3), torch.arange(3.0)), torch.ones(2).layout
torch.ones(3, 3)[torch.tensor([0, 1]), torch.tensor([0, 1, 2])]
nn.MultiheadAttention(4, 3)
nn.MultiheadAttention(4, 2)(torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 3))
nn.Embedding(3, 2, 5)
torch.tensor([1, 2]) // torch.tensor([1, 0])
torch.tensor([1e-10, 1]), torch.tensor([1e5, 1e-5]), torch.tensor([float("nan"), 1]), torch.arange(2000), torch.zeros(2, 0)
"""


class Names:
    """A library, and what programs have imported of it and beside it."""

    def __init__(self, lib: Any):
        class Early(lib.nn.Module):
            def __init__(self) -> None:
                self.layer = lib.nn.ReLU()

        self.names = {"torch": lib, "nn": lib.nn, "F": lib.nn.functional, "np": np, "copy": copy, "Early": Early}

    def said(self, sentence: str) -> str:
        try:
            return repr(eval(sentence, dict(self.names)))
        except Exception as error:
            return ", ".join(kind.__name__ for kind in KINDS if isinstance(error, kind))


@pytest.mark.parametrize("sentence", SENTENCES.strip().splitlines())
def test_a_sentence_shows_what_it_shows_in_pytorch(sentence: str) -> None:
    ours, theirs = Names(facade).said(sentence), Names(torch).said(sentence)
    assert ours == theirs or set(ours.split(", ")) & set(theirs.split(", ")) & {kind.__name__ for kind in KINDS}
