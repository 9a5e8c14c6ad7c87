"""Numbers, shares, durations and counts as text for a reader."""

from __future__ import annotations

import math


def as_number(value: float) -> str:
    """1,234.5 with a true minus sign."""
    return f"{round(value, 6) + 0.0:,.10g}".replace("-", "−")


def rounded(value: float) -> str:
    """Two or three significant figures."""
    digits = 0 if abs(value) >= 20 else 1 if abs(value) >= 2 else 2
    return as_number(round(value, digits))


def significant(value: float) -> str:
    """Three significant figures; very small and very large values with an exponent."""
    if value and not 0.001 <= abs(value) < 1e6:
        return exponent(value)
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return as_number(round(value, digits))


def exponent(value: float) -> str:
    """0.00058 -> 5.8e−4."""
    if not value:
        return "0"
    mantissa, power = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(power)}".replace("-", "−")


def percent(share: float) -> str:
    """0.2832 -> 28.3 %, 1.0 -> 100 %."""
    return f"{100 * share:.{0 if share >= 0.9995 else 1}f} %"


def axis_percent(share: float) -> str:
    """As `percent`, but without decimals where there are none: 0.5 -> 50 %."""
    return f"{round(100 * share):.0f} %" if abs(100 * share - round(100 * share)) < 0.005 else percent(share)


def count_of_clips(count: int) -> str:
    """1 clip, 2,000 clips."""
    return "1 clip" if count == 1 else f"{count:,} clips"


def duration(seconds: float | None) -> str:
    """4.2 s, 12 min, 3.5 h."""
    if seconds is None:
        return "length unknown"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.{1 if seconds < 600 else 0}f} min"
    return f"{seconds / 3600:.{1 if seconds < 360_000 else 0}f} h"


def hours(minutes: float) -> str:
    """45 -> 45 min, 312 -> 5 h 12 min."""
    whole = round(minutes)
    return f"{whole} min" if whole < 60 else f"{whole // 60} h {whole % 60} min" if whole % 60 else f"{whole // 60} h"
