"""What attackers know of honest clients' deltas, and measures of it."""

from fedbytes.attacks.honest_deltas.send_alike import SendAlike as SendAlike
from fedbytes.attacks.honest_deltas.statistics import honest_rows as honest_rows
from fedbytes.attacks.honest_deltas.statistics import mean_and_deviation as mean_and_deviation
from fedbytes.attacks.honest_deltas.statistics import root_mean_square as root_mean_square
