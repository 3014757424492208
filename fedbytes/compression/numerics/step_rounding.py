"""Quantiser steps rounded, so that no platform's last bits travel."""

import math


def round_step(step: float) -> float:
    """Return a positive step rounded to 12 bits, so that its last bits depend on no platform."""
    mantissa, exponent = math.frexp(step)
    return math.ldexp(round(mantissa * 4096) / 4096, exponent)


def step_from_log2(log2_step: float) -> float:
    """Return the rounded step whose logarithm is given."""
    return round_step(2.0**log2_step)
