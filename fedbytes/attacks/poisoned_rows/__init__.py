"""What attacks on data share: whose rows change, where a trigger goes, what counts as success."""

from fedbytes.attacks.poisoned_rows.data_attack import ChangeRow as ChangeRow
from fedbytes.attacks.poisoned_rows.data_attack import DataAttack as DataAttack
from fedbytes.attacks.poisoned_rows.data_attack import RowContext as RowContext
from fedbytes.attacks.poisoned_rows.label_attack import LabelAttack as LabelAttack
from fedbytes.attacks.poisoned_rows.text_trigger import TextTrigger as TextTrigger
