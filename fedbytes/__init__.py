"""What a byte buys: federated language models, convergence measured against bytes communicated.

From a notebook or a script: `sweep`, `run`, `load`, `plot` and `partition`, which load on first
use; the subjects are packages of their own, such as `fedbytes.compression`.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.notebooks.figures import plot as plot
    from fedbytes.notebooks.partitions import partition as partition
    from fedbytes.notebooks.runs import run as run
    from fedbytes.notebooks.runs import sweep as sweep
    from fedbytes.notebooks.stores import load as load
    from fedbytes.process.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_face(__name__)
