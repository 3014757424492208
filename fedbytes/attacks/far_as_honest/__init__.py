"""How far attackers can go from the honest mean and be no further away than honest clients."""

from fedbytes.attacks.far_as_honest.direction import AwayFrom as AwayFrom
from fedbytes.attacks.far_as_honest.direction import direction_of as direction_of
