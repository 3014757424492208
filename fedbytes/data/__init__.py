"""Data sets, tasks, tokens and assets.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.data.assets.asset_files import asset_digest as asset_digest
    from fedbytes.data.assets.asset_files import asset_folder as asset_folder
    from fedbytes.data.assets.asset_files import asset_names as asset_names
    from fedbytes.data.assets.asset_files import fetch as fetch
    from fedbytes.data.assets.asset_files import fetch_all as fetch_all
    from fedbytes.data.canaries import CANARY_CODES as CANARY_CODES
    from fedbytes.data.canaries import Canary as Canary
    from fedbytes.data.canaries import draw_canaries as draw_canaries
    from fedbytes.data.canaries import find_canaries as find_canaries
    from fedbytes.data.canaries import other_codes as other_codes
    from fedbytes.data.canaries import sentence_rows as sentence_rows
    from fedbytes.data.chat_task import ChatTask as ChatTask
    from fedbytes.data.private_records import PrivateRecord as PrivateRecord
    from fedbytes.data.private_records import draw_records as draw_records
    from fedbytes.data.private_records import read_record as read_record
    from fedbytes.data.readers.conversations import make_chat_split as make_chat_split
    from fedbytes.data.readers.conversations import question_and_answer as question_and_answer
    from fedbytes.data.readers.table_file import read_frame as read_frame
    from fedbytes.data.readers.table_split import CLIENT as CLIENT
    from fedbytes.data.readers.table_split import hold_out as hold_out
    from fedbytes.data.readers.table_split import to_split as to_split
    from fedbytes.data.task import TASKS as TASKS
    from fedbytes.data.task import Kind as Kind
    from fedbytes.data.task import Task as Task
    from fedbytes.data.task import make_task as make_task
    from fedbytes.data.testing.task_contract import check_task as check_task
    from fedbytes.data.text_data import Split as Split
    from fedbytes.data.text_data import TextData as TextData
    from fedbytes.data.text_data import make_split as make_split
    from fedbytes.data.text_data import make_text_data as make_text_data
    from fedbytes.data.tokens.chat_frame import ChatFrame as ChatFrame
    from fedbytes.data.tokens.chat_frame import prompt_and_answer as prompt_and_answer
    from fedbytes.data.tokens.chat_rows import next_turn as next_turn
    from fedbytes.data.tokens.packing import pack as pack
    from fedbytes.data.tokens.token_cache import EncodedSplit as EncodedSplit
    from fedbytes.data.tokens.token_cache import EncodedTask as EncodedTask
    from fedbytes.data.tokens.token_cache import encode as encode
    from fedbytes.data.tokens.token_row import TokenRow as TokenRow
    from fedbytes.data.tokens.token_row import extend_split as extend_split
    from fedbytes.data.tokens.token_row import row_of as row_of
    from fedbytes.data.tokens.token_row import split_of as split_of
    from fedbytes.data.tokens.unigram import unigram_perplexity as unigram_perplexity
    from fedbytes.process.user_cache import home as home

__getattr__, __dir__, __all__ = lazy_face(__name__)
