use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Modules of margin that a reader needs (ISO/IEC 18004 section 9.1).
const QUIET: usize = 4;

/// `text` as a QR code of half blocks, two modules a character; `None` where
/// it is too long. In a terminal its colours are set, so that it is dark on
/// light whatever the terminal's are; elsewhere it is for a dark terminal.
pub(super) fn qr_code(text: &str, terminal: bool) -> Option<String> {
    // A screen does not get dirty: the lowest level of correction, the fewest modules.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let modules = code.to_colors();
    let dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        let module = || modules.get((y - QUIET) * width + x - QUIET);
        inside && module() == Some(&Color::Dark)
    };
    let side = width + 2 * QUIET;
    let mut drawn = String::new();
    for y in (0..side).step_by(2) {
        if terminal {
            // Black on white, of the 256 colours: those that no theme changes.
            drawn.push_str("\x1b[38;5;16;48;5;231m");
        }
        for x in 0..side {
            // The last line has no lower half: it is margin.
            let (upper, lower) = (dark(x, y), dark(x, y + 1));
            drawn.push(match (upper != terminal, lower != terminal) {
                (true, true) => ' ',
                (false, false) => '█',
                (false, true) => '▀',
                (true, false) => '▄',
            });
        }
        if terminal {
            drawn.push_str("\x1b[0m");
        }
        let _ = writeln!(drawn);
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str =
        "https://192.168.1.5:8443/#token=Q0hBTkdFLU1FLVRISVMtSVMtTk9ULUEtU0VDUkVULS0";

    /// What a camera would see, read by somebody else's decoder: three pixels a module.
    fn read(drawn: &str, ink_is_dark: bool) -> String {
        let rows: Vec<Vec<bool>> = drawn
            .lines()
            .flat_map(|line| {
                let half = |upper: bool| {
                    let of = move |c: char| match c {
                        '█' => true,
                        '▀' => upper,
                        '▄' => !upper,
                        _ => false,
                    };
                    line.chars().map(of).collect::<Vec<bool>>()
                };
                [half(true), half(false)]
            })
            .collect();
        let side = rows[0].len();
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(3 * side, 3 * side, |x, y| {
            let ink = rows.get(y / 3).is_some_and(|row| row[x / 3]);
            if ink == ink_is_dark { 0 } else { 255 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "{drawn}");
        grids[0].decode().unwrap().1
    }

    #[test]
    fn it_says_the_link() {
        let plain = qr_code(LINK, false).unwrap();
        assert_eq!(read(&plain, false), LINK);
        let coloured = qr_code(LINK, true).unwrap();
        let stripped: String = coloured
            .replace("\x1b[38;5;16;48;5;231m", "")
            .replace("\x1b[0m", "");
        assert_eq!(read(&stripped, true), LINK);
        let columns = plain.lines().next().unwrap().chars().count();
        assert!(columns <= 60, "{columns} columns");
    }

    #[test]
    fn what_is_too_long_has_none() {
        assert!(qr_code(&"x".repeat(3000), false).is_none());
    }
}
