"""A follower's copy of what the leader sends down: it takes the leader's frames and hands them on, made for nobody twice."""

from collections.abc import Sequence

from distml_py import io, wire
from distml_py.errors import FormatError
from distml_py.exchange import exchange_of
from distml_py.manifest import Manifest, rolling

from ..downstream import Downstream, Shown


class Mirror(Downstream):
    """One run's way down, at second hand."""

    def __init__(self, run: wire.Run, first: bytes) -> None:
        """first: the frame of whole weights that it begins with. Raises FormatError."""
        frame = wire.decode(first)
        self.arrays, self.buffers = io.split(frame.tensors)
        super().__init__(run, Manifest({name: array.shape for name, array in self.arrays.items()}))
        self._plain = exchange_of(run.exchange).codec == "fp32"

    @property
    def newest(self) -> int:
        return self._newest

    def there(self, version: int, sha256: str) -> bool:
        """Whether these weights have come. sha256: "" for older ones, which are here or will not come."""
        if not sha256:
            return self._newest >= version
        return version in self._shown and self._shown[version].sha256 == sha256 or self._newest > version

    def take(self, frames: Sequence[bytes], needed: set[int], sha256: str) -> bool:
        """The newest weights, whose hash this is, or older ones that may still be asked for; False when they go back to others.

        Raises FormatError when they do not follow what is here: then whole ones are needed.
        """
        forward = True
        for data in frames:
            header, _ = wire.split_frame(data)
            message = wire.message_from(wire.parse_json(header))
            if isinstance(message, wire.Weights):
                before = self._shown.get(message.version)
                forward = forward and (before is None or before.sha256 == message.sha256)
                self._take_whole(message, data)
            elif isinstance(message, wire.Delta):
                self._take_delta(message, data, sha256)
        self._shown = {v: kept for v, kept in self._shown.items() if v in needed or v == self._newest}
        self._whole = {v: kept for v, kept in self._whole.items() if v in self._shown}
        return forward

    def _take_whole(self, message: wire.Weights, data: bytes) -> None:
        arrays, buffers = ({}, {}) if self._plain else io.split(wire.decode(data).tensors)
        self._shown[message.version] = Shown(message.version, arrays, buffers, message.sha256, message.rolling)
        self._whole[message.version] = data
        if message.version >= self._newest:
            self._newest = message.version
            self._vector = None if self._plain else self._manifest.join(arrays)
            self._deltas.clear()

    def _take_delta(self, message: wire.Delta, data: bytes, sha256: str) -> None:
        if message.version <= self._newest:
            return  # on its way when this coordinator came
        parts, buffers = io.split(wire.decode(data).tensors)
        if message.base != self._newest or self._vector is None:
            raise FormatError(f"a Delta from {message.base} on, and here are the weights {self._newest}")
        vector = self._vector + self._codec.decode(parts, self._vector.size)
        if rolling(vector, self._shown[message.base].rolling) != message.rolling:
            raise FormatError("a Delta did not lead to the weights it should have")
        self._vector, self._newest = vector, message.version
        arrays = self._manifest.part(vector)
        self._shown[message.version] = Shown(message.version, arrays, buffers, sha256, message.rolling)
        self._remember((message.base, message.version, data))
