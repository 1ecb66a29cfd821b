//! `cargo xtask bench board`: what capturing and encoding take on the virtual board.

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::workspace::{self, Profile};
use crate::{device, step};

const HELP: &str = "\
cargo xtask bench board [--pictures SIZE@FPS,...] [--dev] [--yes]

  The kernel's camera on the virtual board, captured, encoded by openh264 and published to a server on this
  machine, ten seconds each: pictures a second, the encoder's milliseconds a picture, the agent's processor
  time, all by its own figures. The processor is emulated: this tells of changes, and nothing of a Pi.

  --pictures LIST   sizes and rates to ask for (320x180@15,640x360@15,640x480@30)
  --dev             the build that the tests use, instead of the release build
";

const PICTURES: &str = "320x180@15,640x360@15,640x480@30";

pub(super) fn bench(mut args: Args) -> Result<(), Failure> {
    let (mut pictures, mut profile, mut yes) = (PICTURES.to_owned(), Profile::Release, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--pictures" => pictures = args.value("--pictures")?,
            "--dev" => profile = Profile::Dev,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(args::unknown("bench board", other)),
        }
    }
    let consent = Consent::new(yes);
    needs::debian(needs::BUILD, consent)?;
    let image = device::image_of(profile, consent)?;
    // The server is not measured.
    step::run("build", workspace::build_of(&["transom-sfu"], Profile::Dev))?;
    let mut test = workspace::cargo(["test", "--package", "transom-tests-device"]);
    test.args(["--test", "figures", "--", "--nocapture"])
        .env("TRANSOM_BIN_DIR", workspace::bin_dir(Profile::Dev))
        .env("TRANSOM_BOARD", image)
        .env("TRANSOM_BOARD_PICTURES", pictures);
    step::run("board", test)
}
