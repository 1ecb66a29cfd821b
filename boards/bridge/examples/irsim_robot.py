#!/usr/bin/env python3
"""A robot of the simulator ir-sim (`pip install ir-sim`), driven by transom-agent: docs/program.md.

    [control]
    board = "program"

    [control.program]
    command = ["/path/to/venv/bin/python", "/path/to/irsim_robot.py"]

`--trace FILE` writes down what it is told and where it is.
"""

import argparse
import math
import os
import threading
import time

import transom

# Without a window.
os.environ.setdefault("MPLBACKEND", "agg")

WORLD = """
world: {height: 20, width: 20, step_time: 0.02, sample_time: 0.02, collision_mode: stop}
robot:
  - kinematics: {name: diff}
    shape: {name: circle, radius: 0.2}
    state: [10, 10, 0]
    vel_max: [1, 2]
"""
STEP_S = 0.02
# Of full scale.
METRES_A_SECOND = 0.8
RADIANS_A_SECOND = 1.5


class IrSimRobot:
    name = "ir-sim"

    def __init__(self, environment, trace):
        self.environment = environment
        self.trace = trace
        self.told = (0.0, 0.0)
        self.power = False
        self.pose = self.start = (0.0, 0.0, 0.0)
        self.begun = False
        threading.Thread(target=self._simulate, daemon=True).start()

    def move(self, motion):
        self._set(motion.linear, motion.angular)

    def stop(self, reason):
        self._set(0.0, 0.0)

    def state(self):
        (x, y, heading), (x0, y0, ahead) = self.pose, self.start
        dx, dy = x - x0, y - y0
        return {
            "pose": {
                "x_mm": round(1000 * (dx * math.cos(ahead) + dy * math.sin(ahead))),
                "y_mm": round(1000 * (dy * math.cos(ahead) - dx * math.sin(ahead))),
                "heading_mrad": round(1000 * (heading - ahead)),
            }
        }

    def _set(self, linear, angular):
        if (linear, angular) == self.told:
            return
        self.told = (linear, angular)
        self._edge("left", round(linear * 32767))
        power = self.told != (0.0, 0.0)
        if power != self.power:
            self.power = power
            self._edge("enable", int(power))

    def _simulate(self):
        due = time.monotonic()
        while True:
            linear, angular = self.told
            self.environment.step([linear * METRES_A_SECOND, angular * RADIANS_A_SECOND])
            self.pose = tuple(float(value) for value in self.environment.robot.state.ravel()[:3])
            if not self.begun:
                self.begun, self.start = True, self.pose
            self._edge("travelled", round(1000 * math.dist(self.pose[:2], self.start[:2])))
            due = max(due + STEP_S, time.monotonic() - STEP_S)
            time.sleep(max(0.0, due - time.monotonic()))

    def _edge(self, line, value):
        if self.trace:
            self.trace.write(f"{transom.monotonic_us()} {line} {value}\n")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--socket", help="connect there, not over standard input and output")
    options.add_argument("--trace")
    options = options.parse_args()
    # Before a library prints anything, since standard output is the agent's.
    with transom.Agent(options.socket) as agent:
        import irsim
        import tempfile

        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as world:
            world.write(WORLD)
            world.flush()
            environment = irsim.make(world.name, display=False, disable_all_plot=True, log_level="WARNING")
        trace = open(options.trace, "a", buffering=1) if options.trace else None
        agent.run(IrSimRobot(environment, trace))


if __name__ == "__main__":
    main()
