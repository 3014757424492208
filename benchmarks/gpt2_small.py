"""A small GPT-2 of our own: a third architecture for the study of LoRA deltas.

It is pretrained for some minutes on the lines of Friends, so it is a language model of GPT-2's
architecture and not a good one. It is no release of anybody's and its figures are labelled so.
"""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from fedbytes.data.readers.named_tables import load_friends

VOCABULARY = 4096
BLOCK = 64
BATCH = 16


def ensure_gpt2(folder: Path, steps: int = 800) -> Path:
    """Return the model's folder, after pretraining it there if it is missing."""
    if not (folder / "config.json").is_file():
        texts = list(load_friends().train.texts)
        tokenizer = _tokenizer(texts)
        model = _pretrain(tokenizer, texts, steps)
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
    return folder


def _tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    backend.train_from_iterator(texts, trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=end, eos_token=end, pad_token=end
    )


def _pretrain(tokenizer: PreTrainedTokenizerFast, texts: list[str], steps: int) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    ids = np.concatenate([[*row, 0] for row in tokenizer(texts)["input_ids"]])
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=512,
            n_embd=256,
            n_layer=4,
            n_head=4,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, steps)
    for step in range(steps):
        starts = rng.integers(0, ids.size - BLOCK, BATCH)
        batch = torch.tensor(np.stack([ids[start : start + BLOCK] for start in starts]))
        loss = model(batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if step % 100 == 0:
            print(f"gpt2: step {step}, loss {loss.item():.2f}", flush=True)
    return model.eval()
