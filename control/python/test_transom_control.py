"""The form of commands and reports in Python against the vectors that the device's is tested with.

    python3 -m unittest discover control/python
"""

import json
import pathlib
import random
import unittest

import transom_control as wire

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "tests/data/control/vectors.json"
FORMS = {
    "commands": (wire.parse_command, wire.emit_command),
    "reports": (wire.parse_report, wire.emit_report),
    "pictures": (wire.parse_picture, wire.emit_picture),
}


class Vectors(unittest.TestCase):
    def setUp(self):
        self.vectors = json.loads(VECTORS.read_text())

    def test_messages_are_read_and_written(self):
        for form, (parse, emit) in FORMS.items():
            self.assertGreater(len(self.vectors[form]), 1)
            for row in self.vectors[form]:
                with self.subTest(row["name"]):
                    data = bytes.fromhex(row["hex"])
                    self.assertEqual(parse(data), row["message"])
                    self.assertEqual(emit(row["message"]), data)

    def test_what_is_no_message_is_refused_by_name(self):
        for form, (parse, _) in FORMS.items():
            self.assertGreater(len(self.vectors["refused_" + form]), 1)
            for row in self.vectors["refused_" + form]:
                with self.subTest(row["name"]):
                    with self.assertRaises(wire.WireError) as refused:
                        parse(bytes.fromhex(row["hex"]))
                    self.assertEqual(refused.exception.code, row["error"])

    def test_noise_is_refused_and_nothing_worse(self):
        dice = random.Random(1)
        rows = [bytes.fromhex(row["hex"]) for form in FORMS for row in self.vectors[form]]
        for _ in range(20_000):
            data = bytearray(dice.choice(rows))
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            data = data[: dice.randint(0, len(data))] if dice.random() < 0.2 else data
            for parse, emit in FORMS.values():
                try:
                    self.assertEqual(emit(parse(data)), data)
                except wire.WireError:
                    pass


if __name__ == "__main__":
    unittest.main()
