"""A tokenizer trained on the training texts, cached by content digest."""

import hashlib
import json
from typing import Any

from fedbytes.data.assets.manifest import is_whole, staged_folder
from fedbytes.data.text_data import TextData
from fedbytes.data.tokens.encoded import Tokenizer
from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases.shared_folder import alone_in
from fedbytes.process.user_cache import cache_folder, unwritable_error

_FORMAT = 1
END = "<|end|>"
LEAST_VOCABULARY = 257


def trained_tokenizer(data: TextData, vocab_size: int) -> Tokenizer:
    """Return a byte-level BPE tokenizer of the training texts (Sennrich et al., arXiv:1508.07909).

    Its vocabulary is all bytes, an end token, and merges of frequent pairs up to `vocab_size`. The
    same texts give the same tokenizer. It depends on word counts over all clients' texts, so its
    recipients learn which words are frequent in them.

    Args:
        data: the texts; test texts are not read.
        vocab_size: maximum number of tokens, at least 257.

    Raises:
        ValueError: if the cache folder cannot be written.
    """
    key = json.dumps([_FORMAT, data.digest, vocab_size])
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    root = cache_folder("tokenizers")
    target = root / name
    try:
        with alone_in(root, name):
            if not is_whole(target):
                with staged_folder(target) as staging:
                    content = _train(data.train.texts, vocab_size)
                    (staging / "tokenizer.json").write_text(content, encoding="utf-8")
            content = (target / "tokenizer.json").read_text(encoding="utf-8")
    except (OSError, DiskError) as error:
        raise unwritable_error(root, error) from error
    return _open(content)


def serialise_tokenizer(tokenizer: Any) -> bytes:
    """Return the bytes that reproduce a tokenizer: its JSON without white space."""
    if getattr(tokenizer, "backend_tokenizer", None) is not None:
        return str(tokenizer.backend_tokenizer.to_str()).encode()
    return repr(sorted(tokenizer.get_vocab().items())).encode()


def tokenizer_digest(tokenizer: Tokenizer) -> str:
    """Return the SHA-256 of a tokenizer's content and special tokens."""
    special = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id)
    return hashlib.sha256(f"{special} ".encode() + serialise_tokenizer(tokenizer)).hexdigest()


def _train(texts: list[str], vocab_size: int) -> str:
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers, trainers

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    content: str = backend.to_str()
    return content


def _open(content: str) -> Tokenizer:
    from tokenizers import Tokenizer as Backend
    from transformers import PreTrainedTokenizerFast

    tokenizer: Tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Backend.from_str(content),
        bos_token=END,
        eos_token=END,
        pad_token=END,
        model_max_length=int(1e9),
    )
    return tokenizer
