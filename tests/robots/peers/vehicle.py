"""A vehicle that obeys, with pymavlink's end of the wire: `vehicle.py KIND WAY TRACE [MOOD]`.

KIND is rover or copter; WAY is udp:PORT, or pty:PATH, which makes a terminal and a link to it. It does what
ArduPilot does with MANUAL_CONTROL: only from its own ground station, only while it is armed, for three seconds
(RC_OVERRIDE_TIME). Moods: `good`; `refuses` to be armed while a file REFUSE is beside the trace; `flies`, which is
not to be disarmed.
"""

import math
import os
import pathlib
import select
import socket
import sys
import time
import tty

os.environ["MAVLINK20"] = "1"
from pymavlink.dialects.v20 import ardupilotmega as m  # noqa: E402

kind, way, trace = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
mood = sys.argv[4] if len(sys.argv) > 4 else "good"
SYSTEM, STATION = 1, 255
OVERRIDE_S = 3.0
log = open(trace, "a", buffering=1)


def edge(line, value):
    log.write(f"{time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000} {line} {value}\n")


class Udp:
    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.peer = None

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        try:
            data, self.peer = self.socket.recvfrom(2048)
        except ConnectionRefusedError:
            return b""
        return data

    def write(self, data):
        if self.peer:
            self.socket.sendto(data, self.peer)


class Pty:
    def __init__(self, path):
        self.master, slave = os.openpty()
        tty.setraw(slave)
        os.symlink(os.ttyname(slave), path)
        # Held open, so that the terminal is there whether the other end is or not.
        self.slave = slave

    def fileno(self):
        return self.master

    def read(self):
        return os.read(self.master, 2048)

    def write(self, data):
        os.write(self.master, data)


where, _, place = way.partition(":")
wire = Udp(int(place)) if where == "udp" else Pty(place)
mav = m.MAVLink(wire, srcSystem=SYSTEM, srcComponent=m.MAV_COMP_ID_AUTOPILOT1)
mav.robust_parsing = True
armed = False
sticks, sticks_at, thrust = (0, 0, 0, 0), 0.0, None
heading, north, east = 1.0, 5.0, -3.0
begun = then = time.monotonic()
due = {"heartbeat": 0.0, "status": 0.0, "pose": 0.0}
asked = set()
stations = 0
controls = 0
print("vehicle ready", flush=True)
edge("enable", 0)


def move(now):
    """What its motors have."""
    global thrust
    on = armed and now - sticks_at < OVERRIDE_S
    wanted = (sticks[2] if kind == "rover" else sticks[0]) if on else 0
    if wanted != thrust:
        edge("left", wanted)
        if bool(wanted) != bool(thrust):
            edge("enable", int(bool(wanted)))
        thrust = wanted


while True:
    ready, _, _ = select.select([wire], [], [], 0.005)
    now = time.monotonic()
    messages = mav.parse_buffer(wire.read()) if ready else None
    for message in messages or []:
        if message.get_srcSystem() != STATION:
            continue
        name = message.get_type()
        if name == "HEARTBEAT":
            stations += 1
            edge("station", stations)
        elif name == "MANUAL_CONTROL" and message.target == SYSTEM:
            if kind == "copter" and message.z < 0:
                continue
            sticks, sticks_at = (message.x, message.y, message.z, message.r), now
            controls += 1
            edge("controls", controls)
            edge("z", message.z)
        elif name == "COMMAND_LONG" and message.target_system == SYSTEM:
            result = m.MAV_RESULT_ACCEPTED
            if message.command == m.MAV_CMD_COMPONENT_ARM_DISARM:
                wanted = message.param1 == 1
                if message.param2:
                    edge("force", int(message.param2))
                if wanted and mood == "refuses" and (trace.parent / "REFUSE").exists():
                    mav.statustext_send(m.MAV_SEVERITY_CRITICAL, b"PreArm: GPS is not healthy")
                    result = m.MAV_RESULT_FAILED
                elif not wanted and mood == "flies" and armed:
                    result = m.MAV_RESULT_FAILED
                else:
                    armed = wanted
                edge("armed", int(armed))
            elif message.command == m.MAV_CMD_SET_MESSAGE_INTERVAL:
                asked.add(int(message.param1))
            else:
                result = m.MAV_RESULT_UNSUPPORTED
            mav.command_ack_send(message.command, result, target_system=message.get_srcSystem())
    move(now)
    step, then = now - then, now
    if thrust:
        turn = sticks[1] if kind == "rover" else sticks[3]
        heading += turn / 1000 * step
        north += thrust / 1000 * math.cos(heading) * step
        east += thrust / 1000 * math.sin(heading) * step
    boot = int((now - begun) * 1000)
    if now >= due["heartbeat"]:
        due["heartbeat"] = now + 1
        kinds = {"rover": m.MAV_TYPE_GROUND_ROVER, "copter": m.MAV_TYPE_QUADROTOR}
        mode = m.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED | (m.MAV_MODE_FLAG_SAFETY_ARMED if armed else 0)
        mav.heartbeat_send(kinds[kind], m.MAV_AUTOPILOT_ARDUPILOTMEGA, mode, 0, m.MAV_STATE_ACTIVE)
    if now >= due["status"] and m.MAVLINK_MSG_ID_SYS_STATUS in asked:
        due["status"] = now + 0.5
        mav.sys_status_send(0, 0, 0, 100, 11750, -1, -1, 0, 0, 0, 0, 0, 0)
    if now >= due["pose"] and m.MAVLINK_MSG_ID_LOCAL_POSITION_NED in asked:
        due["pose"] = now + 0.1
        mav.attitude_send(boot, 0, 0, heading, 0, 0, 0)
        mav.local_position_ned_send(boot, north, east, 0, 0, 0, 0)
        mav.distance_sensor_send(boot, 20, 1000, 123, 0, 0, m.MAV_SENSOR_ROTATION_NONE, 0)
