"""Vision transformer (Dosovitskiy et al. 2021), with timm's parameter names."""

from __future__ import annotations

from .. import nn
from ..errors import ShapeError
from ..nn import functional as F
from ..nn.init import trunc_normal_, zeros_
from ..nn.module import Parameter
from ..tensor import Tensor, cat

STD = 0.02  # of all initial weights


class PatchEmbed(nn.Module):
    """(n, c, h, w) to (n, patches, width): a convolution whose windows do not overlap."""

    def __init__(self, patch_size: int, in_chans: int, width: int):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, width, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, width: int, num_heads: int):
        super().__init__()
        if width % num_heads:
            raise ShapeError(f"VisionTransformer: num_heads={num_heads} must divide embed_dim={width}")
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, time, width = x.shape
        heads = self.qkv(x).view(n, time, 3, self.num_heads, width // self.num_heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(heads[0], heads[1], heads[2])
        return self.proj(y.transpose(1, 2).reshape(n, time, width))


class Mlp(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width: int, num_heads: int, mlp_ratio: float):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), Attention(width, num_heads)
        self.norm2, self.mlp = nn.LayerNorm(width, eps=1e-6), Mlp(width, int(width * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Images (n, in_chans, img_size, img_size) to scores (n, num_classes), told from a token of its own before the patches."""

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        in_chans: int = 3,
        num_classes: int = 1000,
        embed_dim: int = 192,
        depth: int = 12,
        num_heads: int = 3,
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
    ):
        super().__init__()
        if img_size % patch_size:
            raise ShapeError(f"VisionTransformer: patch_size={patch_size} must divide img_size={img_size}")
        self.img_size, patches = img_size, (img_size // patch_size) ** 2
        self.cls_token = Parameter(Tensor([[[0.0] * embed_dim]]))
        self.pos_embed = Parameter(Tensor([[[0.0] * embed_dim] * (patches + 1)]))
        self.patch_embed = PatchEmbed(patch_size, in_chans, embed_dim)
        self.pos_drop = nn.Dropout(drop_rate)
        self.blocks = nn.Sequential(*(Block(embed_dim, num_heads, mlp_ratio) for _ in range(depth)))
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.head = nn.Linear(embed_dim, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=STD)
                if module.bias is not None:
                    zeros_(module.bias)
        trunc_normal_(self.pos_embed, std=STD)
        trunc_normal_(self.cls_token, std=STD)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[2:] != (self.img_size, self.img_size):
            raise ShapeError(f"VisionTransformer needs images (n, c, {self.img_size}, {self.img_size}), got {x.shape}")
        x = self.patch_embed(x)
        x = cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(self.pos_drop(x)))[:, 0])


def vit_tiny(num_classes: int = 1000, img_size: int = 224, patch_size: int = 16, depth: int = 12) -> VisionTransformer:
    """192 wide, 3 heads: images (n, 3, img_size, img_size) to scores (n, num_classes)."""
    return VisionTransformer(img_size, patch_size, 3, num_classes, depth=depth)
