"""Whether a task's texts fit into a model: its positions and its embeddings of tokens."""

from typing import Any

from torch import nn

from fedbytes.data.tokens.encoded import EncodedTask
from fedbytes.models.heads.generation import longest_question


def count_positions(backbone: Any) -> int | None:
    """Return the number of positions of a model; None if its configuration has none."""
    for name, module in backbone.named_modules():
        if not (name.endswith("position_embeddings") and isinstance(module, nn.Embedding)):
            continue
        if module.padding_idx is not None:  # RoBERTa counts positions after the padding's
            return int(module.num_embeddings) - int(module.padding_idx) - 1
    most = getattr(backbone.config.get_text_config(), "max_position_embeddings", None)
    return most if isinstance(most, int) and most > 0 else None


def check_tokens_known(backbone: Any, task: EncodedTask, name: str) -> None:
    """Check that a model has an embedding of every token of a task's texts.

    Args:
        backbone: the model.
        task: its texts.
        name: the model, as written in the configuration.

    Raises:
        ValueError: if it does not: the tokenizer is another model's, or has been extended.
    """
    try:
        rows = len(backbone.get_input_embeddings().weight)
    except (NotImplementedError, AttributeError):  # it embeds in another way, such as by hashes
        return
    highest = max(int(split.tokens.max(initial=0)) for split in (task.train, task.test))
    if highest >= rows:
        raise ValueError(
            f"model {name!r} embeds tokens 0 to {rows - 1}, but the texts have token {highest} of "
            f"its tokenizer, which has {len(task.tokenizer)}: use the tokenizer that the model was "
            f"trained with, or save the model after resize_token_embeddings({len(task.tokenizer)})"
        )


def check_prompt_fits(most: int | None, prompt: int) -> None:
    """Check that a prompt leaves positions for a text.

    Raises:
        ValueError: if it does not.
    """
    if most is not None and prompt >= most:
        raise ValueError(
            f"a prompt of {prompt} tokens leaves no room for a text in the model's {most} "
            "positions: set a smaller adapter.length"
        )


def check_text_fits(most: int | None, text: int, prompt: int = 0, question: int = 0) -> None:
    """Check that a text fits into a model's positions together with a prompt and a question.

    Args:
        most: the model's positions, None for no limit.
        text: number of its tokens.
        prompt: number of tokens in front of it.
        question: number of tokens after it.

    Raises:
        ValueError: if it does not.
    """
    if most is None or prompt + text + question <= most:
        return
    check_prompt_fits(most, prompt)
    left = most - prompt - question
    others = [("a prompt", prompt), ("a question", question)]
    parts = [f"texts of {text} tokens", *(f"{what} of {n}" for what, n in others if n)]
    remedy = f"task.max_length={left}" if left > 0 else "a shorter model.question"
    raise ValueError(f"{' and '.join(parts)} exceed the model's {most} positions: set {remedy}")


def check_task_fits(backbone: Any, task: EncodedTask, prompt: int = 0, question: int = 0) -> None:
    """Check that a task's longest text and its longest answer fit into a model's positions.

    Args:
        backbone: the model.
        task: its texts; those that are not packed yet count as `max_length` tokens.
        prompt: tokens that an adapter puts in front of each text.
        question: tokens after each text.

    Raises:
        ValueError: if they do not.
    """
    most = count_positions(backbone)
    longest = max(int(split.lengths.max()) for split in (task.train, task.test))
    check_text_fits(most, task.max_length if task.unpacked else longest, prompt, question)
    if task.generation is None or most is None:
        return
    asked, answer = prompt + longest_question(task), task.generation.max_new_tokens
    if asked + answer > most:
        raise ValueError(
            f"questions of {asked} tokens and answers of {answer} exceed the model's {most} "
            f"positions: set task.max_new_tokens={max(most - asked, 1)}, or a smaller "
            "task.max_length"
        )
