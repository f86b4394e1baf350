"""What is called when gradients pass a module: at its outputs before, at its inputs after its own. Gradients are graphs, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Function
from ..errors import GradientError
from ..tensor import Tensor

Gradients = tuple[Tensor | None, ...]


class _Crossing(Function):
    """The tensors themselves; on the way back `tell` gets the gradients of all at once and answers with those to go on with."""

    @staticmethod
    def forward(ctx: Any, tell: Callable[[Gradients], Gradients], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.tell = tell
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        return (None, *ctx.tell(gradients))


class Passage:
    """One call of a module, whose gradients are shown to its hooks. at_outputs, at_inputs: PyTorch's pre-hooks and hooks."""

    def __init__(self, module: Any, at_outputs: list[Callable[..., Any]], at_inputs: list[Callable[..., Any]]):
        self.module, self.at_outputs, self.at_inputs = module, at_outputs, at_inputs
        self.inputs: list[int] = []
        self.count = 0
        self.sent: Gradients = ()

    def enter(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        self.count = len(inputs)
        self.inputs = [n for n, value in enumerate(inputs) if isinstance(value, Tensor) and value.requires_grad]
        if not self.inputs or not self.at_inputs:
            return inputs
        passed = _Crossing.apply(self._at_inputs, *(inputs[n] for n in self.inputs))
        new = dict(zip(self.inputs, passed, strict=True))
        return tuple(new.get(n, value) for n, value in enumerate(inputs))

    def leave(self, output: Any) -> Any:
        """Raises GradientError where the output is neither a tensor nor a tuple of them."""
        listed = (output,) if isinstance(output, Tensor) else output
        if not isinstance(listed, (tuple, list)):
            what = f"{type(self.module).__name__} returned {type(output).__name__}"
            raise GradientError(f"hooks on gradients need a module that returns a tensor or a tuple of tensors; {what}")
        places = [n for n, value in enumerate(listed) if isinstance(value, Tensor) and value.requires_grad]
        if not places:
            return output

        def tell(gradients: Gradients) -> Gradients:
            found = dict(zip(places, gradients, strict=True))
            sent = self._at_outputs(tuple(found.get(n) for n in range(len(listed))))
            return tuple(sent[n] for n in places)

        new = dict(zip(places, _Crossing.apply(tell, *(listed[n] for n in places)), strict=True))
        if isinstance(output, Tensor):
            return new[0]
        return type(output)(new.get(n, value) for n, value in enumerate(listed))

    def _at_outputs(self, gradients: Gradients) -> Gradients:
        for hook in self.at_outputs:
            gradients = _changed(hook(self.module, gradients), gradients)
        self.sent = gradients
        if not self.inputs:  # nothing goes further back: the module's own gradients are all there is
            for hook in self.at_inputs:
                if hook(self.module, (None,) * self.count, gradients) is not None:
                    raise GradientError("a hook on gradients changed those of inputs, none of which requires grad; return None")
        return gradients

    def _at_inputs(self, gradients: Gradients) -> Gradients:
        found = dict(zip(self.inputs, gradients, strict=True))
        shown: Gradients = tuple(found.get(n) for n in range(self.count))
        for hook in self.at_inputs:
            shown = _changed(hook(self.module, shown, self.sent), shown)
        return tuple(shown[n] for n in self.inputs)


def _changed(answer: Any, before: Gradients) -> Gradients:
    if answer is None:
        return before
    given = (answer,) if isinstance(answer, Tensor) else tuple(answer)
    if len(given) != len(before):
        raise GradientError(f"a hook on gradients returned {len(given)} of them, it was shown {len(before)}")
    return given
