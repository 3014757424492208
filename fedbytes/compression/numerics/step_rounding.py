"""Quantiser steps rounded to 12 bits, so that every platform sends the same step."""

import math


def round_step(step: float) -> float:
    """Return a positive step rounded to 12 bits; last bits of logarithms and roots cannot show."""
    mantissa, exponent = math.frexp(step)
    return math.ldexp(round(mantissa * 4096) / 4096, exponent)


def step_from_log2(log2_step: float) -> float:
    """Return 2^log2_step, rounded."""
    return round_step(2.0**log2_step)
