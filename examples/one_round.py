"""One federated round by hand: partition, train, encode, frame, decode, average.

Run it with `python examples/one_round.py`. It uses the parts that a sweep uses, without the sweep:
four clients fit a linear model by least squares and send what they learned through top-k.
"""

import numpy as np
import torch

from fedbytes.compression import Frame, Layout, Shared, codec_id, make_codec
from fedbytes.noniid import make_partitioner

CLIENTS, FEATURES, DELTA = 4, 32, 4  # a delta is the fourth kind of message

# Data: 400 examples of three classes, which a Dirichlet distribution deals out unevenly.
rng = np.random.default_rng(0)
inputs = torch.from_numpy(rng.normal(size=(400, FEATURES)).astype(np.float32))
truth = torch.from_numpy(rng.normal(size=FEATURES).astype(np.float32))
targets = inputs @ truth
labels = np.digitize(targets.numpy(), [-3.0, 3.0])
partition = make_partitioner("dirichlet", alpha=0.3)(labels, num_clients=CLIENTS, seed=0)
print(
    f"clients hold {partition.sizes.tolist()} examples, NMI {partition.metrics(labels)['nmi']:.2f}"
)

# Both ends know the layout and the codec, so messages hold neither names nor shapes.
layout = Layout({"weight": (FEATURES,)})
codec = make_codec("topk", density=0.5)
model = torch.zeros(FEATURES)


def train(start: torch.Tensor, examples: np.ndarray) -> torch.Tensor:
    """Return the delta of ten gradient steps on a client's own examples."""
    chosen = torch.from_numpy(examples.copy())
    x, y, weight = inputs[chosen], targets[chosen], start.clone()
    for _ in range(10):
        weight -= 0.1 * x.T @ (x @ weight - y) / len(x)
    return weight - start


for round_ in range(1, 6):
    received, sizes, crossed = [], [], 0
    for client, examples in enumerate(partition.indices):
        # The client encodes its delta and frames it; `data` is all that crosses.
        shared = Shared(layout, seed=0, round=round_, sender=client)
        payload = codec.encode(train(model, examples), shared)
        frame = Frame(DELTA, codec_id(codec), layout.digest, round_, client, payload)
        data = frame.pack()
        crossed += len(data)

        # The server checks the frame against what it expects, and decodes the payload.
        arrived = Frame.unpack(data, layout_digest=layout.digest, round=round_, sender=client)
        received.append(codec.decode(arrived.payload, shared))
        sizes.append(len(examples))

    # The mean is weighted by examples, as in FedAvg.
    weights = torch.tensor(sizes) / sum(sizes)
    model = model + sum(w * delta for w, delta in zip(weights, received, strict=True))
    error = float(torch.linalg.vector_norm(model - truth) / torch.linalg.vector_norm(truth))
    print(
        f"round {round_}: {crossed} bytes up (fp32: {CLIENTS * (4 * FEATURES + 44)}), "
        f"relative error {error:.3f}"
    )
