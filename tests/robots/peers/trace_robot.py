"""A robot that writes down what it does, as the simulated board does: `trace_robot.py TRACE [MOOD [SOCKET]]`.

Moods: `good`; `deaf`, which stops reading nothing of its robot but ignores the end of the wire; `sick`, which
reports a fault while a file SICK is beside the trace; `mute`, which answers nothing; `babbler`, which says what
is no line once a file BABBLE is there.
"""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "boards" / "bridge" / "examples"))
import transom  # noqa: E402

trace = pathlib.Path(sys.argv[1])
mood = sys.argv[2] if len(sys.argv) > 2 else "good"
path = sys.argv[3] if len(sys.argv) > 3 else None
log = open(trace, "a", buffering=1)


def edge(line, value):
    log.write(f"{transom.monotonic_us()} {line} {value}\n")


class Robot:
    name = f"a {mood} robot"
    left = 0
    x = 0

    def move(self, motion):
        self.x += 1
        left = round(motion.linear * 32767)
        if left != self.left:
            edge("left", left)
            if not self.left:
                edge("enable", 1)
            if not left:
                edge("enable", 0)
        self.left = left

    def stop(self, reason):
        if self.left:
            edge("enable", 0)
            edge("left", 0)
            log.write(f"{transom.monotonic_us()} {reason.replace(' ', '-')} 0\n")
        self.left = 0

    outputs = ["horn"]

    def switch(self, order):
        edge("horn", order.value * order.ms)

    def state(self):
        if mood == "babbler" and (trace.parent / "BABBLE").exists():
            os.write(babble, b'{"type":"state","seq":"no"}\n')
        fault = {}
        if mood == "sick" and (trace.parent / "SICK").exists():
            fault = {"fault": "the left motor is hot"}
        return {
            "battery_mv": 11900,
            "pose": {"x_mm": self.x, "y_mm": -7, "heading_mrad": 1500},
            "range_mm": 420,
            "temperatures_c": [41.5, 38],
            "user": [1, -2],
            **fault,
        }


babble = os.dup(1)
edge("pid", os.getpid())
edge("enable", 0)
if mood == "mute":
    transom._say(1, {"type": "hello", "version": 1})
    time.sleep(3600)
try:
    transom.run(Robot(), path)
finally:
    edge("over", 0)
    if mood == "deaf":
        while True:
            time.sleep(3600)
