//! `cargo xtask bench load`: our server, the machine's floor and other servers,
//! one after the other, again and again, so that a machine that is slow for a
//! while is slow for all of them.

mod case;
mod table;

use super::figures::Figures;
use super::server::Server;
use super::{floor, generator_built};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::workspace::{self, Profile};

use case::numbers;
pub(super) use case::{Case, Choice};
use table::{Row, Table};

const HELP: &str = "\
cargo xtask bench load [--n LIST] [--publisher LIST] [--cipher LIST] [--repeats N] [--seconds S]
                       [--loss PERCENT] [--workers LIST] [--against SERVER]... [--dist] [--no-floor] [--yes]

  Starts our server, loads it with one publisher and N subscribers (tests/load), and prints what
  it took for each packet, beside what the machine itself takes to seal and send it, and beside
  other servers. All take turns within each repeat; one server runs at a time.

  --n LIST           subscribers (1,10,50,100,300)
  --publisher LIST   burst, chromium, paced (all)
  --cipher LIST      gcm, cm, mixed (all)
  --repeats N        (3)
  --seconds S        measured of each run (10)
  --warmup S         between the last join and that (2)
  --loss PERCENT     of the picture's packets, dropped by the subscribers and asked for again (0)
  --workers LIST     our server with so many media threads, each; ratios are to the first (1)
  --dist             the build that packages hold, instead of the release build
  --no-floor         leave the floor out
  --against SERVER   one more server; may be repeated:
                     NAME,whip=URL,whep=URL[,token=T],pid=PID       one that runs already
                     NAME,whip=URL,whep=URL[,token=T],run=COMMAND   started for each run; COMMAND
                                                                    is the rest of the word
                     NAME,sfu=PATH                                  another build of transom-sfu
                     cipher=cm before the others: what its subscribers offer in every case, for a
                     server that takes no other

  SRS:      --against 'srs,cipher=cm,whip=http://127.0.0.1:1985/rtc/v1/whip/?app=live&stream=door,whep=http://127.0.0.1:1985/rtc/v1/whep/?app=live&stream=door,run=objs/srs -c srs.conf'
  live777:  --against 'live777,whip=http://127.0.0.1:7777/whip/door,whep=http://127.0.0.1:7777/whep/door,run=live777 --config live777.toml'
";

struct Options {
    choice: Choice,
    repeats: u64,
    seconds: u64,
    warmup: u64,
    loss: String,
    workers: Vec<u64>,
    profile: Profile,
    floor: bool,
    against: Vec<Server>,
    yes: bool,
}

impl Options {
    /// `None`: only the help was asked for.
    fn parse(mut args: Args) -> Result<Option<Self>, Failure> {
        let mut options = Self {
            choice: Choice::default(),
            repeats: 3,
            seconds: 10,
            warmup: 2,
            loss: "0".to_owned(),
            workers: vec![1],
            profile: Profile::Release,
            floor: true,
            against: Vec::new(),
            yes: false,
        };
        while let Some(word) = args.word() {
            match word.as_str() {
                "--repeats" => options.repeats = args.number("--repeats")?,
                "--seconds" => options.seconds = args.number("--seconds")?,
                "--warmup" => options.warmup = args.number("--warmup")?,
                "--loss" => options.loss = args.value("--loss")?,
                "--workers" => options.workers = numbers("--workers", &args.value("--workers")?)?,
                "--dist" => options.profile = Profile::Dist,
                "--no-floor" => options.floor = false,
                "--against" => {
                    let server = args.value("--against")?;
                    options.against.push(Server::parse(&server)?);
                }
                "--yes" | "-y" => options.yes = true,
                "--help" | "-h" => return Ok(None),
                other if options.choice.take(other, &mut args)? => {}
                other => return Err(args::unknown("bench load", other)),
            }
        }
        Ok(Some(options))
    }
}

pub(crate) fn bench(args: Args) -> Result<(), Failure> {
    let Some(options) = Options::parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    needs::debian(needs::BUILD, Consent::new(options.yes))?;
    generator_built()?;
    let ours = workspace::build_of(&["transom-sfu"], options.profile);
    step::run("build", ours)?;
    let binary = workspace::bin_dir(options.profile).join("transom-sfu");
    let ours = options.workers.iter();
    let ours = ours.map(|workers| Server::with_workers(binary.clone(), *workers));
    let mut servers: Vec<Server> = ours.collect();
    servers.extend(options.against.iter().cloned());
    println!("{}", Row::HEAD);
    for case in options.choice.cases() {
        let table = measure(&options, &servers, &case)?;
        for row in table.rows(&case) {
            println!("{row}");
        }
    }
    Ok(())
}

/// All repeats of one case.
fn measure(options: &Options, servers: &[Server], case: &Case) -> Result<Table, Failure> {
    let names = servers.iter().map(|s| s.name.clone()).collect();
    let mut table = Table::new(names);
    for repeat in 0..options.repeats {
        if options.floor {
            table.floor(floor::measure(case, 1, options.seconds.div_ceil(2))?);
        }
        // Nobody is always the first after the floor.
        for turn in 0..servers.len() {
            let at = (turn + usize::try_from(repeat).unwrap_or(0)) % servers.len();
            if table.is_refused(at) {
                continue;
            }
            let Some(server) = servers.get(at) else {
                continue;
            };
            let running = server.start()?;
            let mut command = running.load("run");
            command.args(case.with_cipher(server.cipher.as_deref()).words());
            command.args(["--seconds", &options.seconds.to_string()]);
            command.args(["--warmup", &options.warmup.to_string()]);
            command.args(["--loss", &options.loss]);
            match Figures::of(command) {
                Ok(figures) => table.run(at, figures),
                Err(failure) => {
                    eprintln!("{}: {case}: {failure}", server.name);
                    table.refuse(at, &failure.to_string());
                }
            }
        }
    }
    Ok(table)
}
