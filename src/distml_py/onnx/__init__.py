"""ONNX files: what a model computes, for other programs to run. Written without any other package."""

from .export import export
