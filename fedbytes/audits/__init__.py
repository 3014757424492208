"""Audits, one file each; `TextLeakage` is what those that rebuild clients' texts derive from."""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.audits.text_leakage.audit import TextLeakage as TextLeakage
    from fedbytes.audits.text_leakage.guess import Guess as Guess

__getattr__, __dir__, __all__ = lazy_face(__name__)
