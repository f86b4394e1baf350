"""This library under the names torch and torchvision, for programs written for them: as_torch(), and run_program()."""

from .finder import as_torch
from .program import execute, run_program, told
