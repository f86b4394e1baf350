"""Where graphs are computed: the reference backend (NumPy), the GPU (WebGL2 through the bridge). And PyTorch's torch.backends."""

from .settings import cuda, cudnn, mkl, mkldnn, mps, openmp, opt_einsum
