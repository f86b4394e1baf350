"""Codecs: their bytes, what they keep, that nothing is lost for good, and what decode() refuses. uplink's tensors agree."""

import gc
import zlib

import numpy as np
import pytest

from distml_py import Tensor, codecs, encoders, engine
from distml_py.codecs import DOWN, PREFIX, UP, Feedback, TopK
from distml_py.errors import FormatError, NonFiniteError
from distml_py.graph import Node
from distml_py.manifest import Manifest, rolling
from distml_py.uplink import Uplink

VECTOR = np.array([0.5, -1.0, 0.0, 127.0, 3.25, -126.0], np.float32)

# of VECTOR, in hexadecimal
GOLDEN = {
    "fp32": {"values": "0000003f000080bf000000000000fe4200005040" + "0000fcc2"},
    "fp16": {"values": "003800bc0000f0578042e0d7"},
    "int8": {"values": "807f80ff8302", "scales": "0000803f"},  # 0.5 goes to the even neighbour 0
    "topk": {"gaps": "03", "values": "ff", "scales": "0000803f"},
}


@pytest.mark.parametrize("name", list(UP))
def test_a_codec_has_its_golden_bytes(name: str) -> None:
    parts = UP[name].encode(VECTOR)
    assert {part: array.tobytes().hex() for part, array in parts.items()} == {PREFIX + p: b for p, b in GOLDEN[name].items()}


def test_gaps_longer_than_a_byte_go_on_in_the_next() -> None:
    vector = np.zeros(2000, np.float32)
    vector[[0, 255, 511, 1999]] = [1, -1, 1, 1]  # gaps of 0, 254, 255 and 1487
    parts = TopK(4 / 2000).encode(vector)
    assert parts[PREFIX + "gaps"].tolist() == [0, 254, 255, 0, 255, 255, 255, 255, 255, 1487 - 5 * 255]
    assert np.array_equal(UP["topk"].decode(parts, 2000), vector)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 7178])
def test_what_is_decoded_is_as_near_as_the_codec_promises(size: int) -> None:
    vector = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    found = {name: codec.decode(codec.encode(vector), size) for name, codec in UP.items()}
    assert np.array_equal(found["fp32"], vector)
    assert np.allclose(found["fp16"], vector, rtol=2**-11, atol=2**-25)
    largest = [np.abs(vector[first : first + 256]).max() for first in range(0, size, 256)]
    assert (np.abs(found["int8"] - vector) <= np.repeat(largest, 256)[:size] / 254 * 1.001).all()
    kept = np.nonzero(found["topk"])[0]
    assert len(kept) == max(1, round(size / 100))
    assert np.abs(vector[kept]).min() >= np.sort(np.abs(vector))[-len(kept)]
    assert np.abs(found["topk"][kept] - vector[kept]).max() <= np.abs(vector).max() / 254 * 1.001


@pytest.mark.parametrize(("name", "most"), [("fp16", 0.501), ("int8", 0.2541), ("topk", 0.0075)])
def test_bytes_against_fp32(name: str, most: float) -> None:
    vector = np.random.default_rng(0).standard_normal(101_770).astype(np.float32)
    assert sum(array.nbytes for array in UP[name].encode(vector).values()) <= most * vector.nbytes


def test_topk_sends_more_while_a_run_begins_and_of_more_steps() -> None:
    vector = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    counts = [UP["topk"].encode(vector, progress)[PREFIX + "values"].size for progress in (0.0, 0.03, 0.06, 0.5, 1.0)]
    assert counts == [50, 25, 12, 10, 10]
    assert DOWN["topk"].encode(vector)[PREFIX + "values"].size == 45
    counts = [UP["topk"].encode(vector, steps=steps)[PREFIX + "values"].size for steps in (1, 4, 16, 1024)]
    assert counts == [10, 28, 80, 1000], "a round of many steps changes more places, and costs less a step"


@pytest.mark.parametrize("name", ["fp16", "int8", "topk"])
def test_what_one_encoding_leaves_out_is_in_the_next_ones(name: str) -> None:
    rng = np.random.default_rng(1)
    feedback, codec = Feedback(UP[name], 400), UP[name]
    sent = wanted = np.zeros(400, np.float64)
    for number in range(20):
        vector = rng.standard_normal(400).astype(np.float32)
        wanted = wanted + vector
        sent = sent + codec.decode(feedback.encode(vector, str(number)), 400)
    assert np.allclose(sent + feedback.rest, wanted, atol=1e-4)
    assert np.abs(feedback.rest).max() > 0


def test_an_answer_that_is_refused_owes_nothing_and_the_others_still_do() -> None:
    first, second = Feedback(UP["int8"], 300), Feedback(UP["int8"], 300)
    vectors = np.random.default_rng(2).standard_normal((3, 300)).astype(np.float32)
    first.encode(vectors[0], "a")
    rest = first.rest
    first.encode(vectors[1], "b")
    first.refused("b")
    assert np.allclose(first.rest, rest, atol=1e-7)
    first.refused("nobody's")
    second.encode(vectors[0], "a")
    assert np.array_equal(second.rest, rest)


def test_a_vector_that_is_not_finite_is_refused_and_spoils_nothing() -> None:
    for name, codec in UP.items():
        feedback = Feedback(codec, 3)
        for bad in (np.nan, np.inf, -np.inf):
            with pytest.raises(NonFiniteError, match="NaN or an infinity"):
                feedback.encode(np.array([1.0, bad, 2.0], np.float32))
        assert np.isfinite(feedback.rest).all(), name


def test_zeros_and_the_smallest_numbers_go_through() -> None:
    for codec in UP.values():
        for value in (0.0, 1e-45, 3e-39, 3e38):
            found = codec.decode(codec.encode(np.full(5, value, np.float32)), 5)
            assert np.isfinite(found).all() and (np.abs(found) <= np.float32(value) * np.float32(1.01)).all()


def of(**parts: list[float]) -> dict[str, np.ndarray]:
    return {PREFIX + n: np.array(v, np.float32 if n == "scales" else np.uint8) for n, v in parts.items()}


WRONG = {
    "nothing": ("int8", {}, "expected the parts values, scales"),
    "another codec's": ("int8", of(gaps=[0], values=[129], scales=[1]), "expected the parts"),
    "too few numbers": ("int8", of(values=[129] * 3, scales=[1]), "should be uint8"),
    "too many scales": ("int8", of(values=[129] * 4, scales=[1, 1]), "should be float32"),
    "another dtype": ("fp16", of(values=[0] * 4), "should be float16"),
    "a byte that stands for nothing": ("int8", of(values=[0] * 4, scales=[1]), "at least 1"),
    "a scale below zero": ("int8", of(values=[129] * 4, scales=[-1]), "at least 0"),
    "a place beyond the end": ("topk", of(gaps=[4], values=[129], scales=[1]), "rising places below 4"),
    "more gaps than numbers": ("topk", of(gaps=[0, 0], values=[129], scales=[1]), "rising places"),
    "a gap that does not end": ("topk", of(gaps=[0, 255], values=[129], scales=[1]), "rising places"),
    "no number at all": ("topk", of(gaps=[], values=[], scales=[]), "should be"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_parts_that_no_encoding_makes_are_refused(case: str) -> None:
    name, parts, words = WRONG[case]
    with pytest.raises(FormatError, match=words):
        UP[name].decode(parts, 4)


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_a_scale_that_is_no_number_is_refused(scale: float) -> None:
    for name in ("int8", "topk"):
        parts = of(**({"gaps": [0]} if name == "topk" else {}), values=[129] * (1 if name == "topk" else 4), scales=[scale])
        with pytest.raises(NonFiniteError):
            UP[name].decode(parts, 4)
    with pytest.raises(NonFiniteError):
        UP["int8"].decode(of(values=[255] * 4, scales=[3e38]), 4)


# ---------------------------------------------------------------- in tensors


@pytest.mark.parametrize(("progress", "steps"), [(0.0, 1), (0.04, 1), (1.0, 1), (1.0, 16)])
@pytest.mark.parametrize("size", [1, 2, 5, 255, 256, 257, 1030, 7178])
@pytest.mark.parametrize("name", ["fp16", "int8", "topk"])
def test_encoding_in_tensors_is_the_codec_bit_by_bit_on_numpy(name: str, size: int, progress: float, steps: int) -> None:
    vector = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    vector[: size // 3] = 0
    way, wanted = Uplink(name, Manifest({"w": (size,)}), True), UP[name].encode(vector, progress, steps)
    found = way.encode("", {"w": Tensor(vector)}, progress, steps)
    assert list(found) == list(wanted)
    assert all(found[part].tobytes() == array.tobytes() and found[part].dtype == array.dtype for part, array in wanted.items())
    assert way._rest is not None and np.array_equal(way._rest.numpy(), vector - UP[name].decode(wanted, size))


HALVES = [0.0, -0.0, 65504, -65519, 1e30, 2**-14, -(2**-14), 2**-15 * 1.3, 2**-24, -(2**-25), 1e-30, 1 + 2**-11, 1 + 3 * 2**-11]


def test_halves_in_tensors_have_the_bits_of_float16_at_its_edges() -> None:
    vector = np.array(HALVES, np.float32)
    found = Uplink("fp16", Manifest({"w": (len(HALVES),)}), True).encode("", {"w": Tensor(vector)}, 1.0)
    assert found[PREFIX + "values"].tobytes() == UP["fp16"].encode(vector)[PREFIX + "values"].tobytes()


@pytest.mark.parametrize("most", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("count", [1, 40, 256, 300, 999, 1000])
def test_of_equal_magnitudes_as_many_are_sent_as_have_room_and_none_that_is_smaller(count: int, most: float) -> None:
    vector = np.where(np.arange(1000) % 3 == 0, 1, -1).astype(np.float32)
    vector[[7, 600]], vector[900:] = (most, -most), 0.5
    slots = codecs.BLOCK * -(-count // codecs.BLOCK)
    words, rest = encoders.topk(Tensor(vector), Tensor(np.array([count], np.int32)), slots)
    places = words.numpy()[:count]
    sent = np.abs(vector)[places]
    assert (np.diff(places) > 0).all() and np.array_equal(np.sort(sent), np.sort(np.abs(vector))[-count:])
    unsent, rounded = np.delete(np.arange(1000), places), np.abs(rest.numpy()[places])
    assert np.array_equal(rest.numpy()[unsent], vector[unsent]) and rounded.max() <= np.abs(vector).max() / 254 * 1.001


def test_topk_in_tensors_finds_the_few_of_a_long_vector() -> None:
    vector = np.random.default_rng(0).standard_normal(200_003).astype(np.float32) ** 3
    found = Uplink("topk", Manifest({"w": vector.shape}), True).encode("", {"w": Tensor(vector)}, 1.0)
    assert all(found[part].tobytes() == array.tobytes() for part, array in UP["topk"].encode(vector).items())


@pytest.mark.parametrize("name", ["fp16", "int8", "topk"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_no_number_is_not_encoded(name: str, bad: float) -> None:
    vector = np.ones(300, np.float32)
    vector[123] = bad
    way = Uplink(name, Manifest({"w": (300,)}), True)
    with pytest.raises(NonFiniteError):
        way.encode("", {"w": Tensor(vector)}, 1.0)
    assert way._rest is None, "nor is anything of it owed"


@pytest.mark.parametrize("name", ["fp16", "int8", "topk"])
def test_a_gpus_way_up_sends_what_a_hosts_does_and_takes_back_what_was_refused(name: str) -> None:
    manifest = Manifest({"w": (40, 7), "b": (3,)})
    rng = np.random.default_rng(0)
    ways = [Uplink(name, manifest, on_gpu) for on_gpu in (False, True)]
    for number in range(5):
        arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in manifest.shapes.items()}
        sent = [way.encode(f"l{number}", {name: Tensor(array) for name, array in arrays.items()}, 0.5) for way in ways]
        assert list(sent[0]) == list(sent[1])
        assert all(sent[0][part].tobytes() == sent[1][part].tobytes() for part in sent[0])
        if number == 2:
            for way in ways:
                way.refused("l2")
    assert ways[1]._rest is not None and np.allclose(ways[0]._feedback.rest, ways[1]._rest.numpy(), atol=1e-7)
    with pytest.raises(NonFiniteError):
        ways[1].encode("bad", {"w": Tensor(np.full((40, 7), np.nan, np.float32)), "b": Tensor(np.zeros(3, np.float32))}, 0.5)
    ways[1].forget()
    assert ways[1]._rest is None


@pytest.mark.parametrize("name", ["fp16", "int8", "topk"])
def test_what_a_gpus_way_up_keeps_does_not_grow_with_the_run(name: str) -> None:
    """Each rest is made of the one before: with its history it would hold all of them."""
    before = engine.be_eager(False)  # as on a GPU
    way = Uplink(name, Manifest({"w": (300,)}), True)
    counts = []
    gc.collect()
    gc.freeze()  # what other tests left need not be gone through sixty times
    for number in range(60):
        way.encode(f"l{number}", {"w": Tensor(np.full(300, 0.1 * number, np.float32))}, 0.5)
        if number % 7 == 3:
            way.refused(f"l{number}")
        gc.collect()
        counts.append(sum(isinstance(thing, Node) for thing in gc.get_objects()))
    gc.unfreeze()
    engine.be_eager(before)
    assert max(counts[20:]) <= max(counts[10:20])


@pytest.mark.parametrize("on_gpu", [False, True])
def test_a_worker_goes_on_from_what_it_has_not_sent_as_far_as_the_run_will_follow(on_gpu: bool) -> None:
    way = Uplink("topk", Manifest({"w": (100,)}), on_gpu)
    changed = {"w": Tensor(np.arange(100, dtype=np.float32))}

    def owed(step: int) -> np.ndarray:
        found = way.owed(step)
        assert found is not None
        return found.numpy()

    assert way.owed(0) is None
    way.encode("a", changed, 1.0)
    found = owed(0)
    assert found[50] == 50 and abs(found[99]) < 1, "the largest was sent"
    way.encode("b", changed, 1.0)
    assert owed(1)[50] == 50, "twice as much is owed, and each of its two answers is half of what counts"
    way.encode("c", changed, 1.0)
    assert owed(2)[50] == 150
    assert Uplink("int8", Manifest({"w": (100,)}), on_gpu).owed(0) is None


def test_the_rolling_hash_tells_numbers_and_their_past() -> None:
    one, two = np.array([1, 2], np.float32), np.array([1, 3], np.float32)
    assert rolling(one, "") == f"{zlib.crc32(bytes.fromhex('0000803f00000040')):08x}" == "2e3fa576"
    assert rolling(two, rolling(one, "")) != rolling(two, rolling(two, "")) != rolling(two, "")


def test_a_manifest_joins_in_its_order_and_parts_into_views() -> None:
    manifest = Manifest({"b": (2,), "a": (1, 2), "c": ()})
    arrays = {"a": np.array([[3, 4]], np.float32), "c": np.array(5, np.float32), "b": np.array([1, 2], np.float32)}
    vector = manifest.join(arrays)
    assert vector.tolist() == [1, 2, 3, 4, 5] and manifest.size == 5
    parts = manifest.part(vector)
    assert list(parts) == ["b", "a", "c"] and all(np.array_equal(parts[name], arrays[name]) for name in parts)
    assert codecs.UP.keys() == codecs.DOWN.keys()
