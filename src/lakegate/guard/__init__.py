"""The gate where records are made: in a program, behind a web handler, on a data frame.

The verdict is that of the stream, because it is the same gate.
"""

from lakegate.guard.frame import FrameVerdict, judge_frame
from lakegate.guard.guard import Guard, RecordRefused

__all__ = ["FrameVerdict", "Guard", "RecordRefused", "judge_frame"]
