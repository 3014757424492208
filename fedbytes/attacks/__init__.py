"""Attacks, one file each; `DataAttack` is what those on clients' data are made of."""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.attacks.poisoned_rows.data_attack import DataAttack as DataAttack

__getattr__, __dir__, __all__ = lazy_face(__name__)
