"""Privacy mechanisms. They know numpy and cryptography, and nothing of models or rounds.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.privacy.hit_bound import MeasuredHits as MeasuredHits
    from fedbytes.privacy.hit_bound import hits_above as hits_above
    from fedbytes.privacy.hit_bound import most_hits as most_hits
    from fedbytes.privacy.noisy_sum import NoisySum as NoisySum
    from fedbytes.privacy.one_run_audit import guess_p_value as guess_p_value
    from fedbytes.privacy.one_run_audit import least_epsilon as least_epsilon
    from fedbytes.privacy.participation import Participation as Participation
    from fedbytes.privacy.privacy import PRIVACY as PRIVACY
    from fedbytes.privacy.privacy import Privacy as Privacy
    from fedbytes.privacy.privacy import make_privacy as make_privacy

__getattr__, __dir__, __all__ = lazy_face(__name__)
