"""Programs that import torch run on this library: what they import, what they are told, how they end."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

import distml_py as dm
from distml_py.errors import MissingModuleError, UnsupportedError
from distml_py.stand_in import as_torch, run_program

IMPORTS = """
import torch
import torch.nn as nn
from torch import Tensor, nn as layers
from torch.nn import functional as F
import torch.nn.functional as F2
import torch.optim as optim
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import StepLR
from torch.optim.optimizer import Optimizer
from torch.utils.data import DataLoader, Dataset, random_split
from torch.utils.data.sampler import SubsetRandomSampler
from torch.utils.tensorboard import SummaryWriter
from torch.utils.checkpoint import checkpoint
from torch.autograd import Variable, Function
from torch.nn.parameter import Parameter
from torch.nn.modules.utils import _pair, consume_prefix_in_state_dict_if_present
from torch.nn.modules.loss import CrossEntropyLoss
from torch.nn.modules.module import Module, _addindent
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.common_types import _size_2_t, _size_any_t
from torch.nn.utils.clip_grad import clip_grad_norm_
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.rnn import invert_permutation
from torch.nn.utils.stateless import functional_call
from torch.utils.data._utils.collate import default_collate
from torch.autograd.function import Function as F3, InplaceFunction, once_differentiable
from torch.distributions.normal import Normal as N2
from torch.distributions.categorical import Categorical as C2
from torch.distributions.multivariate_normal import MultivariateNormal
from torch.distributions.kl import kl_divergence, register_kl
from torch.distributions.utils import broadcast_all, probs_to_logits, logits_to_probs, clamp_probs
from torch.distributions import kl, utils, constraints, transforms
from torch.random import fork_rng, get_rng_state, set_rng_state
from torch.serialization import add_safe_globals, safe_globals
from torch.types import Device, Number, _size
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
import functorch
from torch.nn.utils.rnn import pad_sequence
from torch.cuda.amp import autocast, GradScaler
from torch.amp import autocast as autocast2
from torch.distributions import Categorical, Normal
import torch.backends.cudnn as cudnn
import torch.distributed as dist
import torch.multiprocessing as mp
import torchvision
import torchvision.transforms as T
from torchvision import datasets, models, transforms, utils
from torchvision.transforms import functional as TF, v2
from torchvision.utils import make_grid, save_image
assert nn.Linear is layers.Linear and F.relu is F2.relu and Parameter is nn.Parameter and CrossEntropyLoss is nn.CrossEntropyLoss
assert isinstance(torch.zeros(2), torch.Tensor) and isinstance(torch.zeros(2), Tensor) and type(torch.ones(1)) == Tensor
assert isinstance(nn.Linear(1, 1).weight, torch.Tensor) and not isinstance(3, torch.Tensor)
assert torch.Tensor([1, 2]).tolist() == [1.0, 2.0] and torch.Tensor(2, 3).shape == (2, 3) and torch.LongTensor([3]).tolist() == [3]
assert torch.Tensor([1, 2]).is_floating_point() and torch.Tensor.relu(torch.ones(1)).item() == 1
wrapped = {"module.a": 1, "b": 2}
consume_prefix_in_state_dict_if_present(wrapped, "module.")
assert wrapped == {"a": 1, "b": 2}
assert not hasattr(torch, "ops") and not hasattr(torch, "complex")
assert _pair(3) == (3, 3) and _pair((1, 2)) == (1, 2)
"""

PASS_THROUGH = """
import torch
import torch.backends.cudnn as cudnn
cudnn.benchmark, torch.backends.cudnn.deterministic, torch.backends.cuda.matmul.allow_tf32 = True, True, True
torch.manual_seed(1); torch.cuda.manual_seed_all(1); torch.set_num_threads(2); torch.set_float32_matmul_precision("high")
use_cuda = torch.cuda.is_available() or torch.backends.mps.is_available() or torch.xpu.is_available()
assert not torch.accelerator.is_available()
assert not use_cuda and torch.cuda.device_count() == 0 and torch.version.cuda is None and not torch.distributed.is_available()
device = torch.device("cuda:0" if use_cuda else "cpu")
assert torch.device("cuda", 1) == torch.device("cuda:1") and device.type == "cpu" and torch.zeros(1).device == device
torch.set_default_device("cpu"); torch.set_default_tensor_type(torch.FloatTensor); torch.set_default_dtype(torch.float32)
model = torch.nn.DataParallel(torch.nn.Linear(2, 1)).to(device)
assert list(model.state_dict()) == ["module.weight", "module.bias"]
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cuda", enabled=use_cuda)
with torch.autocast(device_type="cpu", dtype=torch.bfloat16), torch.cuda.amp.autocast(enabled=False):
    loss = torch.compile(model)(torch.ones(4, 2).to(device, non_blocking=True).pin_memory()).mean()
scaler.scale(loss).backward(); scaler.unscale_(optimizer); scaler.step(optimizer); scaler.update()
@torch.compile
def double(x):
    return x * 2
@torch.jit.script
def half(x):
    return x / 2
assert half(double(torch.ones(1))).item() == 1 and torch.jit.script(model) is model
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.arange(6)), batch_size=4, num_workers=2, pin_memory=True)
assert [len(batch[0]) for batch in loader] == [4, 2]
with torch.random.fork_rng():
    inside = torch.rand(2).tolist()
assert not torch.is_autocast_enabled() and torch.rand(2).tolist() == inside and 1.0 in torch.eye(2) and 3 not in torch.eye(2)
torch.multiprocessing.spawn(lambda rank, word: print(rank, word), args=("here",), nprocs=1)
"""


LATE = """
import torch
from torch.func import vmap
from torch.utils.data import IterDataPipe as Sampler
y = torch.zeros(2, 2)
assert torch.matmul(torch.eye(2), torch.ones(2, 2), out=y) is y and y.tolist() == [[1, 1], [1, 1]]
values, places = torch.zeros(1), torch.zeros(1, dtype=torch.long)
torch.max(torch.tensor([[1.0, 3.0]]), 1, out=(values, places)); assert (values.item(), places.item()) == (3, 1)
assert torch.add(torch.ones(3), 1, out=torch.zeros(0)).tolist() == [2, 2, 2]
x = torch.arange(6).view(2, 3)
assert x[range(2), [1, 2]].tolist() == [1, 5] and x[(0, 1), (0, 0)].tolist() == [0, 3] and not isinstance(x, Sampler)
assert not hasattr(torch.utils.data, "IterDataPipe")
F = torch.nn.functional
assert F.softmax(torch.ones(2, 4)).sum(1).tolist() == [1, 1] and F.log_softmax(torch.ones(4), dtype=torch.float32).shape == (4,)
assert F.softmax(torch.ones(2, 4), dim=-1, dtype=torch.float32).shape == (2, 4)
assert torch.zeros_like(x, memory_format=torch.preserve_format).sum() == 0
x.view(1, 2, 3, 1).contiguous(memory_format=torch.channels_last)
"""


def run(code: str, *arguments: str) -> tuple[int, str]:
    errors = io.StringIO()
    return run_program("program.py", arguments, code=code, errors=errors), errors.getvalue()


@pytest.mark.parametrize("code", [IMPORTS, PASS_THROUGH, LATE], ids=["imports", "pass through", "out and late"])
def test_what_ordinary_programs_import_and_ask_is_there(code: str) -> None:
    assert run(code) == (0, "")


def test_a_program_is_main_and_has_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.argv, list(sys.path), sys.modules["__main__"]
    code = "import sys, torch\nprint(__name__, sys.argv, sys.modules['__main__'].torch is torch, torch.__version__ > '2')"
    assert run(code, "--epochs", "3") == (0, "")
    assert capsys.readouterr().out == "__main__ ['program.py', '--epochs', '3'] True True\n"
    assert before == (sys.argv, sys.path, sys.modules["__main__"])


@pytest.mark.parametrize(
    ("code", "rc", "told"),
    [
        ("raise SystemExit", 0, ""),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('no data')", 1, "no data\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import torch\n\ntorch.ones(2) @ torch.ones(3)", 1, '  File "program.py", line 3, in <module>\n    torch.ones(2)'),
        ("import torch\ntorch.geqrf", 1, "not implemented: torch.geqrf; nearest is"),
        ("import torch.fx", 1, "not implemented: torch.fx; nearest is the module's own Python"),
        ("import torchvision.ops.boxes", 1, "not implemented: torchvision.ops; nearest is its formula"),
        ("from torch.utils.data import IterDataPipe\nIterDataPipe([1])", 1, "line 2, in <module>"),
        ("from torch.utils.data import IterDataPipe as D\nD([1])", 1, "not implemented: torch.utils.data.IterDataPipe"),
        ("import torch.flibber", 1, "No module named 'torch.flibber'"),
        ("import torch.distributed as d\nd.init_process_group('nccl')", 1, "torch.distributed.is_available() = False"),
        ("import torch.multiprocessing as mp\nmp.spawn(print, nprocs=2)", 1, "nearest is one process, or a recipe"),
        ("import torch\ntorch.cuda.set_device(0)", 1, "there is no CUDA here: torch.cuda.is_available() is False"),
        ("import torch\ntorch.jit.save(None, 'x')", 1, "nearest is torch.save(module.state_dict(), file)"),
        ("import torchvision\ntorchvision.models.resnet18(weights='DEFAULT')", 1, "with trained weights, nothing is downloaded"),
        ("import torchvision\ntorchvision.datasets.CelebA('x')", 1, "not implemented: torchvision.datasets.CelebA"),
        ("import torch\ntorch.fft.fft(1)", 1, "not implemented: torch.fft"),
        ("from torchvision import datasets\ndatasets.MNIST('nowhere', download=True)", 1, "nearest is to give train-images-idx3"),
    ],
)
def test_a_program_ends_as_python_would_end_it(code: str, rc: int, told: str) -> None:
    found, errors = run(code)
    assert found == rc and told in errors
    assert str(Path(dm.__file__).parent) not in errors, "the traceback shows the program's own lines"


def test_a_program_leaves_nothing_to_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "import beside, torch\nassert torch.is_grad_enabled()\ntorch.set_grad_enabled(False)\nprint(beside.name)"
    for name in ("first", "second one"):
        (tmp_path / "beside.py").write_text(f"import torch\nname = {name!r}\n")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert run(code) == (0, "")
        assert said.getvalue() == f"{name}\n"
        assert dm.is_grad_enabled() and "beside" not in sys.modules


def test_torch_is_the_real_one_before_and_after() -> None:
    import torch

    with as_torch():
        import torch as ours

        assert ours.Tensor != torch.Tensor and ours.nn.Linear is dm.nn.Linear
        assert sys.modules["torch"] is ours
    assert sys.modules["torch"] is torch
    before = list(sys.meta_path)
    stand = dm.as_torch()
    stand.remove()
    stand.remove()
    assert sys.meta_path == before and sys.modules["torch"] is torch


def test_a_missing_module_is_an_import_error() -> None:
    with as_torch(), pytest.raises(ImportError) as caught:
        import torch.fx  # noqa: F401
    assert isinstance(caught.value, MissingModuleError) and isinstance(caught.value, UnsupportedError)


def test_distml_py_itself_can_be_imported_as_torch() -> None:
    code = PASS_THROUGH.replace("import torch\n", "import distml_py as torch\n").replace("import torch.backends.cudnn as cudnn", "")
    code = (
        code.replace("cudnn.benchmark, ", "")
        .replace("torch.compile(model)", "model")
        .replace("@torch.compile", "")
        .replace("True, True, True", "True, True")
    )
    assert run(code) == (0, "")


def test_the_command_runs_a_program_beside_its_own_modules(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("import torch\ndef two():\n    return torch.tensor(2)\n")
    (tmp_path / "main.py").write_text("import sys\nfrom beside import two\nprint(two().item(), sys.argv[1:])\nsys.exit(5)\n")
    command = [sys.executable, "-m", "distml_server", "run", "--as-torch", str(tmp_path / "main.py"), "--lr", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (5, "2 ['--lr', '1']\n", "")


def test_a_model_as_a_function_of_its_parameters_by_functorchs_older_words() -> None:
    with as_torch():
        import functorch  # type: ignore[import-not-found, unused-ignore]

        models = [dm.nn.Sequential(dm.nn.Linear(3, 2), dm.nn.BatchNorm1d(2)).eval() for _ in range(2)]
        x = dm.randn(4, 3)
        call, parameters, buffers = functorch.make_functional_with_buffers(models[0])
        assert call(parameters, buffers, x).tolist() == models[0](x).tolist() and len(parameters) == 4 and len(buffers) == 3
        changed = call([parameter * 2 for parameter in parameters], buffers, x)
        assert changed.tolist() != models[0](x).tolist() and models[0][0].weight is not parameters[0]
        plain, weights = functorch.make_functional(models[0][0])
        gradient = functorch.grad(lambda given: plain(given, x).sum())(weights)
        assert gradient[1].tolist() == [4.0, 4.0]
        call, parameters, buffers = functorch.combine_state_for_ensemble(models)
        both = functorch.vmap(call, (0, 0, None))(parameters, buffers, x)
        for found, model in zip(both, models, strict=True):
            assert dm.allclose(found, model(x))


def test_the_generator_of_all_draws_is_there() -> None:
    dm.default_generator.manual_seed(3)
    first = dm.rand(2, generator=dm.default_generator).tolist()
    dm.manual_seed(3)
    assert dm.rand(2).tolist() == first and dm.default_generator.initial_seed() == dm.initial_seed() == 3
    known = dm.default_generator.get_state()
    second = dm.rand(2).tolist()
    dm.default_generator.set_state(known)
    assert dm.rand(2).tolist() == second
