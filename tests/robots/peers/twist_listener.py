"""A subscriber to /cmd_vel in a process of its own, as a ROS 2 robot's driver has it: `twist_listener.py TRACE`.

Its types are its own: made by IDL's names and order alone.
"""

import sys
import time
from dataclasses import dataclass

from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import float64
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration


@dataclass
class V(IdlStruct, typename="geometry_msgs::msg::dds_::Vector3_"):
    x: float64
    y: float64
    z: float64


@dataclass
class T(IdlStruct, typename="geometry_msgs::msg::dds_::Twist_"):
    linear: V
    angular: V


log = open(sys.argv[1], "a", buffering=1)
domain = DomainParticipant(int(sys.argv[2]))
qos = Qos(Policy.Reliability.Reliable(duration(seconds=1)), Policy.History.KeepLast(10))
reader = DataReader(domain, Topic(domain, "rt/cmd_vel", T, qos=qos), qos=qos)
print("listening", flush=True)
ahead, count = None, 0
while True:
    for twist in reader.take(32):
        count += 1
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        log.write(f"{now} count {count}\n")
        # A robot that does 0.5 m/s at full scale, in 32767ths.
        told = round(twist.linear.x / 0.5 * 32767)
        if told != ahead:
            log.write(f"{now} left {told}\n")
            if bool(told) != bool(ahead):
                log.write(f"{now} enable {int(bool(told))}\n")
            ahead = told
    time.sleep(0.001)
