"""Files: PyTorch's checkpoints (torch.save, torch.load), safetensors, and bundles that training goes on from exactly."""

from .bundle import load_bundle, save_bundle
from .snippet import pytorch_snippet
from .tensor_files import load_file, save_file
from .torch_files import load, save
