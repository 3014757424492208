"""What tells processors apart whose sums differ in their last bits: a name and a digest of some.

Matrix products, sums and elementary functions round as the processor's vector units, the maker of
its library and the versions of both decide. Two places with one fingerprint gave the same bits
for everything that the tiny models compute, at their shapes, on one thread.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.linalg
import torch
from inputs import numbers
from torch.nn import functional as F

SHAPES = ((32, 32, 32), (256, 32, 64), (192, 64, 32), (129, 32, 260), (61, 4, 40), (8, 32, 3))


def fingerprint() -> str:
    """Return the capability that torch reports and a digest of what it computes."""
    digest = hashlib.sha256(f"{torch.__version__} {np.__version__}".encode())
    for value in _probe():
        digest.update(np.ascontiguousarray(value.detach().numpy()).tobytes())
    capability = torch.backends.cpu.get_cpu_capability().lower().replace(" ", "-")
    return f"{capability}-{digest.hexdigest()[:12]}"


def _values(*shape: int) -> torch.Tensor:
    draw = numbers(sum(shape))
    whole = np.array([next(draw) % 2**16 - 2**15 for _ in range(int(np.prod(shape)))])
    return torch.from_numpy((whole / 2**14).astype(np.float32).reshape(shape))


def _probe() -> Iterator[Any]:
    for rows, inner, columns in SHAPES:
        x, weight = _values(rows, inner).requires_grad_(), _values(columns, inner).requires_grad_()
        bias = _values(columns).requires_grad_()
        y = F.linear(x, weight, bias)
        yield y
        loss = F.cross_entropy(y, torch.arange(rows) % columns)
        yield loss
        yield from torch.autograd.grad(loss, (x, weight, bias))
    yield from _layers()
    yield from _decompositions()
    yield from _elementary()


def _layers() -> Iterator[torch.Tensor]:
    x = _values(8, 24, 32).requires_grad_()
    scale = _values(32)
    for y in (
        F.layer_norm(x, (32,), scale, scale),
        F.rms_norm(x, (32,), scale),
        F.gelu(x) + F.silu(x) + torch.tanh(x),
        torch.softmax(x, -1),
    ):
        yield y
        yield from torch.autograd.grad((y * y).mean(), x)
    q, k, v = _values(3, 8, 4, 24, 8).requires_grad_().unbind()
    for mask in (None, torch.ones(24, 24, dtype=torch.bool).tril()):
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        yield y
        yield from torch.autograd.grad((y * y).sum(), (q, k, v))
    weight = torch.nn.Parameter(_values(1003))
    for optimizer in (torch.optim.AdamW([weight], 0.01), torch.optim.SGD([weight], 0.01, 0.9)):
        for step in range(3):
            weight.grad = _values(1003 + step)[:1003]
            optimizer.step()
        yield weight


def _decompositions() -> Iterator[torch.Tensor]:
    for shape in ((32, 4), (32, 32), (64, 12)):
        x = _values(*shape)
        yield from torch.linalg.svd(x, full_matrices=False)
        yield from torch.linalg.qr(x)
        doubles = x.numpy().astype(np.float64)
        for part in (*scipy.linalg.svd(doubles, full_matrices=False), doubles @ doubles.T):
            yield torch.from_numpy(part)


def _elementary() -> Iterator[torch.Tensor]:
    for x in (_values(2357), _values(2357).double()):
        positive = x.abs() + 0.5
        yield torch.stack([x.exp(), positive.log(), positive.rsqrt(), x.sin(), x.cos()])
        yield torch.stack([x.sum(), x.mean(), x.norm(), x.var(), x.softmax(0).max()])
        y, above = x.numpy(), positive.numpy()
        yield torch.from_numpy(np.stack([np.exp(y), np.log(above), np.sqrt(above), np.sin(y)]))
        yield torch.from_numpy(np.stack([y.sum(), y.mean(), y @ y, above.std()]))
