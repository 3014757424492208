from dataclasses import dataclass

from fedbytes.data.chat_task import ChatTask
from fedbytes.data.readers.conversations import make_chat_split, question_and_answer
from fedbytes.data.readers.named_tables import load_categories
from fedbytes.data.task import TASKS
from fedbytes.data.text_data import Split, TextData, make_text_data

TOPICS = {
    "acq": "acquisitions",
    "crude": "oil",
    "earn": "earnings",
    "grain": "grain",
    "interest": "interest rates",
    "money-fx": "currencies",
    "ship": "shipping",
    "trade": "trade",
}
_QUESTION = (
    "What is the topic of this news story? Answer with one of: "
    f"{', '.join(sorted(TOPICS.values()))}.\n\n"
)


@TASKS.register("news-instruct")
@dataclass(frozen=True)
class NewsInstruct(ChatTask):
    """Reuters R8 as instructions: a story and a question, answered by its topic.

    The rate of exact matches of generated answers is the accuracy of classification. The topic is
    kept in the column `label`, so that it can split clients.
    """

    max_length: int = 192
    max_new_tokens: int = 8

    def read(self) -> TextData:
        """Return the stories of `reuters-r8` as conversations of one turn."""
        data = load_categories("reuters-r8")
        return make_text_data("news-instruct", _ask(data.train), _ask(data.test))


def _ask(split: Split) -> Split:
    labels = split.columns["label"].tolist()
    chats = [
        question_and_answer(_QUESTION + text, TOPICS[str(label)])
        for text, label in zip(split.texts, labels, strict=True)
    ]
    return make_chat_split(chats, {"label": split.columns["label"]})
