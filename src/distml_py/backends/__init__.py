"""Where graphs are computed: the reference backend (NumPy) and the GPU (WebGL2 through the bridge)."""
