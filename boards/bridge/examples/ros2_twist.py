#!/usr/bin/env python3
"""Drives a ROS 2 robot: what the operator does becomes geometry_msgs/Twist on /cmd_vel.

ROS 2 speaks DDS, so ROS itself need not be installed where this runs: `pip install cyclonedds`. The topic
/cmd_vel is `rt/cmd_vel` there, and the type geometry_msgs::msg::dds_::Twist_. docs/ros.md tells more.

    [control]
    board = "program"

    [control.program]
    command = ["/path/to/venv/bin/python", "/path/to/ros2_twist.py", "--linear", "0.5", "--angular", "1.0"]

What is published holds until the next message for most robots: see that yours stops by itself where none
comes for some hundred milliseconds (`cmd_vel_timeout` of diff_drive_controller).
"""

import argparse
import os
from dataclasses import dataclass

import transom
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import float64
from cyclonedds.pub import DataWriter
from cyclonedds.topic import Topic
from cyclonedds.util import duration


@dataclass
class Vector3(IdlStruct, typename="geometry_msgs::msg::dds_::Vector3_"):
    x: float64
    y: float64
    z: float64


@dataclass
class Twist(IdlStruct, typename="geometry_msgs::msg::dds_::Twist_"):
    linear: Vector3
    angular: Vector3


class TwistRobot:
    name = "ROS 2"

    def __init__(self, options):
        participant = DomainParticipant(options.domain)
        # As rclpy's default, but for the depth: what is newest counts, and nobody waits for a slow reader.
        qos = Qos(
            Policy.Reliability.Reliable(max_blocking_time=duration(milliseconds=5)),
            Policy.History.KeepLast(1),
        )
        topic = Topic(participant, "rt/" + options.topic.lstrip("/"), Twist, qos=qos)
        self.writer = DataWriter(participant, topic, qos=qos)
        self.linear, self.angular = options.linear, options.angular

    def move(self, motion):
        # REP 103: x ahead, counter-clockwise about z; metres and radians a second.
        self._publish(motion.linear * self.linear, motion.angular * self.angular)

    def stop(self, reason):
        self._publish(0.0, 0.0)

    def state(self):
        return {}

    def _publish(self, ahead, turn):
        self.writer.write(Twist(Vector3(ahead, 0.0, 0.0), Vector3(0.0, 0.0, turn)))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--socket", help="connect there, not over standard input and output")
    options.add_argument("--topic", default="/cmd_vel")
    options.add_argument("--linear", type=float, default=0.5, help="metres a second at full scale")
    options.add_argument("--angular", type=float, default=1.0, help="radians a second at full scale")
    options.add_argument("--domain", type=int, default=int(os.environ.get("ROS_DOMAIN_ID", "0")))
    options = options.parse_args()
    with transom.Agent(options.socket) as agent:
        agent.run(TwistRobot(options))


if __name__ == "__main__":
    main()
