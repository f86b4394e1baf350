"""PyTorch's torch.version, for scripts that ask: there is no CUDA, no HIP."""

cuda = hip = xpu = None
debug = False
git_version = "unknown"
