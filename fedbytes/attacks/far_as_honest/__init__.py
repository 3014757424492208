"""How far attackers can go from the honest mean and be no further away than honest clients."""

from fedbytes.attacks.far_as_honest.far_as_honest import FarAsHonest as FarAsHonest
