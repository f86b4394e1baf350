"""Example calls of nn.functional beside those in op_examples.py, and wrong ones: (call, error, message)."""

from collections.abc import Callable
from typing import Any

import numpy as np

import distml_py as dm
from distml_py.errors import DtypeError, ShapeError, UnsupportedError
from op_examples import Example, numbers, positive, whole

F = dm.nn.functional
EXAMPLES: list[Example] = []


def example(name: str, call: Callable[..., Any], *inputs: np.ndarray, **flags: Any) -> None:
    EXAMPLES.append(Example(f"F.{name}", call, inputs, **flags))


def of(lib: Any) -> Any:
    return lib.nn.functional


X, Y = numbers(3, 5), numbers(3, 5, seed=1)
LINE, IMAGE = numbers(2, 4, 7), numbers(2, 4, 5, 6)
example("relu6", lambda lib, x: of(lib).relu6(x * 5), X)
example("hardtanh", lambda lib, x: (of(lib).hardtanh(x), of(lib).hardtanh(x, -0.5, 0.7)), X)
example("limits of ints", lambda lib, x: (of(lib).relu6(x), of(lib).hardtanh(x), of(lib).hardtanh(x, -1.5, 2.5)), whole(9))
for kind in ("half", "bfloat16"):
    example(
        f"activations of {kind} rounded once",
        lambda lib, x, kind=kind: [
            getattr(of(lib), word)(getattr(x, kind)()).float()
            for word in ("gelu", "silu", "mish", "elu", "celu", "selu", "softplus", "logsigmoid", "hardsigmoid", "hardswish")
        ],
        X,
        differentiable=False,
    )
# PyTorch's own keeps its sixth in float32
example("hardsigmoid", lambda lib, x: of(lib).hardsigmoid(x * 3), X, twin=lambda lib, x: of(lib).relu6(x * 3 + 3) / 6)
example("hardswish", lambda lib, x: of(lib).hardswish(x * 3), X)
example("float_power", lambda lib, x: x.float_power(2).float(), X)
example("selu", lambda lib, x: of(lib).selu(x), X)
example("celu", lambda lib, x: of(lib).celu(x, 0.5), X)
example("mish", lambda lib, x: of(lib).mish(x), X)
example("mish far out", lambda lib, x: of(lib).mish(x * 40), X)
example("logsigmoid", lambda lib, x: (of(lib).logsigmoid(x), of(lib).logsigmoid(x * 60)), X)
example("softsign", lambda lib, x: of(lib).softsign(x), X)
example("tanhshrink", lambda lib, x: of(lib).tanhshrink(x), X)
example("hardshrink", lambda lib, x: of(lib).hardshrink(x, 0.8), X)
example("softshrink", lambda lib, x: of(lib).softshrink(x, 0.8), X)
example("threshold", lambda lib, x: of(lib).threshold(x, 0.1, 7.0), X)
example("prelu", lambda lib, x, w: (of(lib).prelu(x, w), of(lib).prelu(x, w[:1])), X, numbers(5, seed=2))
example("rrelu", lambda lib, x: of(lib).rrelu(x, 0.2, 0.4), X)
example("glu", lambda lib, x: (of(lib).glu(x), of(lib).glu(x.t(), 0)), numbers(3, 6))
example("gumbel_softmax sums to 1", lambda lib, x: [of(lib).gumbel_softmax(x, 0.5, hard).sum(1) for hard in (False, True)], X)
example("softmin", lambda lib, x: of(lib).softmin(x, dim=1), X)
example("normalize", lambda lib, x: (of(lib).normalize(x), of(lib).normalize(x, 1.0, 0), of(lib).normalize(x, 3.0, -1)), X)
example("normalize of zeros", lambda lib, x: of(lib).normalize(x * 0), X)
example("feature_alpha_dropout when not training", lambda lib, x: of(lib).feature_alpha_dropout(x), X)
example("alpha_dropout when not training", lambda lib, x: of(lib).alpha_dropout(x), X)
example("dropout1d when not training", lambda lib, x: of(lib).dropout1d(x, training=False), LINE)
example("dropout2d of all", lambda lib, x: of(lib).dropout2d(x, 1.0), IMAGE)
example("bilinear", lambda lib, x, y, w: of(lib).bilinear(x, y, w), X, Y, numbers(2, 5, 5))
example("conv1d", lambda lib, x, w: of(lib).conv1d(x, w, stride=2, padding=1), LINE, numbers(3, 4, 3))
example("conv1d of one", lambda lib, x, w: of(lib).conv1d(x[0], w, padding="same"), LINE, numbers(3, 4, 3))
example("conv_transpose1d", lambda lib, x, w: of(lib).conv_transpose1d(x, w, None, 2, 1, 1), LINE, numbers(4, 3, 3))
example("conv_transpose2d", lambda lib, x, w: of(lib).conv_transpose2d(x, w, None, 2, 1, 1), IMAGE, numbers(4, 3, 3, 3))
example("conv_transpose2d in groups", lambda lib, x, w: of(lib).conv_transpose2d(x, w, groups=2), IMAGE, numbers(4, 1, 2, 1))
example("max_pool1d", lambda lib, x: of(lib).max_pool1d(x, 2), LINE)
example("avg_pool1d", lambda lib, x: of(lib).avg_pool1d(x, 3, 2, 1, True, False), LINE)
example("adaptive_avg_pool1d", lambda lib, x: of(lib).adaptive_avg_pool1d(x, 3), LINE)
example("adaptive_avg_pool2d", lambda lib, x: of(lib).adaptive_avg_pool2d(x, (3, None)), IMAGE)
example("adaptive_max_pool1d", lambda lib, x: of(lib).adaptive_max_pool1d(x, 3), LINE)
example("adaptive_max_pool2d", lambda lib, x: of(lib).adaptive_max_pool2d(x, (3, 4)), IMAGE)
example("pad by copies", lambda lib, x: [of(lib).pad(x, (2, 1), m) for m in ("reflect", "replicate", "circular")], LINE)
example("instance_norm", lambda lib, x: of(lib).instance_norm(x, eps=0.1), IMAGE)
example("local_response_norm", lambda lib, x: of(lib).local_response_norm(x, 2, 0.3), IMAGE)
example("interpolate", lambda lib, x: (of(lib).interpolate(x, 9), of(lib).interpolate(x, scale_factor=0.7)), LINE)
example("interpolate between", lambda lib, x: of(lib).interpolate(x, (7, 3), mode="bilinear"), IMAGE)
example(
    "affine_grid", lambda lib, t: [of(lib).affine_grid(t, (2, 3, 4, 5), align_corners=a) for a in (False, True)], numbers(2, 2, 3)
)
for mode in ("bilinear", "nearest"):
    for edge in ("zeros", "border", "reflection"):
        example(
            f"grid_sample {mode} {edge}",
            lambda lib, x, g, m=mode, e=edge: [of(lib).grid_sample(x, g, m, e, a) for a in (False, True)],
            *(IMAGE, numbers(2, 3, 4, 2, seed=3)),
        )
example("pixel_shuffle", lambda lib, x: of(lib).pixel_shuffle(x, 2), IMAGE)
example("pixel_unshuffle", lambda lib, x: of(lib).pixel_unshuffle(x[:, :, :4], 2), IMAGE)
example("channel_shuffle", lambda lib, x: of(lib).channel_shuffle(x, 2) if lib is dm else lib.channel_shuffle(x, 2), IMAGE)
example("unfold", lambda lib, x: of(lib).unfold(x, (2, 3), 1, 1, 2), IMAGE)
example(  # as CLIP pools a picture: one query, weights apart
    "multi_head_attention_forward",
    lambda lib, x, w, b: of(lib).multi_head_attention_forward(
        *(x[:1], x, x, 4, 2, None, b, None, None, False, 0.0, w, b[:4]),
        use_separate_proj_weight=True,
        q_proj_weight=w * 0.5,
        k_proj_weight=w,
        v_proj_weight=w.T,
    ),
    *(numbers(5, 2, 4), numbers(4, 4, seed=1), numbers(12, seed=2)),
)
example(
    "multi_head_attention_forward of one weight",
    lambda lib, x, w: of(lib).multi_head_attention_forward(
        *(x, x, x, 4, 2, w, None, w[:1, None], w[1:2, None], True, 0.0, w[:4], None),
        key_padding_mask=lib.tensor([[False, False, True], [False, True, False]]),
        attn_mask=lib.zeros(3, 3).masked_fill(lib.ones(3, 3).triu(1).bool(), -1.5),
        average_attn_weights=False,
    ),
    *(numbers(3, 2, 4), numbers(12, 4, seed=1)),
)
example("one_hot of as many as there are", lambda lib, n: of(lib).one_hot(n), whole(2, 3, low=0, high=4))
LOSSES: dict[str, Callable[..., Any]] = {
    "smooth_l1_loss": lambda f, x, y: f.smooth_l1_loss(x, y, beta=0.7),
    "huber_loss": lambda f, x, y: f.huber_loss(x, y, delta=0.7),
    "binary_cross_entropy": lambda f, x, y: f.binary_cross_entropy(x.sigmoid(), y.sigmoid()),
    "binary_cross_entropy_with_logits": lambda f, x, y: f.binary_cross_entropy_with_logits(x, y, pos_weight=y[0].detach() + 3),
    "kl_div": lambda f, x, y: f.kl_div(x, y, reduction="batchmean", log_target=True),
    "poisson_nll_loss": lambda f, x, y: f.poisson_nll_loss(x, y.detach().abs(), full=True),
    "gaussian_nll_loss": lambda f, x, y: f.gaussian_nll_loss(x, y, x * x + 0.1),
    "hinge_embedding_loss of one a row": lambda f, x, y: f.hinge_embedding_loss(x[:, :1], y.detach().sign(), reduction="none"),
    "hinge_embedding_loss": lambda f, x, y: f.hinge_embedding_loss(x, y.detach().sign(), margin=0.5),
    "soft_margin_loss": lambda f, x, y: f.soft_margin_loss(x, y.detach().sign()),
    "multilabel_soft_margin_loss": lambda f, x, y: f.multilabel_soft_margin_loss(x, y.detach().sign().relu()),
    "margin_ranking_loss": lambda f, x, y: f.margin_ranking_loss(x, y, y.detach().sign(), 0.3),
    "cosine_embedding_loss": lambda f, x, y: f.cosine_embedding_loss(x, y, y[:, 0].detach().sign()),
    "cosine_similarity": lambda f, x, y: f.cosine_similarity(x, y, dim=0),
    "pairwise_distance": lambda f, x, y: f.pairwise_distance(x, y),
    "triplet_margin_loss": lambda f, x, y: f.triplet_margin_loss(x, y, y * 2, swap=True),
}
for name, loss in LOSSES.items():
    example(name, lambda lib, x, y, loss=loss: loss(of(lib), x, y), X, Y)
example("multi_margin_loss", lambda lib, x, n: of(lib).multi_margin_loss(x, n), X, whole(3, low=0, high=5))
example("cosine_similarity of zeros", lambda lib, x, y: of(lib).cosine_similarity(x * 0, y), X, positive(3, 5))
example(
    "ctc_loss",
    lambda lib, x, n: of(lib).ctc_loss(x.log_softmax(2), n, lib.tensor([5, 4]), lib.tensor([2, 1])),
    numbers(5, 2, 4),
    whole(2, 2, low=1, high=4),
)

example(
    "conv3d", lambda lib, x, w: of(lib).conv3d(x, w, stride=(1, 2, 1), padding=1), numbers(1, 2, 3, 4, 2), numbers(3, 2, 2, 3, 2)
)
example(
    "conv_transpose3d",
    lambda lib, x, w: of(lib).conv_transpose3d(x, w, None, 2, 1, 1),
    numbers(1, 2, 2, 3, 2),
    numbers(2, 3, 3, 2, 2),
)
VOLUME = numbers(1, 2, 3, 4, 3)
example(
    "adaptive pools of volumes",
    lambda lib, x: [of(lib).adaptive_avg_pool3d(x, 2), of(lib).adaptive_max_pool3d(x, (1, 3, 2))],
    VOLUME,
)
example("dropout3d when not training", lambda lib, x: of(lib).dropout3d(x, training=False), VOLUME)
example("lp_pool1d", lambda lib, x: of(lib).lp_pool1d(x.abs() + 0.1, 2, 3, 2), LINE)
example(
    "max_unpool3d", lambda lib, x: of(lib).max_unpool3d(*of(lib).max_pool3d(x, (1, 2, 1), return_indices=True), (1, 2, 1)), VOLUME
)
example("pools of volumes", lambda lib, x: (of(lib).max_pool3d(x, 2), of(lib).avg_pool3d(x, 2, 1)), numbers(1, 2, 3, 4, 3))
example(
    "max_unpool2d", lambda lib, x: of(lib).max_unpool2d(*of(lib).max_pool2d(x, 2, return_indices=True), 2, None, 0, (5, 6)), IMAGE
)
example("lp_pool2d", lambda lib, x: of(lib).lp_pool2d(x.abs(), 3.0, 2), IMAGE)
example("fold", lambda lib, x: of(lib).fold(x, (3, 4), 2), numbers(2, 8, 6))
example("interpolate by wide cubics", lambda lib, x: of(lib).interpolate(x, (2, 7), mode="bicubic", antialias=True), IMAGE)
example("interpolate by means", lambda lib, x: of(lib).interpolate(x, scale_factor=0.6, mode="bilinear", antialias=True), IMAGE)
example("interpolate by cubics", lambda lib, x: of(lib).interpolate(x, (7, 3), mode="bicubic"), IMAGE)
for mode in ("sum", "mean", "max"):
    example(
        f"embedding_bag {mode}",
        lambda lib, w, n, mode=mode: [
            of(lib).embedding_bag(n.reshape(2, 3), w, mode=mode),
            of(lib).embedding_bag(n, w, lib.tensor([0, 2, 2]), mode=mode),
            of(lib).embedding_bag(n, w, lib.tensor([0, 1, 6]), mode=mode, include_last_offset=True, padding_idx=1),
        ],
        numbers(5, 3),
        np.array([0, 3, 1, 4, 2, 1], np.int32),
    )
example(
    "embedding with limits",
    lambda lib, w, n: (
        of(lib).embedding(n, w * 1, max_norm=1.0) if lib is not None else None,
        of(lib).embedding(n, w, scale_grad_by_freq=True),
        of(lib).embedding_bag(n.reshape(2, 3), w * 1, mode="sum", max_norm=1.0),
    ),
    numbers(5, 3),
    np.array([1, 4, 1, 2, 0, 1], np.int32),
)
example(
    "embedding_bag with weights",
    lambda lib, w, n, s: of(lib).embedding_bag(n, w, lib.tensor([0, 2]), mode="sum", per_sample_weights=s),
    numbers(5, 3),
    np.array([0, 3, 1, 4], np.int32),
    numbers(4, seed=2),
)
example(
    "multilabel_margin_loss", lambda lib, x, n: of(lib).multilabel_margin_loss(x, n), X, np.array([[1, 3, -1, 0, 0]] * 3, np.int32)
)
example(
    "triplet_margin_with_distance_loss",
    lambda lib, x, y: of(lib).triplet_margin_with_distance_loss(
        x, y, y * 2, swap=True, distance_function=lambda a, b: (a - b).abs().sum(1)
    ),
    X,
    Y,
)

ONES = dm.ones(2, 3)
VOLUME, KERNEL = dm.ones(1, 1, 2, 2, 2), dm.ones(1, 1, 1, 1, 1)
BAG = dm.tensor([[1]])
HEADS = {"bias_k": None, "bias_v": None, "add_zero_attn": False, "dropout_p": 0.0, "out_proj_weight": dm.ones(4, 4)}


def attended(*given: Any, **options: Any) -> Any:
    return F.multi_head_attention_forward(*(dm.ones(3, 2, 4),) * 3, *given, **{**HEADS, "out_proj_bias": None, **options})


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: attended(4, 2, dm.ones(12, 4), None, static_k=dm.ones(4, 3, 2)),
        UnsupportedError,
        "not implemented: multi_head_attention_forward(static_k=); nearest is scaled_dot_product_attention",
    ),
    (
        lambda: attended(6, 2, dm.ones(12, 4), None),
        ShapeError,
        "multi_head_attention_forward: query (3, 2, 4) needs the width 6, cut by 2 heads",
    ),
    (lambda: attended(4, 2, None, None), ShapeError, "needs in_proj_weight, or all of q_, k_ and v_proj_weight"),
    (
        lambda: attended(4, 2, dm.ones(12, 4), None, is_causal=True),
        ShapeError,
        "MultiheadAttention: is_causal=True needs the causal attn_mask as well",
    ),
    (
        lambda: dm.nn.MultiheadAttention(4, 2)(ONES, dm.ones(1, 2, 4), ONES),
        ShapeError,
        "MultiheadAttention needs 2 or 3 dimensions each, got (2, 3), (1, 2, 4), (2, 3)",
    ),
    (
        lambda: attended(4, 2, dm.ones(12, 4), None, attn_mask=dm.ones(3, 3, 3)),
        ShapeError,
        "MultiheadAttention: attn_mask is (l, s) or (4, l, s), got (3, 3, 3)",
    ),
    (
        lambda: attended(4, 2, dm.ones(12, 4), None, key_padding_mask=dm.ones(3, 3) > 0),
        ShapeError,
        "MultiheadAttention: key_padding_mask is (2, s), got (3, 3)",
    ),
    (
        lambda: F.scaled_dot_product_attention(ONES, ONES, ONES, dm.ones(2, 2), is_causal=True),
        ShapeError,
        "scaled_dot_product_attention takes attn_mask or is_causal, not both",
    ),
    (
        lambda: F.scaled_dot_product_attention(ONES, ONES, ONES, enable_gqa=True),
        ShapeError,
        "enable_gqa: the heads of query (2, 3) must be a multiple of those of (2, 3)",
    ),
    (lambda: F.hardtanh(ONES, 1.0, 0.0), ShapeError, "hardtanh: min_val 1.0 is above max_val 0.0"),
    (lambda: F.softshrink(ONES, -1.0), ShapeError, "softshrink: lambd is at least 0, got -1.0"),
    (lambda: F.prelu(ONES, dm.ones(2)), ShapeError, "prelu: weight (2,) needs 1 number or one for each of 3 channels of (2, 3)"),
    (lambda: F.rrelu(ONES, 0.5, 0.1), ShapeError, "rrelu: 0 <= lower <= upper, got 0.5 and 0.1"),
    (lambda: F.glu(ONES), ShapeError, "glu: the size along dim -1 must be even, got (2, 3)"),
    (lambda: F.bilinear(ONES, ONES, dm.ones(3, 3)), ShapeError, "bilinear needs (..., i), (..., j) and (o, i, j), got"),
    (lambda: F.bilinear(ONES, ONES, dm.ones(1, 3, 4)), ShapeError, "bilinear: weight (1, 3, 4) does not take sizes 3 and 3"),
    (lambda: F.conv1d(ONES, ONES), ShapeError, "conv1d needs input (n, c, length) and weight (o, c, k), got (2, 3), (2, 3)"),
    (lambda: F.conv1d(ONES, dm.ones(1, 2, 2), stride=0), ShapeError, "stride is an int of at least 1, got 0"),
    (lambda: F.conv_transpose1d(ONES, ONES), ShapeError, "conv_transpose1d needs input (n, c, length) and weight (c, o, k), got"),
    (lambda: F.conv_transpose2d(ONES, ONES), ShapeError, "conv_transpose2d needs (n, c, h, w) and weight (c, o, kh, kw), got"),
    (
        lambda: F.conv_transpose2d(dm.ones(1, 2, 3, 3), dm.ones(2, 1, 2, 2), groups=3),
        ShapeError,
        "conv_transpose2d: groups=3 must divide the 2 channels of weight (2, 1, 2, 2)",
    ),
    (
        lambda: F.conv_transpose2d(dm.ones(1, 2, 3, 3), dm.ones(2, 1, 2, 2), dm.ones(2)),
        ShapeError,
        "conv_transpose2d: weight (2, 1, 2, 2) needs bias (1,), got (2,)",
    ),
    (
        lambda: F.conv_transpose2d(dm.ones(1, 2, 3, 3), dm.ones(2, 1, 2, 2), output_padding=1),
        UnsupportedError,
        "not implemented: output_padding (1, 1) of at least stride (1, 1); nearest is pad() afterwards",
    ),
    (
        lambda: F.conv_transpose2d(dm.ones(1, 2, 1, 1), dm.ones(2, 1, 2, 2), padding=1),
        ShapeError,
        "conv_transpose2d: input (1, 2, 1, 1) would give an image of (0, 0); use less padding",
    ),
    (lambda: F.dropout1d(dm.ones(3)), ShapeError, "dropout1d needs 2 or 3 dimensions, got (3,)"),
    (
        lambda: F.dropout2d(dm.ones(3)),
        ShapeError,
        "dropout2d needs (n, channels, height, width), at least two dimensions, got (3,)",
    ),
    (
        lambda: F.binary_cross_entropy(ONES, dm.ones(2)),
        ShapeError,
        "binary_cross_entropy: input (2, 3) and target (2,) must have one",
    ),
    (lambda: F.smooth_l1_loss(ONES, ONES, beta=-1.0), ShapeError, "smooth_l1_loss: beta is at least 0, got -1.0"),
    (lambda: F.huber_loss(ONES, ONES, delta=0.0), ShapeError, "huber_loss: delta is above 0, got 0.0"),
    (lambda: F.gaussian_nll_loss(ONES, ONES, dm.ones(4)), ShapeError, "gaussian_nll_loss: var (4,) does not fit input (2, 3)"),
    (
        lambda: F.margin_ranking_loss(ONES, ONES, dm.ones(2)),
        ShapeError,
        "margin_ranking_loss: (2, 3), (2, 3) and (2,) need equal ranks",
    ),
    (lambda: F.cosine_embedding_loss(ONES, ONES, ONES), ShapeError, "cosine_embedding_loss needs (n, d), (n, d) and (n,), got"),
    (
        lambda: F.multi_margin_loss(ONES, dm.tensor([0, 1]), p=3),
        ShapeError,
        "multi_margin_loss needs p 1 or 2, (n, classes) and (n,)",
    ),
    (
        lambda: F.pad(ONES, (1, 1), "mirror"),
        ShapeError,
        "pad: mode is 'constant', 'reflect', 'replicate' or 'circular', got 'mirror'",
    ),
    (lambda: F.pad(ONES, (3, 1), "reflect"), ShapeError, "pad: mode 'reflect' has at most 2 elements to add to a size of 3, not 3"),
    (lambda: F.max_pool1d(ONES, (1, 2)), ShapeError, "kernel_size is an int or a tuple of one int of at least 1, got (1, 2)"),
    (
        lambda: F.adaptive_avg_pool2d(ONES, 2),
        ShapeError,
        "adaptive_avg_pool2d needs 2 sizes for an input of 3 or 4 dimensions, got",
    ),
    (
        lambda: F.interpolate(dm.ones(1, 1, 2, 2), 4, mode="cubic"),
        UnsupportedError,
        "not implemented: interpolate(mode='cubic') of 4 dimensions; nearest is mode='bilinear' of (n, c, h, w)",
    ),
    (
        lambda: F.interpolate(dm.ones(1, 1, 2, 2), 4, antialias=True),
        ShapeError,
        "interpolate: antialias is for 'bilinear' and 'bicubic' of (n, c, h, w), not 'nearest' of",
    ),
    (
        lambda: F.interpolate(dm.ones(1, 1, 2), 4, mode="bilinear"),
        ShapeError,
        "interpolate: mode 'bilinear' takes 4 dimensions, got",
    ),
    (
        lambda: F.interpolate(dm.ones(1, 1, 2), 4, align_corners=True),
        ShapeError,
        "interpolate: align_corners is for 'linear' and 'bilinear', not for 'nearest'",
    ),
    (lambda: F.affine_grid(dm.ones(1, 2, 2), (1, 1, 2, 2)), ShapeError, "affine_grid takes theta of shape (n, 2, 3) and size"),
    (lambda: F.affine_grid(dm.ones(1, 3, 4), (1, 1, 2, 2, 2)), UnsupportedError, "affine_grid takes theta of shape (n, 2, 3)"),
    (
        lambda: F.grid_sample(dm.ones(1, 1, 2, 2), dm.ones(1, 2, 2, 2), "bicubic"),
        UnsupportedError,
        "not implemented: torch.nn.functional.grid_sample(mode='bicubic') of 4 dimensions; nearest is mode='bilinear'",
    ),
    (
        lambda: F.grid_sample(dm.ones(1, 1, 2, 2), dm.ones(1, 2, 2, 2), padding_mode="zero"),
        ShapeError,
        "grid_sample: padding_mode is one of zeros, border, reflection, got 'zero'",
    ),
    (
        lambda: F.grid_sample(dm.ones(1, 1, 2, 2), dm.ones(2, 2, 2, 2)),
        ShapeError,
        "grid_sample: a grid for (1, 1, 2, 2) has the shape (1, rows, columns, 2), got",
    ),
    (lambda: F.interpolate(dm.ones(1, 1, 2)), ShapeError, "interpolate takes size or scale_factor, got None and None"),
    (lambda: F.interpolate(dm.ones(1, 1, 2), (0,)), ShapeError, "interpolate: 1 sizes of at least 1 are needed, got [0]"),
    (
        lambda: F.pixel_shuffle(dm.ones(3, 2, 2), 2),
        ShapeError,
        "pixel_shuffle needs (..., channels, h, w), channels divisible by 2^2",
    ),
    (
        lambda: F.pixel_unshuffle(dm.ones(3, 2, 3), 2),
        ShapeError,
        "pixel_unshuffle needs (..., c, h, w), h and w divisible by 2, got",
    ),
    (
        lambda: F.channel_shuffle(dm.ones(1, 3, 2), 2),
        ShapeError,
        "channel_shuffle: groups=2 must divide the channels of (n, c, ...)",
    ),
    (lambda: F.unfold(ONES, 2), ShapeError, "unfold needs (n, c, h, w) or (c, h, w), got (2, 3)"),
    (lambda: F.unfold(dm.ones(1, 2, 2), 3), ShapeError, "unfold: the kernel (3, 3) is larger than the padded input (2, 2)"),
    (lambda: F.instance_norm(ONES), ShapeError, "instance_norm needs (n, channels, length, ...), got (2, 3)"),
    (
        lambda: F.instance_norm(dm.ones(2, 3, 1)),
        ShapeError,
        "instance_norm: more than one number a channel and sample is needed when training, got (2, 3, 1)",
    ),
    (lambda: F.local_response_norm(ONES, 2), ShapeError, "local_response_norm needs (n, channels, length, ...) and a size"),
    (
        lambda: F.ctc_loss(dm.ones(2), dm.tensor([1]), [1], [1]),
        ShapeError,
        "ctc_loss needs (time, n, classes) or (time, classes) with at least one frame, got (2,)",
    ),
    (
        lambda: F.ctc_loss(dm.ones(2, 3), dm.tensor([1]), [3], [1]),
        ShapeError,
        "ctc_loss: input_lengths are at most 2, blank is 0 to 2, got [3], 0",
    ),
    (
        lambda: F.ctc_loss(ONES, dm.tensor([1]), [1, 1], [1]),
        ShapeError,
        "ctc_loss: input_lengths are 1 numbers from 0 up",
    ),
    (
        lambda: F.ctc_loss(ONES, dm.tensor([1]), [2], [2]),
        ShapeError,
        "ctc_loss: targets (1,) hold fewer labels than",
    ),
    (lambda: F.ctc_loss(ONES, dm.tensor([0]), [2], [1]), ShapeError, "ctc_loss: labels are 0 to 2 without the blank 0, got [0]"),
    (
        lambda: F.conv3d(ONES, ONES),
        ShapeError,
        "conv3d needs input (n, c, d, h, w) and weight (o, c, kd, kh, kw), got (2, 3), (2, 3)",
    ),
    (
        lambda: F.conv3d(dm.ones(1, 2, 2, 2, 2), dm.ones(1, 1, 1, 1, 1)),
        ShapeError,
        "conv3d: groups=1, input (1, 2, 2, 2, 2) and weight",
    ),
    (lambda: F.conv3d(VOLUME, KERNEL, stride=2, padding="same"), ShapeError, "conv3d: padding='same' needs stride 1"),
    (
        lambda: F.conv3d(VOLUME, dm.ones(1, 1, 3, 3, 3)),
        ShapeError,
        "conv3d: the kernel (3, 3, 3) is larger than the padded input (2, 2, 2)",
    ),
    (lambda: F.conv3d(VOLUME, KERNEL, stride=(1, 2)), ShapeError, "stride is an int or three ints of at least 1, got (1, 2)"),
    (
        lambda: F.conv_transpose3d(ONES, ONES),
        ShapeError,
        "conv_transpose3d needs (n, c, d, h, w) and weight (c, o, kd, kh, kw), got",
    ),
    (
        lambda: F.conv_transpose3d(VOLUME, KERNEL, output_padding=1),
        UnsupportedError,
        "not implemented: output_padding (1, 1, 1) of at",
    ),
    (
        lambda: F.conv_transpose3d(VOLUME, KERNEL, padding=(1, 0, 0)),
        ShapeError,
        "conv_transpose3d: input (1, 1, 2, 2, 2) would give nothing",
    ),
    (
        lambda: F.max_unpool1d(ONES, ONES[0].long(), 2),
        ShapeError,
        "max_unpool1d needs 2 or 3 dimensions and an index for each number, got",
    ),
    (
        lambda: F.max_unpool1d(ONES, ONES.long(), 2, output_size=(9,)),
        ShapeError,
        "max_unpool1d: output_size (9,) is not within a stride of (6,)",
    ),
    (lambda: F.fold(dm.ones(1, 3, 4), 3, 2), ShapeError, "fold needs (n, c * 2 * 2, 4) for (3, 3), got (1, 3, 4)"),
    (
        lambda: F.embedding_bag(BAG, ONES, scale_grad_by_freq=True),
        UnsupportedError,
        "not implemented: embedding_bag(scale_grad_by_freq=True); nearest is embedding() and a sum",
    ),
    (lambda: F.embedding_bag(BAG, ONES, mode="min"), ShapeError, "embedding_bag: mode is 'sum', 'mean' or 'max', got 'min'"),
    (
        lambda: F.embedding_bag(BAG, ONES, per_sample_weights=ONES),
        ShapeError,
        "embedding_bag: per_sample_weights are for mode 'sum'",
    ),
    (lambda: F.embedding_bag(BAG[0], ONES), ShapeError, "embedding_bag takes (bags, n), or (n,) with offsets, got (1,)"),
    (
        lambda: F.multilabel_margin_loss(ONES, ONES),
        ShapeError,
        "multilabel_margin_loss needs (n, c) or (c,) and integers like it, got",
    ),
    (lambda: F.max_pool1d(dm.tensor([[1, 2]]), 2), DtypeError, "max_pool1d needs floating-point numbers, got int64; use .float()"),
]
