#!/usr/bin/env python3
"""A robot of one's own: replace `set_wheels` by what drives yours.

    [control]
    board = "program"

    [control.program]
    command = ["python3", "/home/me/robot.py"]

or, for a program that is started by somebody else, `socket = "/run/user/1000/robot.sock"` there, and
`python3 robot.py /run/user/1000/robot.sock` here.
"""

import sys

import transom


def set_wheels(left, right):
    """From -1, full speed backwards, to 1."""
    print(f"wheels {left:+.2f} {right:+.2f}", file=sys.stderr)


class Robot:
    name = "An example"

    def __init__(self):
        self.wheels = (0.0, 0.0)

    def move(self, motion):
        # Where a wheel would exceed full scale both are slowed alike, so that the curve stays the same.
        left, right = motion.linear - motion.angular, motion.linear + motion.angular
        most = max(1.0, abs(left), abs(right))
        self._set((left / most, right / most))

    def stop(self, reason):
        self._set((0.0, 0.0))

    def state(self):
        return {"battery_mv": 12400}

    def _set(self, wheels):
        if wheels != self.wheels:
            self.wheels = wheels
            set_wheels(*wheels)


if __name__ == "__main__":
    transom.run(Robot(), *sys.argv[1:2])
