"""Reads a log of what happened with what others wrote: MCAP by its own package, the table by Python's csv, and the
files by docs/record.md alone. All three have to tell the same."""

import csv
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from mcap.reader import make_reader

KINDS = ['boot', 'end', 'command', 'setpoint', 'summary', 'state', 'ack', 'actuator', 'link', 'stop', 'output', 'note', 'lost']
AXES = ['linear', 'angular', 'pan', 'tilt', 'custom0', 'custom1', 'custom2', 'custom3']


def entries(folder):
    """As docs/record.md has it: number, monotonic time, wall time, kind, payload."""
    for path in sorted(folder.glob('*.rec')):
        data = path.read_bytes()
        assert data[:8] == b'TRANSLOG' and zlib.crc32(data[:20]) == struct.unpack_from('>I', data, 20)[0], path
        at = 24
        while at + 33 <= len(data):
            marker, length, crc = struct.unpack_from('>2sHI', data, at)
            end = at + 33 + length
            if marker != b'TR' or zlib.crc32(data[at + 2:at + 4] + data[at + 8:end]) != crc:
                at = data.find(b'TR', at + 1)
                assert at >= 0, 'the file ends in damage'
                continue
            seq, mono, wall, kind = struct.unpack_from('>QQqB', data, at + 8)
            yield seq, mono, wall, KINDS[kind - 1], data[at + 33:end]
            at = end


def setpoint(payload):
    number, age, mask = struct.unpack_from('>IIB', payload)
    values = iter(struct.unpack_from(f'>{mask.bit_count()}h', payload, 9))
    told = {axis: next(values) if mask >> bit & 1 else 0 for bit, axis in enumerate(AXES)}
    told['cmd_seq'] = number
    if age != 0xFFFFFFFF:
        told['age_us'] = age
    return told


def note(payload):
    length = payload[1]
    return {'warning': payload[0] != 0, 'text': payload[2:2 + length].decode()}


def as_text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def main(program):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([program, 'log', name], check=True, stdout=subprocess.DEVNULL)
        by_hand = list(entries(folder / 'ring'))
        with open(folder / 'log.csv', newline='', encoding='utf-8') as file:
            table = list(csv.DictReader(file))
        messages = []
        with open(folder / 'log.mcap', 'rb') as file:
            reader = make_reader(file, validate_crcs=True)
            for schema, channel, message in reader.iter_messages(log_time_order=False):
                assert schema.encoding == 'jsonschema' and channel.message_encoding == 'json'
                properties = json.loads(schema.data)['properties']
                told = json.loads(message.data)
                for field, value in told.items():
                    kind = {'integer': int, 'boolean': bool, 'string': str}[properties[field]['type']]
                    assert type(value) is kind, (field, value)
                    assert properties[field]['description']
                messages.append((channel.topic, message, told))
            summary = reader.get_summary()
        count = int((folder / 'entries').read_text())

    assert len(by_hand) == len(table) == len(messages) == count > 500
    assert {channel.topic for channel in summary.channels.values()} == {f'/transom/{kind}' for kind in KINDS}
    assert summary.statistics.message_count == count
    assert [entry[0] for entry in by_hand] == list(range(1, count + 1))
    seen = set()
    for (seq, mono, wall, kind, payload), row, (topic, message, told) in zip(by_hand, table, messages):
        seen.add(kind)
        assert topic == f'/transom/{kind}' and row['event'] == kind
        assert int(row['seq']) == told['seq'] == seq and int(row['mono_us']) == told['mono_us'] == mono
        assert message.log_time == wall * 1000 and message.sequence == seq
        read = {'setpoint': setpoint, 'note': note}.get(kind, lambda _: {})(payload)
        for field, value in read.items():
            assert told[field] == value and row[field] == as_text(value), (field, value, told, row)
        for field, value in told.items():
            assert row[field] == as_text(value), (field, value, row)
    assert seen == set(KINDS), seen
    print(f'{count} entries, three readers, one story')


main(sys.argv[1])
