"""The part of a recording that is to be read, and the errors that its length and place can cause."""

from __future__ import annotations

from dataclasses import dataclass

from goama.errors import GoamaError

_PAST_THE_END_S = 0.05  # times are rounded: a piece may end so much later than its recording


class TruncatedSoundError(GoamaError):
    """A part of the recording is missing."""


class TooLongSoundError(GoamaError):
    """The sound is longer than the caller takes in one piece."""


class OutsideRecordingError(GoamaError):
    """The piece does not lie within its recording."""


@dataclass(frozen=True)
class Piece:
    """`duration` seconds from `offset` on; None: to the end. `name` is the recording's name in messages.

    A piece longer than `longest_s` is refused.
    """

    name: str
    offset: float = 0.0
    duration: float | None = None
    longest_s: float = float("inf")

    @property
    def is_whole(self) -> bool:
        """Whether the piece is the whole recording."""
        return not self.offset and self.duration is None

    def frames(self, rate: int) -> tuple[int, int | None]:
        """First frame and the frame after the last, at `rate`; None: to the end."""
        start = round(self.offset * rate)
        return start, None if self.duration is None else round((self.offset + self.duration) * rate)

    def check(self, total_s: float) -> None:
        """Raises `GoamaError` when the piece is not within a recording of `total_s` seconds, or is too long."""
        end = total_s if self.duration is None else self.offset + self.duration
        if (self.offset and self.offset >= total_s) or end > total_s + _PAST_THE_END_S:
            raise OutsideRecordingError(
                f"{self.name}: the clip from {self.offset:.2f} s to {end:.2f} s does not lie within the "
                f"recording's {total_s:.2f} s"
            )
        self.check_length(end - self.offset)

    def check_length(self, seconds: float) -> None:
        """Raises `TooLongSoundError` when `seconds` is more than `longest_s`."""
        if seconds > self.longest_s:
            long = f"{seconds / 3600:.0f} h" if seconds >= 3 * 3600 else f"{seconds:.0f} s"
            most = f"{self.longest_s / 3600:.0f} h" if self.longest_s >= 3600 else f"{self.longest_s:.0f} s"
            raise TooLongSoundError(f"{self.name}: {long} in one piece; cut it into pieces of at most {most}")
