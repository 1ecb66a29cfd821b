//! How full a battery is, by its voltage.

use embedded_hal::i2c::I2c;

use crate::line::{LineError, failed};

/// What tells the battery's voltage.
pub trait Battery {
    /// Millivolts now.
    fn millivolts(&mut self) -> Result<u16, LineError>;
}

/// A Texas Instruments INA219 on I2C (data sheet SBOS448): its bus voltage, as it measures by itself from
/// when it has power.
#[derive(Debug)]
pub struct Ina219<I> {
    bus: I,
    address: u8,
}

/// Its registers.
const CONFIGURATION: u8 = 0;
const BUS_VOLTAGE: u8 = 2;
/// After a reset: up to 32 V, 12 bits, continuously.
const DEFAULT: u16 = 0x399f;
/// Millivolts of a step.
const STEP_MV: u16 = 4;

impl<I: I2c> Ina219<I> {
    /// Sets the chip at `address` (0x40 to 0x4f) up.
    pub fn new(mut bus: I, address: u8) -> Result<Self, LineError> {
        let [high, low] = DEFAULT.to_be_bytes();
        bus.write(address, &[CONFIGURATION, high, low])
            .map_err(|error| failed("the battery", &error))?;
        Ok(Self { bus, address })
    }
}

impl<I: I2c> Battery for Ina219<I> {
    fn millivolts(&mut self) -> Result<u16, LineError> {
        let mut register = [0; 2];
        self.bus
            .write_read(self.address, &[BUS_VOLTAGE], &mut register)
            .map_err(|error| failed("the battery", &error))?;
        // The lowest three bits tell of the conversion.
        Ok((u16::from_be_bytes(register) >> 3) * STEP_MV)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};

    use super::*;

    /// A chip at 0x40 with its registers.
    struct Chip {
        registers: [u16; 6],
        pointer: usize,
        written: Vec<(usize, u16)>,
    }

    impl ErrorType for Chip {
        type Error = ErrorKind;
    }

    impl I2c for Chip {
        fn transaction(
            &mut self,
            address: u8,
            operations: &mut [Operation<'_>],
        ) -> Result<(), ErrorKind> {
            if address != 0x40 {
                return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
            }
            for operation in operations {
                match operation {
                    Operation::Write([register]) => self.pointer = usize::from(*register),
                    Operation::Write([register, high, low]) => self
                        .written
                        .push((usize::from(*register), u16::from_be_bytes([*high, *low]))),
                    Operation::Read(to) => {
                        to.copy_from_slice(&self.registers[self.pointer].to_be_bytes());
                    }
                    Operation::Write(_) => return Err(ErrorKind::Other),
                }
            }
            Ok(())
        }
    }

    fn chip(bus_voltage: u16) -> Chip {
        Chip {
            registers: [0, 0, bus_voltage, 0, 0, 0],
            pointer: 0,
            written: Vec::new(),
        }
    }

    #[test]
    fn the_data_sheets_example_is_understood() {
        // SBOS448, table 7: 11.98 V, conversion ready.
        let mut battery = Ina219::new(chip(0x5d98 | 0b10), 0x40).expect("it answers");
        assert_eq!(battery.bus.written, [(0, 0x399f)]);
        assert_eq!(battery.millivolts(), Ok(11_980));
        battery.bus.registers[2] = u16::MAX;
        assert_eq!(battery.millivolts(), Ok(32_764));
    }

    #[test]
    fn a_chip_that_is_absent_is_told() {
        let error = Ina219::new(chip(0), 0x41).map(|_| ()).expect_err("nobody");
        assert!(alloc::format!("{error}").starts_with("the battery: NoAcknowledge"));
    }
}
