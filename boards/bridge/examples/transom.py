"""The robot's end of transom-agent's JSON protocol, for programs in Python: docs/program.md.

    import transom

    class Robot:
        name = "My robot"

        def move(self, motion):        # at most 25 times a second, and at each change
            set_wheels(motion.linear - motion.angular, motion.linear + motion.angular)

        def stop(self, reason):        # must always work
            set_wheels(0, 0)

        def state(self):               # what it measures; {"fault": "why"} if it cannot drive
            return {"battery_mv": 12400}

        outputs = ["horn"]             # what the page may switch besides; none if left out

        def switch(self, order):       # order.output, order.value, order.ms
            sound_horn(order.value, order.ms)

    transom.run(Robot())

Only the standard library is needed. `move`, `stop` and `state` must return within some 50 ms: what
takes longer belongs on a thread of its own.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from types import SimpleNamespace

VERSION = 1
LONGEST_LINE = 1024


def monotonic_us():
    """CLOCK_MONOTONIC, which is that of `at_us`."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def run(robot, path=None):
    """Drives `robot` until the agent is gone: over standard input and output, or over the Unix socket at `path`.

    Whatever ends it, the robot is stopped: no line for `hold_ms`, the end of file, SIGTERM, an error.
    """
    with Agent(path) as agent:
        agent.run(robot)


class Agent:
    """The way to the agent. Made before other libraries are loaded, it keeps what they print out of it."""

    def __init__(self, path=None):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        self.connection = None
        if path is None:
            # What is printed from now on goes to the log.
            self.incoming, self.outgoing = 0, os.dup(1)
            os.dup2(2, 1)
        else:
            self.connection = socket.socket(socket.AF_UNIX)
            self.connection.connect(path)
            self.incoming = self.outgoing = self.connection.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.connection is not None:
            self.connection.close()

    def run(self, robot):
        """Drives it until the agent is gone."""
        try:
            _converse(robot, self.incoming, self.outgoing)
        finally:
            robot.stop("the agent is gone")


def _say(descriptor, message):
    os.write(descriptor, json.dumps(message, separators=(",", ":")).encode() + b"\n")


def _converse(robot, incoming, outgoing):
    # Until the agent has said what holds.
    hold_us = 200_000
    heard_us = monotonic_us()
    moves = False
    rest = b""
    hello = {"name": getattr(robot, "name", "robot"), "outputs": getattr(robot, "outputs", [])}
    _say(outgoing, {"type": "hello", "version": VERSION, **hello})
    while True:
        left = max(0, heard_us + hold_us - monotonic_us()) / 1e6 if moves else None
        ready, _, _ = select.select([incoming], [], [], left)
        if not ready:
            # The dead-man: nobody has said for too long that it may go on.
            robot.stop("silence")
            moves = False
            continue
        try:
            chunk = os.read(incoming, 4096)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise ValueError("the agent sent a line without an end")
        for line in lines:
            message = json.loads(line)
            kind = message["type"]
            if kind == "hello":
                if message["version"] != VERSION:
                    raise ValueError(f"the agent speaks version {message['version']}")
                hold_us = message["hold_ms"] * 1000
                continue
            if kind == "refused":
                raise PermissionError(message["reason"])
            # What waited somewhere, because this program stood still, is of the past.
            fresh = monotonic_us() - message["at_us"] <= hold_us
            if kind == "motion" and fresh:
                heard_us = message["at_us"]
                robot.move(SimpleNamespace(**message))
                moves = True
            elif kind == "motion":
                robot.stop("a line that was too old")
                moves = False
            elif kind == "stop":
                robot.stop(message["reason"])
                moves = False
            elif kind == "switch" and fresh:
                robot.switch(SimpleNamespace(**message))
            else:
                # Too old to be switched by, or of a newer agent.
                pass
            _say(outgoing, {"type": "state", "seq": message["seq"], **robot.state()})
