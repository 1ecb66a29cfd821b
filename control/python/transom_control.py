"""The binary form of Transom's commands and reports, version 1, for programs in Python.

The twin of control/src/wire, where the form is drawn, and held to the same test vectors
(tests/data/control/vectors.json). No dependency.

    channel.send(emit_command({"kind": "stop", "seq": 4, "epoch": 17, "reason": "operator"}))
    report = parse_report(message)

Messages are dictionaries with the names that the vectors have. `source` and `lease` may be left out of a
command: the server fills them in. Parsing raises WireError, whose `code` names what is wrong; emitting raises
ValueError where a value does not fit.
"""

import struct

VERSION = 1
ALL_EPOCHS = 0xFFFFFFFF
FULL_SCALE = 32767
LAST_STAMP = (1 << 53) - 1
HALF_TURN_MRAD = 3142

COMMANDS = {"setpoint": (1, 52), "arm": (2, 28), "disarm": (3, 20), "stop": (4, 24), "ping": (5, 20),
            "emergency": (6, 20), "reset": (7, 28), "switch": (8, 36)}
REPORTS = {"beacon": (129, 40), "ack": (130, 28), "telemetry": (131, 104)}
PICTURES = {"picture": (132, 16)}
STATES = ["disarmed", "armed", "stopped", "emergency"]
REASONS = [None, "operator", "stale", "link-lost", "agent-died", "replaced", "blind", "fault", "shutdown",
           "emergency", "hidden", "malformed", "peer-closed"]
SENT_REASONS = ["operator", "link-lost", "replaced", "blind", "hidden"]
RESULTS = ["done", "stale", "future", "old", "armed", "epoch", "fault", "latched", "absent", "received", "busy"]
REFUSED = [None, "void", "old", "stale", "future", "blind"]
ANSWERED = ["arm", "disarm", "stop", "emergency", "reset", "switch"]
COUNTS = ["applied", "stale", "old", "void", "refused", "stops"]
OUTPUTS = {1: "lock", 2: "light", 3: "chime", 4: "horn", **{128 + n: f"user{n}" for n in range(128)}}
UNKNOWN_TEMPERATURE = -32768
AXES = ["linear", "angular", "pan", "tilt"]


class WireError(ValueError):
    """Bytes that are no message; `code` says why: length, version, kind, reserved, stamp, axis, ..."""

    def __init__(self, code, value=""):
        super().__init__(f"no message of control: {code} {value}".rstrip())
        self.code = code


def parse_command(data):
    """What an operator sends, as a dictionary."""
    reader = _Reader(data)
    kind = reader.kind(COMMANDS)
    reader.reserved(2)
    command = {"kind": kind, "source": reader.u32(), "lease": reader.u32(), "seq": reader.u32()}
    epoch = reader.u32()
    if kind in ("setpoint", "arm", "reset") and epoch == ALL_EPOCHS or kind == "ping" and epoch != 0:
        raise WireError("epoch", epoch)
    if kind == "setpoint":
        command.update(epoch=epoch, echo=reader.stamp(), picture=reader.stamp(), axes=reader.axes())
    elif kind == "arm":
        command.update(follows=epoch, echo=reader.stamp())
    elif kind == "reset":
        command.update(epoch=epoch, echo=reader.stamp())
    elif kind == "stop":
        code = reader.u8()
        if code >= len(REASONS) or REASONS[code] not in SENT_REASONS:
            raise WireError("reason", code)
        reader.reserved(3)
        command.update(epoch=epoch, reason=REASONS[code])
    elif kind == "switch":
        echo, code = reader.stamp(), reader.u8()
        if code not in OUTPUTS:
            raise WireError("output", code)
        reader.reserved(1)
        command.update(press=epoch, echo=echo, output=OUTPUTS[code], value=reader.u16(), ms=reader.u16())
        reader.reserved(2)
    elif kind != "ping":
        command.update(epoch=epoch)
    return command


def emit_command(command):
    """The bytes of a command."""
    kind = command["kind"]
    writer = _Writer(kind, COMMANDS)
    writer.put("BB", 0, 0)
    writer.put("III", command.get("source", 0), command.get("lease", 0), command["seq"])
    named = {"arm": "follows", "switch": "press"}.get(kind, "epoch")
    epoch = 0 if kind == "ping" else command[named]
    if kind in ("setpoint", "arm", "reset") and epoch == ALL_EPOCHS:
        raise ValueError("no such epoch")
    writer.put("I", epoch)
    if kind in ("setpoint", "arm", "reset", "switch"):
        writer.stamp(command["echo"])
    if kind == "setpoint":
        writer.stamp(command.get("picture", 0))
        writer.axes(command["axes"])
    elif kind == "stop":
        writer.put("BBBB", _code(REASONS, _one_of(SENT_REASONS, command["reason"])), 0, 0, 0)
    elif kind == "switch":
        output = next((code for code, name in OUTPUTS.items() if name == command["output"]), None)
        if output is None:
            raise ValueError(f"{command['output']!r} is no output")
        writer.put("BBHHBB", output, 0, command["value"], command.get("ms", 0), 0, 0)
    return writer.done()


def parse_report(data):
    """What the device says, as a dictionary."""
    reader = _Reader(data)
    kind = reader.kind(REPORTS)
    state_code, reason_code = reader.u8(), reader.u8()
    state = _named(STATES, state_code, "state")
    reason = _named(REASONS, reason_code, "reason")
    fits = {"stopped": reason not in (None, "emergency"), "emergency": reason == "emergency"}
    if not fits.get(state, reason is None):
        raise WireError("reason", reason_code)
    report = {"kind": kind, "state": state, "reason": reason, "lease": reader.u32(), "epoch": reader.u32(),
              "stamp": reader.stamp()}
    if kind == "beacon":
        report.update(heard=reader.u32(), heldUs=reader.u32(), applied=reader.u32(), limitMs=reader.u16(),
                      ageMs=reader.u16(), refused=_named(REFUSED, reader.u8(), "refusal"))
        speed = reader.u8()
        if speed > 100:
            raise WireError("percent", speed)
        report.update(speed=speed, pictureLimitMs=reader.u16())
    elif kind == "ack":
        seq, code = reader.u32(), reader.u8()
        of = next((name for name in ANSWERED if COMMANDS[name][0] == code), None)
        if of is None:
            raise WireError("kind", code)
        report.update(seq=seq, of=of, result=_named(RESULTS, reader.u8(), "result"))
        reader.reserved(2)
    else:
        report.update(axes=reader.axes(), xMm=reader.i32(), yMm=reader.i32(), headingMrad=reader.i16())
        if abs(report["headingMrad"]) > HALF_TURN_MRAD:
            raise WireError("heading", report["headingMrad"])
        report.update(batteryMv=reader.u16(), rangeMm=reader.u16(),
                      temperatures=[_known(reader.i16()), _known(reader.i16())],
                      panMrad=reader.i16(), tiltMrad=reader.i16())
        reader.reserved(2)
        report.update(user=[reader.i32() for _ in range(4)], applied=reader.u32(),
                      counts={name: reader.u32() for name in COUNTS})
    return report


def emit_report(report):
    """The bytes of a report: the device's side, for tests."""
    kind = report["kind"]
    writer = _Writer(kind, REPORTS)
    writer.put("BB", _code(STATES, report["state"]), _code(REASONS, report["reason"]))
    writer.put("II", report["lease"], report["epoch"])
    writer.stamp(report["stamp"])
    if kind == "beacon":
        writer.put("IIIHH", *(report[name] for name in ("heard", "heldUs", "applied", "limitMs", "ageMs")))
        writer.put("BBH", _code(REFUSED, report["refused"]), report["speed"], report["pictureLimitMs"])
    elif kind == "ack":
        writer.put("IBBBB", report["seq"], COMMANDS[report["of"]][0], _code(RESULTS, report["result"]), 0, 0)
    else:
        writer.axes(report["axes"])
        writer.put("iihHH", *(report[name] for name in ("xMm", "yMm", "headingMrad", "batteryMv", "rangeMm")))
        known = [UNKNOWN_TEMPERATURE if tenths is None else tenths for tenths in report["temperatures"]]
        writer.put("hhhhBB", *known, report["panMrad"], report["tiltMrad"], 0, 0)
        writer.put("iiii", *report["user"])
        writer.put("I6I", report["applied"], *(report["counts"][name] for name in COUNTS))
    return writer.done()


def parse_picture(data):
    """Which picture was captured when: its RTP timestamp and the device's stamp."""
    reader = _Reader(data)
    reader.kind(PICTURES)
    reader.reserved(2)
    return {"kind": "picture", "rtp": reader.u32(), "captured": reader.stamp()}


def emit_picture(picture):
    """The bytes of that."""
    writer = _Writer("picture", PICTURES)
    writer.put("BBI", 0, 0, picture["rtp"])
    writer.stamp(picture["captured"])
    return writer.done()


def _known(tenths):
    return None if tenths == UNKNOWN_TEMPERATURE else tenths


def _named(names, code, what):
    if code >= len(names):
        raise WireError(what, code)
    return names[code]


def _one_of(names, name):
    if name not in names:
        raise ValueError(f"{name!r} cannot be said here")
    return name


def _code(names, name):
    return names.index(_one_of(names, name))


class _Reader:
    def __init__(self, data):
        self._data = bytes(data)
        self._at = 0

    def kind(self, kinds):
        if not self._data:
            raise WireError("length", 0)
        version = self.u8()
        if version != VERSION:
            raise WireError("version", version)
        if len(self._data) < 2:
            raise WireError("length", len(self._data))
        code = self.u8()
        for name, (number, length) in kinds.items():
            if number == code:
                if len(self._data) != length:
                    raise WireError("length", len(self._data))
                return name
        raise WireError("kind", code)

    def _take(self, form):
        (value,) = struct.unpack_from(">" + form, self._data, self._at)
        self._at += struct.calcsize(">" + form)
        return value

    def u8(self):
        return self._take("B")

    def u16(self):
        return self._take("H")

    def u32(self):
        return self._take("I")

    def i16(self):
        return self._take("h")

    def i32(self):
        return self._take("i")

    def stamp(self):
        micros = self._take("Q")
        if micros > LAST_STAMP:
            raise WireError("stamp", micros)
        return micros

    def _axis(self):
        raw = self.i16()
        if raw < -FULL_SCALE:
            raise WireError("axis", raw)
        return raw

    def axes(self):
        axes = {name: self._axis() for name in AXES}
        axes["custom"] = [self._axis() for _ in range(4)]
        return axes

    def reserved(self, size):
        if any(self.u8() for _ in range(size)):
            raise WireError("reserved")


class _Writer:
    def __init__(self, kind, kinds):
        code, self._length = kinds[kind]
        self._parts = [bytes([VERSION, code])]

    def put(self, form, *values):
        try:
            self._parts.append(struct.pack(">" + form, *values))
        except struct.error as error:
            raise ValueError(f"{values} do not fit: {error}") from None

    def stamp(self, micros):
        if not 0 <= micros <= LAST_STAMP:
            raise ValueError(f"{micros} is no stamp")
        self.put("Q", micros)

    def axes(self, axes):
        for raw in [axes.get(name, 0) for name in AXES] + list(axes.get("custom", [0] * 4)):
            if not -FULL_SCALE <= raw <= FULL_SCALE:
                raise ValueError(f"{raw} is beyond full scale")
            self.put("h", raw)

    def done(self):
        data = b"".join(self._parts)
        assert len(data) == self._length, (data, self._length)
        return data
