"""Launchers, one file each: what makes the runs of `fedbytes sweep SUITE --on NAME`."""
