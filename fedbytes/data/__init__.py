"""Data sets, tasks, tokens, and the assets they come from."""

from fedbytes.data.assets.asset_files import (
    asset_digest,
    asset_folder,
    asset_names,
    fetch,
    fetch_all,
)
from fedbytes.data.task import TASKS, Kind, Task, make_task
from fedbytes.data.text_data import Split, TextData, make_split, make_text_data
from fedbytes.data.tokens.packing import pack
from fedbytes.data.tokens.token_cache import EncodedSplit, EncodedTask, encode
from fedbytes.data.tokens.unigram import unigram_perplexity
from fedbytes.process.user_cache import home

__all__ = [
    "TASKS",
    "EncodedSplit",
    "EncodedTask",
    "Kind",
    "Split",
    "Task",
    "TextData",
    "asset_digest",
    "asset_folder",
    "asset_names",
    "encode",
    "fetch",
    "fetch_all",
    "home",
    "make_split",
    "make_task",
    "make_text_data",
    "pack",
    "unigram_perplexity",
]
