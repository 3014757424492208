"""What a run can keep of the model that it trained."""

from typing import Literal

KeptChoice = Literal["adapter", "merged", "none"]
