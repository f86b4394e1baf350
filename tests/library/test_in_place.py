"""Methods that change the tensor they are called on, judged by PyTorch."""

import numpy as np
import pytest
import torch

import distml_py as dm

WORDS = sorted(name for name in vars(dm.Tensor) if name.endswith("_") and not name.startswith("_"))
ARGUMENTS = {
    **{name: ("other",) for name in ("add_", "sub_", "mul_", "div_", "pow_", "remainder_", "fmod_", "floor_divide_", "atan2_")},
    **{
        name: ("other",) for name in ("hypot_", "copysign_", "xlogy_", "multiply_", "divide_", "true_divide_", "subtract_", "copy_")
    },
    **{name: ("other",) for name in ("eq_", "ne_", "lt_", "le_", "gt_", "ge_", "clamp_max_", "clamp_min_")},
    **{"addcmul_": ("other", "other"), "addcdiv_": ("other", "other"), "lerp_": ("other", 0.3), "masked_fill_": ("mask", 2.5)},
    **{"clamp_": (0.3, 0.5), "clip_": (0.3, 0.5), "fill_": (3,), "logit_": (0.1,), "requires_grad_": (False,)},
}
ON_INTEGERS = ("bitwise_and_", "bitwise_or_", "bitwise_xor_", "bitwise_not_")


@pytest.mark.parametrize("word", WORDS)
def test_a_method_with_a_dash_becomes_what_pytorchs_becomes(word: str) -> None:
    found = []
    for lib in (dm, torch):
        kind = np.int32 if word in ON_INTEGERS else np.float32
        known = {
            "other": lib.tensor((np.array([0.4, 0.2, 0.7]) * (10 if kind == np.int32 else 1)).astype(kind)),
            "mask": lib.tensor([True, False, True]),
        }
        given = ("other",) if word in ON_INTEGERS and word != "bitwise_not_" else ARGUMENTS.get(word, ())
        x = lib.tensor((np.array([0.3, 0.5, 0.9]) + (1 if "acosh" in word else 0)) * (10 if kind == np.int32 else 1)).to(
            lib.int32 if kind == np.int32 else lib.float32
        )
        before = x
        assert getattr(x, word)(*(known.get(value, value) if isinstance(value, str) else value for value in given)) is x
        assert before is x
        found.append(x.numpy())
    assert found[0].dtype == found[1].dtype
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_operators_change_the_tensor() -> None:
    for lib in (dm, torch):
        x = same = lib.tensor([7.0, -3.0])
        x **= 2
        x //= 4
        x %= 5
        n = lib.tensor([6, 3])
        n &= 3
        n |= 8
        n ^= 1
        assert x is same and x.tolist() == [2, 2] and n.tolist() == [11, 10]
