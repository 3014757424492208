"""docs/wire/lora.md in plain Python."""

import math
from pathlib import Path

import numpy as np

from plain.core import Body

SHAPES = {
    "own": {"lora_a": (8, 10), "none": (0, 3), "lora_b": (15, 7), "bias": (16,)},
    "reference": {
        "q.lora_A": (4, 40),
        "q.lora_B": (40, 4),
        "v.lora_A": (4, 40),
        "v.lora_B": (24, 4),
        "head": (5, 40),
        "bias": (10,),
    },
}
GOLDEN = Path(__file__).parents[1] / "golden"


def planes(shapes: dict, factored: bool) -> tuple[list, list]:
    """Return planes (place, rows, columns, transposed, pair, factored), and stacks."""
    starts, place = {}, 0
    for name, shape in shapes.items():
        starts[name], place = place, place + math.prod(shape)
    pairs = [(a, a.replace("lora_A", "lora_B")) for a in shapes if factored]
    pairs = [(a, b) for a, b in pairs if a != b and shapes.get(b, (0, 0))[1] == shapes[a][0]]
    found, stacks = [], []
    for m in sorted({shapes[a][1] for a, _ in pairs}):
        those = [a for a, _ in pairs if shapes[a][1] == m]
        stacks += [[len(found) + i for i in range(len(those))]] if len(those) > 1 else []
        found += [
            (starts[a], *shapes[a], False, [p[0] for p in pairs].index(a), True) for a in those
        ]
    for number, (_, b) in enumerate(pairs):
        found.append((starts[b], *shapes[b][::-1], True, number, True))
    for name, shape in shapes.items():
        if any(name in pair for pair in pairs) or math.prod(shape) == 0:
            continue
        if factored and len(shape) == 2 and min(shape) >= 4:
            tall = shape[0] > shape[1]
            found.append((starts[name], *(shape[::-1] if tall else shape), tall, -1, True))
            continue
        whole = math.prod(shape) // 512 * 512
        if whole:
            found.append((starts[name], whole // 512, 512, False, -1, False))
        if math.prod(shape) > whole:
            found.append((starts[name] + whole, 1, math.prod(shape) - whole, False, -1, False))
    return found, stacks


def table(odds: list[int]) -> list[int]:
    left, masses = 1.0, []
    for j in odds:
        o = 2.0 ** ((j - 10) // 2) * (1.4142135623730951 if (j - 10) % 2 else 1.0)
        masses.append(left * (o / (1.0 + o)))
        left -= masses[-1]
    wide = [math.floor(mass * 2.0**40) + 1 for mass in [*masses, left]]
    weights = wide[:1] + [w // 2 + 1 for w in wide[1:] for _ in range(2)]
    total = sum(weights)
    freqs = [max(1, (4096 * weight + total // 2) // total) for weight in weights]
    while sum(freqs) != 4096:
        freqs[freqs.index(max(freqs))] += 1 if sum(freqs) < 4096 else -1
    return freqs


def integers(body: Body, contexts: list[int]) -> list[int]:
    if not contexts:
        return []
    used = sorted(set(contexts))
    lasts = list(body.take(len(used)))
    odds = body.packed(sum(lasts), 5)
    tables = {}
    for context, last in zip(used, lasts, strict=True):
        tables[context], odds = table(odds[:last]), odds[last:]
    lanes = 1
    while lanes < 8 and 8192 * lanes < len(contexts):
        lanes *= 2
    size = body.count()
    states, words = list(body.numbers(f"{lanes}I")), list(body.numbers(f"{size}H"))
    symbols = []
    for place, context in enumerate(contexts):
        freqs, x = tables[context], states[place % lanes]
        symbol, start = 0, 0
        while start + freqs[symbol] <= x % 4096:
            start, symbol = start + freqs[symbol], symbol + 1
        x = freqs[symbol] * (x // 4096) + x % 4096 - start
        states[place % lanes] = x * 65536 + words.pop(0) if x < 65536 else x
        symbols.append(symbol)
    assert not words
    assert set(states) == {65536}
    sizes = body.tokens([(symbol + 1) // 2 for symbol in symbols], 4)
    return [-v if symbol % 2 else v for v, symbol in zip(sizes, symbols, strict=True)]


def octave(value: float) -> int:
    return math.frexp(value)[1]


def clip(code: int) -> int:
    return min(max(code, -6), 9) + 6


def row_step(code: int, columns: int) -> float:
    return max(1.0 / math.sqrt(0.75 * 2.0**code * columns), 2.0**-20)


def lora_klt(body: Body, spec: dict) -> list[float]:
    shapes = SHAPES[spec["basis"]]
    (form,) = body.take(1)
    if form == 0:
        return [0.0] * sum(map(math.prod, shapes.values()))
    exponent, step = body.numbers("hf")
    found, stacks = planes(shapes, form == 2)
    groups = stacks + [[i] for i, plane in enumerate(found) if plane[5]]
    sizes = [(sum(found[i][1] for i in group), found[group[0]][2]) for group in groups]
    groups = [group for group, size in zip(groups, sizes, strict=True) if min(size) // 2]
    sizes = [size for size in sizes if min(size) // 2]

    counts = body.packed(len(groups), body.take(1)[0]) if groups else []
    kinds = [min(j, 1) for count in counts for j in range(count)]
    kinds += [2 + min(i, 1) for plane in found for i in range(plane[1])]
    last, codes = [0, 0], []
    for kind, difference in zip(kinds, integers(body, kinds), strict=True):
        last[kind // 2] += difference
        codes.append(last[kind // 2])
    components = [[codes.pop(0) for _ in range(count)] for count in counts]
    classes = [[codes.pop(0) for _ in range(plane[1])] for plane in found]

    contexts = []
    for (rows, columns), each in zip(sizes, components, strict=True):
        for code in each:
            s = row_step(code, columns)
            contexts += [clip(octave(1.0 / (rows * s * s)))] * rows
            contexts += [16 + clip(code)] * columns
    for plane, each in zip(found, classes, strict=True):
        for code in each:
            contexts += [(32 if plane[4] >= 0 else 48) + code - 1] * (plane[2] if code else 0)
    moved = sorted({context for context in contexts if context >= 16})
    moves = body.packed(2 * len(moved), 5)
    shift = {c: [(m - 16) / 32 for m in moves[2 * i : 2 * i + 2]] for i, c in enumerate(moved)}
    numbers = list(zip(contexts, integers(body, contexts), strict=True))

    def value(context: int, q: int) -> np.float32:
        move = shift[context][abs(q) > 1] if q else 0.0
        return np.float32(math.copysign(1, q) * (abs(q) + move) * step)

    def take(count: int) -> list:
        taken, numbers[:] = numbers[:count], numbers[count:]
        return taken

    work = [np.zeros((plane[1], plane[2]), np.float32) for plane in found]
    for group, (rows, columns), each in zip(groups, sizes, components, strict=True):
        for code in each:
            u = [np.float32(q * row_step(code, columns)) for _, q in take(rows)]
            y = np.array([value(*pair) for pair in take(columns)])
            for row, weight in zip([row for i in group for row in work[i]], u, strict=True):
                row += weight * y
    for plane, each in zip(work, classes, strict=True):
        for row, code in zip(plane, each, strict=True):
            if code:
                row += np.array([value(*pair) for pair in take(row.size)])
    return together(found, work, spec, exponent)


def together(found: list, work: list, spec: dict, exponent: int) -> list[float]:
    out = np.zeros(sum(plane[1] * plane[2] for plane in found), np.float32)
    bases = turns(found) if spec["basis"] == "reference" else {}
    for (place, rows, columns, transposed, pair, _), matrix in zip(found, work, strict=True):
        if pair >= 0 and transposed:
            matrix *= np.float32(spec["ratio"])
        if pair in bases:
            wide = matrix.astype(np.float64)
            for k in range(rows):
                total = np.zeros(columns)
                for i in range(rows):
                    total += bases[pair][k][i] * wide[i]
                matrix[k] = total
        out[place : place + rows * columns] = (matrix.T if transposed else matrix).ravel()
    return [float(v) * 2.0**exponent for v in out]


def turns(found: list) -> dict[int, list[list[float]]]:
    data = bytes.fromhex((GOLDEN / "input.hex").read_text().strip())
    reference = np.roll(np.resize(np.frombuffer(data, "<f4"), 786), 1)
    grams: dict[int, np.ndarray] = {}
    for place, rows, columns, transposed, pair, _ in found:
        if pair < 0:
            continue
        part = reference[place : place + rows * columns].astype(np.float64)
        part = part.reshape(columns, rows).T if transposed else part.reshape(rows, columns)
        top = float(np.abs(part).max())
        whole = [[round(v * 2.0 ** (12 - octave(top))) for v in row] for row in part.tolist()]
        gram = [[sum(a * b for a, b in zip(p, q, strict=True)) for q in whole] for p in whole]
        trace = max(sum(gram[i][i] for i in range(rows)), 1)
        grams[pair] = grams.get(pair, 0) + np.array(gram, np.float64) / float(trace)
    return {pair: eigenvectors(gram) for pair, gram in grams.items()}


def eigenvectors(g: np.ndarray) -> list[list[float]]:
    size, v, trace = len(g), np.eye(len(g)), 0.0
    for i in range(size):
        trace += g[i, i]
    for _ in range(12):
        rotated = False
        for p in range(size - 1):
            for q in range(p + 1, size):
                if abs(g[p, q]) <= trace * 2.0**-40:
                    continue
                rotated = True
                theta = (g[q, q] - g[p, p]) / (2.0 * g[p, q])
                t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
                t = -t if theta < 0 else t
                c = 1.0 / math.sqrt(t * t + 1.0)
                s = t * c
                for m in (g, g.T, v.T):
                    m[p], m[q] = m[p] * c - m[q] * s, m[p] * s + m[q] * c
        if not rotated:
            break
    order = sorted(range(size), key=lambda i: -g[i, i])
    return v[:, order].tolist()


DECODERS = {"lora_klt": lora_klt}
