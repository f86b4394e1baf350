"""Recurrent layers: RNN, LSTM, GRU and their cells. Each step's product with the state is one row of the graph.

Sources: Elman 1990; Hochreiter and Schmidhuber 1997 (with forget gates, Gers et al. 2000); Cho et al. 2014.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import creation
from ..errors import DtypeError, ShapeError
from ..op import bool_
from ..tensor import Tensor, cat, where
from . import functional as F
from .init import uniform_
from .module import Module
from .starts import uniform
from .utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State, "Weights"], State]


class Weights:
    """One direction of one layer. hidden: what turns the state; out: LSTM's projection."""

    def __init__(self, hidden: Tensor, bias: Tensor | None, out: Tensor | None = None):
        self.hidden, self.bias, self.out = hidden, bias, out


def _elman(activation: Callable[[Tensor], Tensor]) -> Step:
    def step(given: Tensor, state: State, weights: Weights) -> State:
        return (activation(given + F.linear(state[0], weights.hidden, weights.bias)),)

    return step


def _lstm(given: Tensor, state: State, weights: Weights) -> State:
    gates = (given + F.linear(state[0], weights.hidden, weights.bias)).chunk(4, -1)
    inside, forget, outside = gates[0].sigmoid(), gates[1].sigmoid(), gates[3].sigmoid()
    cell = forget * state[1] + inside * gates[2].tanh()
    hidden = outside * cell.tanh()
    return (hidden if weights.out is None else F.linear(hidden, weights.out)), cell


def _gru(given: Tensor, state: State, weights: Weights) -> State:
    mine, turned = given.chunk(3, -1), F.linear(state[0], weights.hidden, weights.bias).chunk(3, -1)
    reset, update = (mine[0] + turned[0]).sigmoid(), (mine[1] + turned[1]).sigmoid()
    new = (mine[2] + reset * turned[2]).tanh()
    return (new + update * (state[0] - new),)


STEPS: dict[str, tuple[int, Step]] = {
    "RNN_TANH": (1, _elman(F.tanh)),
    "RNN_RELU": (1, _elman(F.relu)),
    "LSTM": (4, _lstm),
    "GRU": (3, _gru),
}


def _stacked(parts: list[Tensor]) -> Tensor:
    """Joined along a new first dimension, in pairs: each part is copied log(n) times, not n."""
    rows = [part.unsqueeze(0) for part in parts]
    while len(rows) > 1:
        rows = [cat(rows[n : n + 2]) for n in range(0, len(rows), 2)]
    return rows[0]


def _apart(whole: Tensor) -> list[Tensor]:
    """Its rows, cut in halves again and again: so their gradients are put together in log(n) sums of all rows, not n."""
    parts = [whole]
    while any(part.shape[0] > 1 for part in parts):
        halves = ((part[: part.shape[0] // 2], part[part.shape[0] // 2 :]) for part in parts)
        parts = [half for pair in halves for half in pair if half.shape[0]]
    return [part.squeeze(0) for part in parts]


class RNNBase(Module):
    """What RNN, LSTM and GRU share: (time, n, input_size) to (time, n, directions * size), and the last states.

    weight_ih_l0 (gates * hidden_size, input_size), weight_hh_l0, bias_ih_l0, bias_hh_l0, then the other direction with
    _reverse, then the next layer. Without a batch (time, input_size); batch_first: (n, time, input_size).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ):
        super().__init__()
        if mode not in STEPS or num_layers < 1 or min(input_size, hidden_size) < 1 or not 0 <= dropout <= 1:
            raise ShapeError(
                f"{mode}: input_size {input_size}, hidden_size {hidden_size} and num_layers {num_layers} are at least 1, "
                f"dropout {dropout} in [0, 1]"
            )
        if proj_size < 0 or proj_size >= hidden_size or (proj_size and mode != "LSTM"):
            raise ShapeError(f"{mode}: proj_size is for LSTM, at least 0 and below hidden_size {hidden_size}, got {proj_size}")
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        gates, size = STEPS[mode][0], proj_size or hidden_size
        bound = 1 / math.sqrt(hidden_size)
        for layer in range(num_layers):
            wide = size * (1 + bidirectional) if layer else input_size
            for end in self._ends(layer):
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (gates * hidden_size, wide),
                    "weight_hh": (gates * hidden_size, size),
                }
                shapes |= {"bias_ih": (gates * hidden_size,), "bias_hh": (gates * hidden_size,)} if bias else {}
                shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
                for name, shape in shapes.items():
                    setattr(self, name + end, uniform(shape, -bound, bound))

    def reset_parameters(self) -> None:
        """The first numbers again, drawn anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound)

    def _ends(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        ends = [end for layer in range(self.num_layers) for end in self._ends(layer)]
        return [[self._parameters[name + end] for name in names if name + end in self._parameters] for end in ends]

    def flatten_parameters(self) -> None:
        """For PyTorch's sake: here the weights lie as they lie."""

    def _sizes(self) -> tuple[int, ...]:
        """How wide each part of the state is."""
        return (self.proj_size or self.hidden_size, self.hidden_size) if self.mode == "LSTM" else (self.hidden_size,)

    def _started(self, hx: Any, batched: bool, n: int, like: Tensor) -> State:
        """The first states, (layers * directions, n, size) each; zeros where none are given."""
        count = self.num_layers * (1 + self.bidirectional)
        wanted = [(count, n, size) for size in self._sizes()]
        if hx is None:
            return tuple(creation.zeros(shape, dtype=like.dtype) for shape in wanted)
        given = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        parts = tuple(part if batched or part.ndim != 2 else part.unsqueeze(1) for part in given)
        if [part.shape for part in parts] != wanted:
            raise ShapeError(f"{self.mode}: the state's shapes are {[part.shape for part in given]}, {wanted} are needed")
        return parts

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if not isinstance(input, Tensor):
            raise DtypeError(f"{self.mode} takes a tensor or a PackedSequence, got {type(input).__name__}")
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ShapeError(f"{self.mode} needs (time, n, {self.input_size}) or (time, {self.input_size}), got {input.shape}")
        batched = input.ndim == 3
        x = input.unsqueeze(1) if not batched else input.transpose(0, 1) if self.batch_first else input
        if not x.shape[0]:
            raise ShapeError(f"{self.mode} needs at least one step, got {input.shape}")
        state = self._started(hx, batched, x.shape[1], x)
        x, finals = self._layers(x, state, None)
        if not batched:
            x, finals = x.squeeze(1), tuple(part.squeeze(1) for part in finals)
        elif self.batch_first:
            x = x.transpose(0, 1)
        return x, finals if self.mode == "LSTM" else finals[0]

    def _packed(self, input: PackedSequence, hx: Any) -> Any:
        """Sequences of several lengths: a state stays what it is where its sequence has no step."""
        order, back = input.sorted_indices, input.unsorted_indices
        x, lengths = pad_packed_sequence(input._replace(sorted_indices=None, unsorted_indices=None))
        if x.ndim != 3 or x.shape[-1] != self.input_size:
            raise ShapeError(f"{self.mode} needs a PackedSequence of lines of {self.input_size}, got {input.data.shape}")
        state = self._started(hx, True, x.shape[1], x)
        if hx is not None and order is not None:
            state = tuple(part.index_select(1, order) for part in state)
        there = [Tensor([[step < length] for length in lengths.tolist()], bool_) for step in range(x.shape[0])]
        x, finals = self._layers(x, state, there)
        if back is not None:
            finals = tuple(part.index_select(1, back) for part in finals)
        packed = pack_padded_sequence(x, lengths)._replace(sorted_indices=order, unsorted_indices=back)
        return packed, finals if self.mode == "LSTM" else finals[0]

    def _layers(self, x: Tensor, state: State, there: list[Tensor] | None) -> tuple[Tensor, State]:
        """All layers over x (time, n, size). there: for each step which sequences have it; None: all."""
        last: list[State] = []
        for layer in range(self.num_layers):
            outs = []
            for number, end in enumerate(self._ends(layer)):
                first = tuple(part[layer * (1 + self.bidirectional) + number] for part in state)
                out, final = self._run(x, first, end, number == 1, there)
                outs.append(out)
                last.append(final)
            x = cat(outs, -1) if len(outs) > 1 else outs[0]
            if layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        return x, tuple(_stacked([one[part] for one in last]) for part in range(len(state)))

    def _run(self, x: Tensor, state: State, end: str, backwards: bool, there: list[Tensor] | None) -> tuple[Tensor, State]:
        """One direction of one layer over all steps. Returns its outputs (time, n, size) and the last state."""
        bias = getattr(self, "bias_ih" + end, None)
        weights = Weights(
            getattr(self, "weight_hh" + end), getattr(self, "bias_hh" + end, None), getattr(self, "weight_hr" + end, None)
        )
        rows = _apart(F.linear(x, getattr(self, "weight_ih" + end), bias))  # one product for all steps
        step, outs = STEPS[self.mode][1], []
        for number in reversed(range(len(rows))) if backwards else range(len(rows)):
            now = step(rows[number], state, weights)
            state = now if there is None else tuple(where(there[number], new, old) for new, old in zip(now, state, strict=True))
            outs.append(state[0])
        return _stacked(outs[::-1] if backwards else outs), state

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        text += f", proj_size={self.proj_size}" if self.proj_size else ""
        text += f", num_layers={self.num_layers}" if self.num_layers != 1 else ""
        text += f", bias={self.bias}" if not self.bias else ""
        text += f", batch_first={self.batch_first}" if self.batch_first else ""
        text += f", dropout={self.dropout}" if self.dropout else ""
        return text + (f", bidirectional={self.bidirectional}" if self.bidirectional else "")


class RNN(RNNBase):
    """h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. Returns (outputs, last h). See RNNBase."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ShapeError(f"RNN: nonlinearity is 'tanh' or 'relu', got {nonlinearity!r}")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Gates in the order input, forget, cell, output. Returns (outputs, (last h, last c)). See RNNBase.

    proj_size: h is a product of its own with weight_hr_l0 (proj_size, hidden_size).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ):
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size)


class GRU(RNNBase):
    """Gates in the order reset, update, new. Returns (outputs, last h). See RNNBase."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ):
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)


class RNNCellBase(Module):
    """One step: (n, input_size) or (input_size,), and the state before it. weight_ih, weight_hh, bias_ih, bias_hh."""

    mode = ""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        bound, rows = 1 / math.sqrt(hidden_size), STEPS[self.mode or "RNN_TANH"][0] * hidden_size
        self.weight_ih, self.weight_hh = uniform((rows, input_size), -bound, bound), uniform((rows, hidden_size), -bound, bound)
        self.bias_ih = uniform((rows,), -bound, bound) if bias else None
        self.bias_hh = uniform((rows,), -bound, bound) if bias else None

    def reset_parameters(self) -> None:
        """The first numbers again, drawn anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound)

    def _next(self, mode: str, input: Tensor, state: State | None) -> State:
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(f"{self._get_name()} needs (n, {self.input_size}) or ({self.input_size},), got {input.shape}")
        if state is None:
            zeros = creation.zeros((*input.shape[:-1], self.hidden_size), dtype=input.dtype)
            state = (zeros, zeros) if mode == "LSTM" else (zeros,)
        row = input.unsqueeze(0) if input.ndim == 1 else input
        parts = tuple(part.unsqueeze(0) if input.ndim == 1 else part for part in state)
        given = F.linear(row, self.weight_ih, self.bias_ih)
        found = STEPS[mode][1](given, parts, Weights(self.weight_hh, self.bias_hh))
        return tuple(part.squeeze(0) for part in found) if input.ndim == 1 else found

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else f", bias={self.bias}")


class RNNCell(RNNCellBase):
    """One step of RNN. Returns h."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh"):
        if nonlinearity not in ("tanh", "relu"):
            raise ShapeError(f"RNNCell: nonlinearity is 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._next(f"RNN_{self.nonlinearity.upper()}", input, None if hx is None else (hx,))[0]

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """One step of LSTM. Returns (h, c)."""

    mode = "LSTM"

    def forward(self, input: Tensor, hx: State | None = None) -> State:
        return self._next("LSTM", input, None if hx is None else tuple(hx))


class GRUCell(RNNCellBase):
    """One step of GRU. Returns h."""

    mode = "GRU"

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._next("GRU", input, None if hx is None else (hx,))[0]
