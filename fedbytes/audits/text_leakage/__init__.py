"""What audits share that rebuild a client's texts from its message."""

from fedbytes.audits.text_leakage.audit import TextLeakage as TextLeakage
from fedbytes.audits.text_leakage.guess import Guess as Guess
